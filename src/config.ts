import { resolve } from 'node:path';
import { unescape as percentDecoded } from 'node:querystring';
import { parseKeyRing } from './adapters/crypto/aes-gcm-cipher.ts';
import { DATABASE_LIMITS, type DatabaseLimits } from './adapters/persistence/database-limits.ts';
import { mongodbUrlProblem } from './adapters/scheduler/mongodb-url.ts';
import { BUSINESS_LIMITS, type BusinessLimits } from './adapters/tiktok/business/limits.ts';
import type { OpenTikTokLimits } from './adapters/tiktok/open/open-tiktok.ts';
import type { OtlpTracing } from './adapters/traces/otlp-traces.ts';
import type { SamplerName } from './adapters/traces/sampler.ts';
import type { S3Place } from './adapters/video-store/s3-video-store.ts';
import type { Retention } from './application/collect-garbage.ts';
import { COLLECTION_RATES, type CollectionRates } from './application/collect-metrics.ts';
import type { KeyRing } from './application/ports/key-provider.ts';
import type { ApiFamily } from './domain/connection/connection.ts';
import { LARGEST_CHUNK_BYTES, SMALLEST_LARGEST_CHUNK_BYTES } from './domain/post/chunk-plan.ts';
import type { LatePolicy } from './domain/post/schedule.ts';
import { Secret } from './domain/secret.ts';

/** What the operator decides, read once at the start. Every setting of the README, and no other, is here. */
export type Config = {
  readonly rpc: {
    readonly host: string;
    readonly port: number;
    readonly tls?: TlsFiles;
    /** Whether callers can ask for the contract itself (gRPC reflection). */
    readonly reflection: boolean;
  };
  readonly http: { readonly host: string; readonly port: number };
  /** Absent: everybody may do everything, which is why nobody but this machine can reach the ports. */
  readonly callersFile?: string;
  /** Where a collector finds the metrics: at a port of their own, at the HTTP port, or not at all. */
  readonly metrics: { readonly host: string; readonly port: number } | 'HTTP_PORT' | 'NOWHERE';
  /** Where browsers and TikTok reach the HTTP port. Without a slash at the end. */
  readonly publicUrl: string;
  readonly dataDir: string;
  /** Absent: the embedded PostgreSQL under `dataDir`. */
  readonly databaseUrl?: string;
  /** Whether a start brings the schema up to date, or refuses one that lacks something. */
  readonly migrateOnStart: boolean;
  readonly databaseLimits: DatabaseLimits;
  /** Absent: Agenda's jobs are in PostgreSQL, beside everything else. */
  readonly agendaMongodbUrl?: string;
  readonly videoStore: VideoStoreConfig;
  /** Absent: kept under `dataDir`, made at the first start. Only with the embedded database. */
  readonly tokenKeys?: KeyRing;
  /** Neither this nor the next: the bundled sandbox. */
  readonly tiktok?: TikTokConfig;
  readonly business?: BusinessTikTokConfig;
  /** For connections that name none. */
  readonly defaultFamily: ApiFamily;
  /** How long TikTok is waited for; what is not named keeps the adapter's own limit. */
  readonly tiktokLimits: Partial<OpenTikTokLimits>;
  /** What TikTok granted the app of the Business family, which all processes on one database share. */
  readonly businessLimits: BusinessLimits;
  readonly largestChunkBytes: number;
  /** Whether consents are tied to their codes by PKCE. */
  readonly pkce: boolean;
  readonly sandboxPort: number;
  /** How TikTok gets the bytes: we send them, or TikTok fetches them at `publicUrl`. */
  readonly transfer: 'UPLOAD' | 'PULL';
  readonly collectionRates: CollectionRates;
  /** A worker that died loses its posts to the others after this long. */
  readonly leaseSeconds: number;
  readonly latePolicy: LatePolicy;
  readonly requireConsent: boolean;
  readonly retention: Retention;
  /** How many days a handled webhook is remembered. */
  readonly webhookDays: number;
  /** Between two looks for what nobody needs any more. */
  readonly garbageSeconds: number;
  /** For all videos of a workspace together. Absent: no limit. */
  readonly workspaceBytes?: number;
  readonly importAllowedOrigins: readonly string[];
  /** Absent: any public host. */
  readonly videoUriAllow?: readonly string[];
  readonly logLevel: string;
  /** Absent: nobody is told of traces. */
  readonly tracing?: OtlpTracing;
};

export type Environment = Readonly<Record<string, string | undefined>>;

export type VideoStoreConfig = { readonly kind: 'FILE'; readonly folder: string } | ({ readonly kind: 'S3' } & S3Place);

/** PEM files. With `clientCa`, nobody connects without a certificate of one of these authorities. */
export type TlsFiles = { readonly cert: string; readonly key: string; readonly clientCa?: string };

/** The app of the open family. */
export type TikTokConfig = {
  readonly clientKey: string;
  readonly clientSecret: Secret;
  /** While the app's secret is changed: webhooks that are signed with the one before are TikTok's as well. */
  readonly previousClientSecret?: Secret;
  readonly openApiUrl?: string;
  readonly authorizeUrl?: string;
  readonly uploadOrigins?: readonly string[];
};

/** The app of the Business family: another one, of TikTok's business portal. */
export type BusinessTikTokConfig = {
  readonly appId: string;
  readonly secret: Secret;
  /** As `previousClientSecret`. */
  readonly previousSecret?: Secret;
  readonly businessApiUrl?: string;
  readonly authorizeUrl?: string;
};

/** Every setting that is wrong, each with the value seen and the remedy. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`This service can't start with these settings:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** A call that brings no deadline has 30 s. */
const MOST_DATABASE_SECONDS = 28;

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1', '[::1]']);

/** The ports that others can reach and that nothing of ours encrypts: by setting. */
export const inTheClear = ({ rpc, http }: Config): readonly string[] => [
  ...(LOOPBACK.has(rpc.host) || rpc.tls !== undefined ? [] : ['RPC_HOST']),
  ...(LOOPBACK.has(http.host) ? [] : ['HTTP_HOST']),
];

const SAMPLERS: readonly SamplerName[] = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
];

/** Can be listened on, and not called. */
const EVERY_ADDRESS = new Set(['0.0.0.0', '::']);

/** Throws `ConfigError` when there is anything wrong. */
export function readConfig(environment: Environment): Config {
  const { config, problems } = readSettings(environment);
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** For who looks at all of it, also when something is wrong: a setting that is has its default then, or is absent. */
export function readSettings(environment: Environment): {
  readonly config: Config;
  readonly problems: readonly string[];
} {
  const problems: string[] = [];
  const text = (name: string): string | undefined => environment[name]?.trim() || undefined;

  function port(name: string, fallback: number): number {
    const value = text(name);
    if (value === undefined) return fallback;
    if (/^\d{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= 65_535) return Number(value);
    problems.push(`${name}=${value}: a port is a whole number from 1 to 65535.`);
    return fallback;
  }

  function host(name: string): string {
    const value = text(name) ?? '127.0.0.1';
    if (!LOOPBACK.has(value) && callersFile === undefined) {
      problems.push(
        `${name}=${value}: without CALLERS_FILE everybody may do everything, so it listens on loopback only (127.0.0.1, ::1, localhost). Set CALLERS_FILE to name who may call; docs/callers.md shows how.`,
      );
    }
    return value;
  }

  function choice<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
    const value = text(name) ?? fallback;
    const found = allowed.find((each) => each === value);
    if (found === undefined) problems.push(`${name}=${value}: choose one of ${allowed.join(', ')}.`);
    return found ?? fallback;
  }

  function url(name: string): string | undefined {
    const value = text(name);
    if (value === undefined) return undefined;
    const parsed = URL.parse(value);
    if (!isEncryptedOrOwn(parsed)) problems.push(`${name}=${value}: give an https address, or http on loopback.`);
    return value;
  }

  function origins(name: string): readonly string[] | undefined {
    const values = text(name)
      ?.split(',')
      .map((each) => each.trim());
    for (const value of values ?? []) {
      if (URL.parse(value)?.origin !== value)
        problems.push(`${name}: "${value}" is not an origin such as https://host.`);
    }
    return values;
  }

  function hosts(name: string): readonly string[] | undefined {
    const values = text(name)
      ?.split(',')
      .map((each) => each.trim().toLowerCase());
    for (const value of values ?? []) {
      if (!/^(\*\.)?([a-z0-9-]+\.)+[a-z0-9-]*[a-z][a-z0-9-]*$/.test(value))
        problems.push(`${name}: "${value}" is not a host such as media.example.com or *.example.com.`);
    }
    return values;
  }

  function whole(name: string, unit: string, fallback: number, least = 1, most = 999_999_999): number {
    const value = text(name) ?? String(fallback);
    if (/^\d{1,9}$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value);
    problems.push(`${name}=${value}: a whole number of ${unit} from ${least} to ${most}.`);
    return fallback;
  }

  function bytes(name: string): number | undefined {
    const value = text(name);
    if (value === undefined) return undefined;
    if (/^\d{1,15}$/.test(value) && Number(value) >= 1) return Number(value);
    problems.push(`${name}=${value}: a whole number of bytes from 1 to 999999999999999.`);
    return undefined;
  }

  /** 0 is for ever. */
  function days(name: string, fallback: number): number | undefined {
    const value = whole(name, 'days', fallback, 0, 36_500);
    return value === 0 ? undefined : value;
  }

  const callsPerSecond = (name: string, fallback: CollectionRates[ApiFamily]): number =>
    whole(name, 'calls', fallback.callsPerSecond, 0, 50);

  const milliseconds = (name: string, fallback: number, most = 3_600): number =>
    whole(name, 'seconds', fallback, 1, most) * 1000;

  /** What an app is known by at TikTok, and proves itself with. */
  function pair(idName: string, secretName: string): { readonly id: string; readonly secret: string } | undefined {
    const [id, secret] = [text(idName), text(secretName)];
    if ((id === undefined) !== (secret === undefined)) {
      problems.push(`${idName} and ${secretName} belong together: set both, or neither for the sandbox.`);
    }
    return id === undefined || secret === undefined ? undefined : { id, secret };
  }

  function parsed<T>(name: string, parse: (value: string) => T): T | undefined {
    const value = text(name);
    if (value === undefined) return undefined;
    try {
      return parse(value);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : `${name} can't be read.`);
      return undefined;
    }
  }

  function tlsFiles(): TlsFiles | undefined {
    const [cert, key, clientCa] = [text('RPC_TLS_CERT_FILE'), text('RPC_TLS_KEY_FILE'), text('RPC_TLS_CLIENT_CA_FILE')];
    if ((cert === undefined) !== (key === undefined)) {
      problems.push('RPC_TLS_CERT_FILE and RPC_TLS_KEY_FILE belong together: set both, or neither for h2c.');
    }
    if (clientCa !== undefined && cert === undefined) {
      problems.push(
        `RPC_TLS_CLIENT_CA_FILE=${clientCa}: client certificates come over TLS only; set RPC_TLS_CERT_FILE and RPC_TLS_KEY_FILE too.`,
      );
    }
    if (cert === undefined || key === undefined) return undefined;
    return { cert, key, ...(clientCa === undefined ? {} : { clientCa }) };
  }

  /** OpenTelemetry's own names. Without an endpoint none of them is looked at: they may be meant for other programs. */
  function tracing(): OtlpTracing | undefined {
    const endpoint = text('OTEL_EXPORTER_OTLP_ENDPOINT');
    if (endpoint === undefined) return undefined;
    const address = URL.parse(endpoint);
    if (!/^https?:$/.test(address?.protocol ?? '') || address?.username || address?.search || address?.hash) {
      problems.push(
        'OTEL_EXPORTER_OTLP_ENDPOINT: give the http or https address of a collector, without a login or a query, such as http://127.0.0.1:4318 (its value is not shown here). /v1/traces is added to it.',
      );
    }
    choice('OTEL_EXPORTER_OTLP_PROTOCOL', ['http/protobuf'], 'http/protobuf');
    const sampler = choice<SamplerName>('OTEL_TRACES_SAMPLER', SAMPLERS, 'parentbased_always_on');
    const ratio = text('OTEL_TRACES_SAMPLER_ARG') ?? '1';
    if (!/^(0(\.\d+)?|1(\.0+)?)$/.test(ratio)) {
      problems.push(`OTEL_TRACES_SAMPLER_ARG=${ratio}: a share from 0 to 1, such as 0.1.`);
    }
    const headers = deliveryHeaders();
    if (Object.keys(headers).length > 0 && !isEncryptedOrOwn(address)) {
      problems.push(
        'OTEL_EXPORTER_OTLP_HEADERS would pass to OTEL_EXPORTER_OTLP_ENDPOINT unencrypted: give an https address, or leave them out.',
      );
    }
    const serviceName = text('OTEL_SERVICE_NAME') ?? 'tiktok-connector';
    return { endpoint: endpoint.replace(/\/+$/, ''), headers, serviceName, sampler, ratio: Number(ratio) };
  }

  /** `name=value,…`, values percent-encoded where they have to be (OpenTelemetry's specification of the OTLP exporter). */
  function deliveryHeaders(): OtlpTracing['headers'] {
    const pairs = (text('OTEL_EXPORTER_OTLP_HEADERS') ?? '').split(',').filter((pair) => pair.trim() !== '');
    const headers = pairs.flatMap((pair): [string, Secret][] => {
      const [, name, value] =
        /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*((?:[\x21-\x24\x26-\x7e]|%[\da-f]{2})+)\s*$/i.exec(pair) ?? [];
      return name === undefined || value === undefined ? [] : [[name, new Secret(percentDecoded(value))]];
    });
    if (headers.length < pairs.length) {
      problems.push(
        'OTEL_EXPORTER_OTLP_HEADERS: give name=value pairs with commas between them, blanks in values as %20 (the value is not shown here).',
      );
    }
    return Object.fromEntries(headers);
  }

  const callersFile = text('CALLERS_FILE');
  const http = { host: host('HTTP_HOST'), port: port('HTTP_PORT', 8080) };
  const tls = tlsFiles();
  const rpc = {
    host: host('RPC_HOST'),
    port: port('RPC_PORT', 50_051),
    reflection: choice('RPC_REFLECTION', ['0', '1'], '0') === '1',
    ...(tls === undefined ? {} : { tls }),
  };
  const metricsHost = text('METRICS_HOST');
  if (metricsHost !== undefined && text('METRICS_PORT') === undefined) {
    problems.push(`METRICS_HOST=${metricsHost} is set without METRICS_PORT: set both, or neither.`);
  }
  // A port that others than this host can reach is for callers and TikTok: how busy we are is none of their business.
  const metricsBesideHttp = LOOPBACK.has(http.host) ? 'HTTP_PORT' : 'NOWHERE';
  const dataDir = resolve(text('DATA_DIR') ?? './data');
  const databaseUrl = text('DATABASE_URL');
  if (databaseUrl !== undefined && !/^postgres(ql)?:$/.test(URL.parse(databaseUrl)?.protocol ?? '')) {
    problems.push('DATABASE_URL: give a postgres:// address (its value is not shown here).');
  }
  const migrateOnStart = choice('MIGRATE_ON_START', ['0', '1'], '1') === '1';
  if (!migrateOnStart && databaseUrl === undefined) {
    problems.push(
      'MIGRATE_ON_START=0 is set without DATABASE_URL: nothing but the start migrates the embedded PostgreSQL; leave it out.',
    );
  }
  const defaultFamily = choice('TIKTOK_API_FAMILY', ['open', 'business'], 'open') === 'open' ? 'OPEN' : 'BUSINESS';

  const app = pair('TIKTOK_CLIENT_KEY', 'TIKTOK_CLIENT_SECRET');
  const ownBusinessApp = pair('TIKTOK_BUSINESS_APP_ID', 'TIKTOK_BUSINESS_SECRET');
  // One app only, and it is to be the Business family's.
  const onlyBusiness = defaultFamily === 'BUSINESS' && ownBusinessApp === undefined;
  const openApp = onlyBusiness ? undefined : app;
  const businessApp = onlyBusiness ? app : ownBusinessApp;
  const hasApp = openApp !== undefined || businessApp !== undefined;
  if (defaultFamily === 'OPEN' && openApp === undefined && businessApp !== undefined) {
    problems.push(
      'TIKTOK_BUSINESS_APP_ID is set alone: set TIKTOK_API_FAMILY=business, or TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET of an app of the open family too.',
    );
  }
  /** The secret of before, while it is changed at TikTok. */
  function previous(secretName: string, secret: string | undefined): string | undefined {
    const value = text(`${secretName}_PREVIOUS`);
    if (value !== undefined && value === secret) {
      problems.push(
        `${secretName}_PREVIOUS is the same as ${secretName} (neither is shown here): set it to the secret before, or leave it out.`,
      );
    }
    return value;
  }
  const previousSecretOfApp = previous('TIKTOK_CLIENT_SECRET', app?.secret);
  const previousClientSecret = onlyBusiness ? undefined : previousSecretOfApp;
  const previousBusinessSecret = onlyBusiness
    ? previousSecretOfApp
    : previous('TIKTOK_BUSINESS_SECRET', ownBusinessApp?.secret);
  const sandboxAsked = choice('TIKTOK_SANDBOX', ['0', '1'], '0') === '1';
  if (sandboxAsked && hasApp) {
    const name = app === undefined ? 'TIKTOK_BUSINESS_APP_ID' : 'TIKTOK_CLIENT_KEY';
    problems.push(`TIKTOK_SANDBOX=1 and ${name} are both set: choose the sandbox or the app.`);
  }
  if (databaseUrl !== undefined && !hasApp && !sandboxAsked) {
    problems.push(
      'DATABASE_URL is set without a TikTok app: set TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET, or TIKTOK_SANDBOX=1 to post to the bundled sandbox only.',
    );
  }
  const appNeeded: readonly (readonly [name: string, isThere: boolean, whose: string])[] = [
    ['TIKTOK_CLIENT_SECRET_PREVIOUS', app !== undefined, 'a TikTok app'],
    ['TIKTOK_BUSINESS_SECRET_PREVIOUS', ownBusinessApp !== undefined, 'TIKTOK_BUSINESS_APP_ID'],
    ['TIKTOK_AUTHORIZE_URL', hasApp, 'a TikTok app'],
    ['TIKTOK_OPEN_API_URL', openApp !== undefined, 'a TikTok app of the open family'],
    ['TIKTOK_UPLOAD_ORIGINS', openApp !== undefined, 'a TikTok app of the open family'],
    ['TIKTOK_BUSINESS_API_URL', businessApp !== undefined, 'a TikTok app of the Business family'],
  ];
  for (const [name, isThere, whose] of appNeeded) {
    if (!isThere && text(name) !== undefined)
      problems.push(`${name} is set without ${whose}: the bundled sandbox has its own.`);
  }
  const tokenKeys = parsed('TOKEN_KEYS', parseKeyRing);
  if (databaseUrl !== undefined && text('TOKEN_KEYS') === undefined) {
    problems.push(
      'DATABASE_URL is set without TOKEN_KEYS: set TOKEN_KEYS=id:$(openssl rand -base64 32) and keep it safe.',
    );
  }
  const databaseLimits = {
    connect: milliseconds('DATABASE_CONNECT_SECONDS', DATABASE_LIMITS.connect / 1000, MOST_DATABASE_SECONDS),
    statement: milliseconds('DATABASE_STATEMENT_SECONDS', DATABASE_LIMITS.statement / 1000, MOST_DATABASE_SECONDS),
  };
  const databaseSeconds = (databaseLimits.connect + databaseLimits.statement) / 1000;
  if (databaseSeconds > MOST_DATABASE_SECONDS) {
    problems.push(
      `DATABASE_CONNECT_SECONDS and DATABASE_STATEMENT_SECONDS are ${databaseSeconds} together: ${MOST_DATABASE_SECONDS} at most, so that callers hear of it before the deadline of a call that brings none (30 s).`,
    );
  }
  const openApiUrl = url('TIKTOK_OPEN_API_URL');
  const businessApiUrl = url('TIKTOK_BUSINESS_API_URL');
  const authorizeUrl = url('TIKTOK_AUTHORIZE_URL');
  const uploadOrigins = origins('TIKTOK_UPLOAD_ORIGINS');
  const publicHost = EVERY_ADDRESS.has(http.host)
    ? '127.0.0.1'
    : http.host.includes(':')
      ? `[${http.host}]`
      : http.host;
  const publicUrl = (url('PUBLIC_URL') ?? `http://${publicHost}:${http.port}`).replace(/\/+$/, '');
  const transfer = choice('TIKTOK_TRANSFER', ['upload', 'pull'], 'upload') === 'pull' ? 'PULL' : 'UPLOAD';
  const isPublic = publicUrl.startsWith('https://');
  if (transfer === 'PULL' && openApp !== undefined && !isPublic && openApiUrl === undefined) {
    problems.push(
      `TIKTOK_TRANSFER=pull with PUBLIC_URL=${publicUrl}: TikTok fetches over https from a domain verified for the app; set such a PUBLIC_URL, or TIKTOK_TRANSFER=upload.`,
    );
  }
  if (businessApp !== undefined && !isPublic && businessApiUrl === undefined) {
    problems.push(
      `PUBLIC_URL=${publicUrl} with an app of the Business family: TikTok fetches its videos over https from a domain verified for the app, and takes them in no other way; set such a PUBLIC_URL.`,
    );
  }
  const videoStore = parsed('VIDEO_STORE', (value) =>
    value.startsWith('s3:') ? s3PlaceOf(value, text('AWS_REGION') ?? text('AWS_DEFAULT_REGION')) : videoFolderOf(value),
  ) ?? { kind: 'FILE', folder: resolve(dataDir, 'videos') };
  const agendaMongodbUrl = text('AGENDA_MONGODB_URL');
  const traced = tracing();
  const mongodbProblem = agendaMongodbUrl === undefined ? undefined : mongodbUrlProblem(agendaMongodbUrl);
  if (mongodbProblem !== undefined) {
    problems.push(
      `AGENDA_MONGODB_URL: ${mongodbProblem}. Give a mongodb:// or mongodb+srv:// address, with %-encoding in user and password, or leave it out for PostgreSQL (its value is not shown here).`,
    );
  }
  const videoUriAllow = hosts('VIDEO_URI_ALLOW');
  const workspaceBytes = bytes('WORKSPACE_VIDEO_BYTES');
  const videoDays = days('VIDEO_RETENTION_DAYS', 30);
  const eventDays = days('EVENT_RETENTION_DAYS', 90);
  const config: Config = {
    rpc,
    http,
    metrics:
      text('METRICS_PORT') === undefined
        ? metricsBesideHttp
        : { host: metricsHost ?? '127.0.0.1', port: port('METRICS_PORT', 9464) },
    publicUrl,
    dataDir,
    migrateOnStart,
    databaseLimits,
    videoStore,
    sandboxPort: port('SANDBOX_PORT', 8090),
    tiktokLimits: {
      connectMilliseconds: milliseconds('TIKTOK_CONNECT_SECONDS', 5),
      tokenMilliseconds: milliseconds('TIKTOK_TOKEN_SECONDS', 10),
      apiMilliseconds: milliseconds('TIKTOK_API_SECONDS', 20),
      idleMilliseconds: milliseconds('TIKTOK_IDLE_SECONDS', 60),
    },
    businessLimits: {
      appCallsPerSecond: whole('TIKTOK_BUSINESS_APP_QPS', 'calls', BUSINESS_LIMITS.appCallsPerSecond, 1, 1_000),
      appCallsPerMinute: whole('TIKTOK_BUSINESS_APP_QPM', 'calls', BUSINESS_LIMITS.appCallsPerMinute, 1, 60_000),
      postsPerDay: whole('TIKTOK_BUSINESS_DAILY_POSTS', 'posts', BUSINESS_LIMITS.postsPerDay, 1, 1_000_000),
    },
    largestChunkBytes: whole(
      'TIKTOK_CHUNK_BYTES',
      'bytes',
      LARGEST_CHUNK_BYTES,
      SMALLEST_LARGEST_CHUNK_BYTES,
      LARGEST_CHUNK_BYTES,
    ),
    transfer,
    retention: {
      ...(videoDays === undefined ? {} : { videoDays }),
      ...(eventDays === undefined ? {} : { eventDays }),
    },
    webhookDays: whole('WEBHOOK_RETENTION_DAYS', 'days', 7, 4, 36_500),
    garbageSeconds: whole('GARBAGE_SECONDS', 'seconds', 600, 1, 86_400),
    defaultFamily,
    collectionRates: {
      OPEN: { callsPerSecond: callsPerSecond('ANALYTICS_OPEN_CALLS_PER_SECOND', COLLECTION_RATES.OPEN) },
      BUSINESS: { callsPerSecond: callsPerSecond('ANALYTICS_BUSINESS_CALLS_PER_SECOND', COLLECTION_RATES.BUSINESS) },
    },
    leaseSeconds: whole('LEASE_SECONDS', 'seconds', 60, 2, 600),
    latePolicy: {
      maxLatenessSeconds: whole('LATE_MAX_SECONDS', 'seconds', 86_400),
      action: choice('LATE_ACTION', ['PUBLISH', 'HOLD', 'FAIL'], 'HOLD'),
    },
    pkce: choice('TIKTOK_PKCE', ['0', '1'], '0') === '1',
    requireConsent: choice('REQUIRE_CONSENT', ['0', '1'], '0') === '1',
    importAllowedOrigins: origins('IMPORT_ALLOWED_ORIGINS') ?? [],
    logLevel: choice('LOG_LEVEL', ['debug', 'info', 'warn', 'error', 'silent'], 'info'),
    ...(traced === undefined ? {} : { tracing: traced }),
    ...(callersFile === undefined ? {} : { callersFile }),
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(agendaMongodbUrl === undefined ? {} : { agendaMongodbUrl }),
    ...(tokenKeys === undefined ? {} : { tokenKeys }),
    ...(videoUriAllow === undefined ? {} : { videoUriAllow }),
    ...(workspaceBytes === undefined ? {} : { workspaceBytes }),
    ...(openApp === undefined
      ? {}
      : {
          tiktok: {
            clientKey: openApp.id,
            clientSecret: new Secret(openApp.secret),
            ...(previousClientSecret === undefined ? {} : { previousClientSecret: new Secret(previousClientSecret) }),
            ...(openApiUrl === undefined ? {} : { openApiUrl }),
            ...(authorizeUrl === undefined ? {} : { authorizeUrl }),
            ...(uploadOrigins === undefined ? {} : { uploadOrigins }),
          },
        }),
    ...(businessApp === undefined
      ? {}
      : {
          business: {
            appId: businessApp.id,
            secret: new Secret(businessApp.secret),
            ...(previousBusinessSecret === undefined ? {} : { previousSecret: new Secret(previousBusinessSecret) }),
            ...(businessApiUrl === undefined ? {} : { businessApiUrl }),
            ...(authorizeUrl === undefined ? {} : { authorizeUrl }),
          },
        }),
  };
  return { config, problems };
}

/** An https address, or http on loopback. */
const isEncryptedOrOwn = (url: URL | null): boolean =>
  url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.has(url.hostname));

function videoFolderOf(value: string): VideoStoreConfig {
  if (!value.startsWith('file:'))
    throw new Error(`VIDEO_STORE=${value}: give a file: folder or an s3://bucket/prefix?region=… address.`);
  return { kind: 'FILE', folder: resolve(decodeURIComponent(value.slice('file:'.length).replace(/^\/\//, ''))) };
}

const S3_OPTIONS = ['endpoint', 'region', 'path_style'] as const;
/** What S3 asks of new buckets. */
const BUCKET = /^(?=.{3,63}$)[a-z0-9](?:[a-z0-9-]|\.(?=[a-z0-9]))*[a-z0-9]$/;
/** Characters that every S3 and every tool takes as they are. */
const S3_PREFIX = /^(?:[\w!.*'()-]+\/)*$/;

/** `s3://bucket/prefix?endpoint=https://…&region=…&path_style=1`. Throws the first thing that is wrong, with its remedy. */
function s3PlaceOf(value: string, regionOfEnvironment: string | undefined): VideoStoreConfig {
  const url = URL.parse(value);
  if (url?.username || url?.password) {
    throw new Error(
      'VIDEO_STORE holds credentials (its value is not shown here): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead.',
    );
  }
  const wrong = (problem: string): Error => new Error(`VIDEO_STORE=${value}: ${problem}`);
  if (url === null || url.port !== '' || url.hash !== '') {
    throw wrong('give s3://bucket/prefix?endpoint=https://…&region=…&path_style=1.');
  }
  if (!BUCKET.test(url.hostname)) {
    throw wrong(`"${url.hostname}" is no bucket: 3 to 63 lower-case letters, digits, "-" and single "." between them.`);
  }
  const prefix = url.pathname.replace(/^\//, '').replace(/(?<=[^/])$/, '/');
  if (!S3_PREFIX.test(prefix) || prefix.length > 512) {
    throw wrong(
      `"${prefix}" is no prefix: at most 512 letters, digits and !_.*'()-, in parts divided by single slashes.`,
    );
  }
  for (const name of url.searchParams.keys()) {
    if (!S3_OPTIONS.some((each) => each === name))
      throw wrong(`there is no option "${name}": ${S3_OPTIONS.join(', ')}.`);
    if (url.searchParams.getAll(name).length > 1) throw wrong(`"${name}" is given twice: give it once.`);
  }
  const endpoint = url.searchParams.get('endpoint')?.replace(/\/$/, '');
  const origin = URL.parse(endpoint ?? '');
  if (endpoint !== undefined && (!isEncryptedOrOwn(origin) || origin?.origin !== endpoint)) {
    throw wrong(`endpoint "${endpoint}" is no https origin such as https://s3.example.com (http on loopback only).`);
  }
  const region = url.searchParams.get('region') ?? regionOfEnvironment;
  if (region === undefined || !/^[a-z0-9-]{1,64}$/i.test(region)) {
    throw wrong('name the region, as region=eu-central-1 or in AWS_REGION; a store without regions takes us-east-1.');
  }
  const pathStyle = url.searchParams.get('path_style') ?? '0';
  if (pathStyle !== '0' && pathStyle !== '1') throw wrong(`path_style "${pathStyle}": choose one of 0, 1.`);
  if (url.hostname.includes('.') && pathStyle === '0') {
    throw wrong('no certificate covers a bucket with dots as a host name: add path_style=1.');
  }
  return {
    kind: 'S3',
    bucket: url.hostname,
    prefix,
    region,
    pathStyle: pathStyle === '1',
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}
