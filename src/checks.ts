import { createHash, randomUUID, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { parseCallers } from './adapters/callers/parse-callers.ts';
import { aesGcmCipher, parseKeyRing } from './adapters/crypto/aes-gcm-cipher.ts';
import { lookAtEmbeddedPostgres } from './adapters/embedded-postgres/embedded-postgres.ts';
import { lookAtPort, servesAt } from './adapters/http/port.ts';
import { POOL_SIZE } from './adapters/persistence/database.ts';
import { inspectDatabase, inspectionPool, TABLES } from './adapters/persistence/inspect-database.ts';
import { MIGRATION_TABLE, readSchemaState } from './adapters/persistence/migrations.ts';
import { postgresSealedSecrets } from './adapters/persistence/postgres-sealed-secrets.ts';
import { AGENDA_POOL_SIZE, AGENDA_TABLE } from './adapters/scheduler/postgres-agenda-store.ts';
import { type FolderFacts, lookAtFolder } from './adapters/system/folder.ts';
import { BUSINESS_TIKTOK, businessTikTok } from './adapters/tiktok/business/business-tiktok.ts';
import { OPEN_TIKTOK, openTikTok } from './adapters/tiktok/open/open-tiktok.ts';
import { reach } from './adapters/tiktok/reach.ts';
import { diagnoseCertificate, diagnoseMode } from './application/diagnosis/certificate.ts';
import { diagnoseClocks } from './application/diagnosis/clocks.ts';
import { diagnoseDatabase, diagnoseKeys, diagnoseSchema } from './application/diagnosis/database.ts';
import { type Diagnosis, fail, fine, notLookedAt, orFine, warn } from './application/diagnosis/diagnosis.ts';
import type { Check } from './application/diagnosis/examine.ts';
import { diagnosePorts, diagnosePublicAddress } from './application/diagnosis/network.ts';
import { diagnoseSpace, remedyOfS3 } from './application/diagnosis/space.ts';
import { diagnoseTikTok, type TikTokFacts } from './application/diagnosis/tiktok.ts';
import type { TikTok } from './application/ports/tiktok.ts';
import type { VideoStore } from './application/ports/video-store.ts';
import { type Environment, readSettings } from './config.ts';
import { videoStore } from './container.ts';
import type { VideoId } from './domain/ids.ts';
import { Secret } from './domain/secret.ts';
import { openVideoPolicy } from './domain/video/video-policy.ts';
import { inWords } from './in-words.ts';
import { readTls } from './tls-files.ts';

/** For one answer of a neighbour. */
const PATIENCE_MILLISECONDS = 10_000;
/** As long as the doorbell waits for it. */
const MONGODB_MILLISECONDS = 5_000;
/** For a check that asks several times. */
const CHECK_SECONDS = 30;

/**
 * Everything that `npm run doctor` looks at with these settings, in the order in which it tells of it. Nothing is looked at before a check
 * is made, and what two of them need is read once. The checks of docs/operations.md, and no others.
 */
export function checks(environment: Environment): readonly Check[] {
  const { config, problems } = readSettings(environment);
  const { dataDir, databaseUrl, migrateOnStart, tiktok, business, rpc, http, publicUrl } = config;
  const { agendaMongodbUrl } = config;
  const isWrong = (setting: string): boolean => problems.some((each) => new RegExp(`^${setting}\\b`).test(each));
  const isUnreadable = problems.some((each) => each.startsWith('DATABASE_URL:'));

  const once = <T>(work: () => Promise<T>): (() => Promise<T>) => {
    let running: Promise<T> | undefined;
    return () => (running ??= work());
  };
  /** Undefined when there is none of the operator's, or its address can't be read. */
  const database = databaseUrl === undefined || isUnreadable ? undefined : new URL(databaseUrl);

  async function asking<T>(work: (pool: Pool) => Promise<T>, milliseconds = PATIENCE_MILLISECONDS): Promise<T> {
    const pool = inspectionPool(databaseUrl ?? '', milliseconds);
    try {
      return await work(pool);
    } finally {
      await pool.end();
    }
  }
  const tables = agendaMongodbUrl === undefined ? [...TABLES, AGENDA_TABLE] : TABLES;
  const facts = once(() => asking((pool) => inspectDatabase(pool, tables)));
  const schema = once(() => asking(readSchemaState));
  const servedByUs = once(() => servesAt(localOrigin(http), PATIENCE_MILLISECONDS));

  /** What needs the operator's database. In the embedded mode `instead` is told, for the doctor starts no database. */
  async function ofDatabase(instead: string, look: () => Promise<readonly Diagnosis[]>): Promise<readonly Diagnosis[]> {
    if (isUnreadable) return notLookedAt('settings');
    if (database === undefined) return [fine(instead)];
    const there = await facts().then(
      () => true,
      () => false,
    );
    return there ? look() : notLookedAt('database');
  }

  const openUrl = tiktok?.openApiUrl ?? OPEN_TIKTOK.openApiUrl;
  const businessUrl = business?.businessApiUrl ?? BUSINESS_TIKTOK.businessApiUrl;
  const limits = { connectMilliseconds: PATIENCE_MILLISECONDS, withinMilliseconds: PATIENCE_MILLISECONDS };
  const reachable = { open: once(() => reach(openUrl, limits)), business: once(() => reach(businessUrl, limits)) };
  const isSandbox = tiktok === undefined && business === undefined;

  async function asked(answers: () => ReturnType<typeof reach>, family: TikTok & { close(): Promise<void> }) {
    const { status } = await answers();
    return { status, said: await whatItSaysOfOurApp(family) };
  }
  function withoutApp(): readonly Diagnosis[] {
    if (!isSandbox) return [fine('no app of this family is set: no account of it can be connected')];
    return existsSync(new URL('../sandbox/sandbox.ts', import.meta.url))
      ? [fine('no app is set: the bundled sandbox stands in, and nothing reaches TikTok')]
      : [fail('no app is set, and this image has no sandbox', 'Set TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET.')];
  }
  const tiktokOptions = { limits: { ...limits, tokenMilliseconds: PATIENCE_MILLISECONDS }, sandbox: false };
  const redirectUri = `${publicUrl}/oauth/tiktok/callback`;

  const ports = [
    { name: 'RPC', ...rpc },
    { name: 'HTTP', ...http },
    ...(typeof config.metrics === 'object' ? [{ name: 'METRICS', ...config.metrics }] : []),
  ];

  const all: readonly Check[] = [
    {
      name: 'node',
      lookedAt: 'this Node',
      withinSeconds: CHECK_SECONDS,
      remedy: 'Install this service anew.',
      async look() {
        const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
        const least = Number(/\d+/.exec(engines.node)?.[0]);
        const seen = `${process.versions.node}, and ${engines.node} is needed`;
        return Number.parseInt(process.versions.node, 10) >= least
          ? [fine(seen)]
          : [fail(seen, `Start it with Node ${least}.`)];
      },
    },
    {
      name: 'settings',
      lookedAt: 'environment',
      withinSeconds: CHECK_SECONDS,
      remedy: 'Report this: reading settings should never fail.',
      look: async () =>
        orFine(
          problems.map((problem) =>
            fail(problem, 'Correct it (README.md, Settings): the service does not start with it.'),
          ),
          'all can be used',
        ),
    },
    {
      name: 'data-dir',
      lookedAt: `DATA_DIR ${dataDir}`,
      withinSeconds: CHECK_SECONDS,
      remedy: 'Name a folder in DATA_DIR that the account of the service may write to.',
      async look() {
        const folder = await lookAtFolder(dataDir);
        const keys = database === undefined ? await modeOf(join(dataDir, 'token-keys')) : undefined;
        const open = folder.state === 'THERE' ? diagnoseMode('it', folder.mode & 0o002) : undefined;
        return orFine(
          [open, keys === undefined ? undefined : diagnoseMode('its file token-keys', keys)],
          stateOf(folder, 'written to, and the probe removed'),
        );
      },
    },
    {
      name: 'database',
      lookedAt: isUnreadable
        ? 'DATABASE_URL'
        : database === undefined
          ? 'embedded PostgreSQL'
          : `DATABASE_URL ${database.host}${database.pathname}`,
      withinSeconds: CHECK_SECONDS,
      remedy:
        database === undefined
          ? 'Set DATABASE_URL.'
          : 'See whether PostgreSQL runs there, this host reaches it, and DATABASE_URL has its name, account and password.',
      async look() {
        if (isUnreadable) return notLookedAt('settings');
        if (database === undefined) return [fine(EMBEDDED[await lookAtEmbeddedPostgres(join(dataDir, 'postgres'))])];
        const perProcess = POOL_SIZE + (agendaMongodbUrl === undefined ? AGENDA_POOL_SIZE : 0);
        const known = await facts();
        // Whoever may not read which are there is told of that.
        const pending = !known.forbidden.includes(MIGRATION_TABLE) && (await schema()).pending.length > 0;
        return diagnoseDatabase(known, { perProcess, migrateOnStart, pending });
      },
    },
    {
      name: 'migrations',
      lookedAt: 'schema of the database',
      withinSeconds: CHECK_SECONDS,
      remedy: 'Let our account read the table mikro_orm_migrations.',
      look: () =>
        ofDatabase('the start brings the embedded database up to date', async () =>
          diagnoseSchema(await schema(), { migrateOnStart }),
        ),
    },
    {
      name: 'keys',
      lookedAt: 'TOKEN_KEYS and what is stored',
      withinSeconds: CHECK_SECONDS,
      remedy: 'Let our account read the tables credential, attempt and post; report it if it may.',
      async look() {
        if (isWrong('TOKEN_KEYS')) return notLookedAt('settings');
        if (database === undefined && !isUnreadable) return embeddedKeys(join(dataDir, 'token-keys'));
        return ofDatabase('', async () => {
          const ring = config.tokenKeys;
          if (ring === undefined) return notLookedAt('settings');
          const { tables: there } = await facts();
          if (!there.includes('credential') || !there.includes('attempt')) return [fine('nothing is stored yet')];
          // Counting reads every row once.
          return asking(async (pool) => {
            const secrets = postgresSealedSecrets({ pool }, aesGcmCipher(ring));
            const [sealed, unopenable] = await Promise.all([secrets.count(), secrets.unopenable()]);
            return diagnoseKeys({ ring: ring.map(({ id }) => id), sealed, unopenable });
          }, CHECK_SECONDS * 1000);
        });
      },
    },
    {
      name: 'doorbell',
      lookedAt:
        agendaMongodbUrl === undefined
          ? "Agenda's store, in the same database"
          : `AGENDA_MONGODB_URL ${hostsOf(agendaMongodbUrl)}`,
      withinSeconds: CHECK_SECONDS,
      remedy:
        'See whether MongoDB runs there, this host reaches it, and AGENDA_MONGODB_URL has its account; or leave it out to keep the jobs in PostgreSQL. Until then posts go out by the sweep alone.',
      async look() {
        if (agendaMongodbUrl !== undefined) {
          const { pingMongo } = await import('./adapters/scheduler/mongo-agenda-store.ts');
          await pingMongo(agendaMongodbUrl, MONGODB_MILLISECONDS);
          return [fine('it answers')];
        }
        return ofDatabase('made by the start', async () => {
          const { tables: there, mayCreate } = await facts();
          if (there.includes(AGENDA_TABLE)) return [fine('its table is there')];
          return mayCreate
            ? [fine('the first start makes its table')]
            : [
                warn(
                  'its table is missing, and our account may not make it',
                  'Run npm run migrate with an account that may.',
                ),
              ];
        });
      },
    },
    {
      name: 'video-store',
      lookedAt:
        config.videoStore.kind === 'FILE'
          ? `folder ${config.videoStore.folder}`
          : `bucket ${config.videoStore.bucket} at ${config.videoStore.endpoint ?? `S3 in ${config.videoStore.region}`}, below "${config.videoStore.prefix}"`,
      withinSeconds: CHECK_SECONDS,
      remedy:
        config.videoStore.kind === 'FILE'
          ? 'Name a folder in VIDEO_STORE that the account of the service may write to.'
          : remedyOfS3('TimeoutError'),
      async look() {
        if (isWrong('VIDEO_STORE')) return notLookedAt('settings');
        const largest = openVideoPolicy.maxSizeBytes;
        if (config.videoStore.kind === 'FILE') {
          const { folder } = config.videoStore;
          const found = await lookAtFolder(folder);
          if (found.state === 'THERE') await tryStore(await videoStore(config.videoStore));
          const space = diagnoseSpace(found.freeBytes, largest);
          return [found.state === 'ABSENT' && space.verdict === 'ok' ? fine(stateOf(found, '')) : space];
        }
        const store = await videoStore(config.videoStore);
        try {
          await tryStore(store);
          return [fine('a probe was written, listed, read and removed')];
        } catch (error) {
          return [fail(`${nameOfDeepest(error)}: ${inWords(error)}`, remedyOfS3(nameOfDeepest(error)))];
        } finally {
          store.close?.();
        }
      },
    },
    {
      name: 'tiktok-open',
      lookedAt: tiktok === undefined ? 'open API' : openUrl,
      withinSeconds: CHECK_SECONDS,
      remedy: `See whether this host reaches ${openUrl} (DNS, firewall, proxy); TIKTOK_OPEN_API_URL names another address.`,
      look: async () =>
        tiktok === undefined
          ? withoutApp()
          : diagnoseTikTok(
              await asked(reachable.open, openTikTok({ ...tiktok, ...tiktokOptions, redirectUri })),
              'TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET',
            ),
    },
    {
      name: 'tiktok-business',
      lookedAt: business === undefined ? 'Business API' : businessUrl,
      withinSeconds: CHECK_SECONDS,
      remedy: `See whether this host reaches ${businessUrl} (DNS, firewall, proxy); TIKTOK_BUSINESS_API_URL names another address.`,
      look: async () =>
        business === undefined
          ? withoutApp()
          : diagnoseTikTok(
              await asked(
                reachable.business,
                businessTikTok({
                  ...business,
                  ...tiktokOptions,
                  redirectUri: `${redirectUri}/`,
                  clock: { now: () => new Date() },
                }),
              ),
              "the Business app's id and secret (TIKTOK_BUSINESS_APP_ID, TIKTOK_BUSINESS_SECRET)",
            ),
    },
    {
      name: 'clocks',
      lookedAt: "this host's, the database's, TikTok's",
      withinSeconds: CHECK_SECONDS,
      remedy: 'Report this: reading clocks should never fail.',
      async look() {
        // Who does not answer is told by its own check.
        const ofTikTok = async () =>
          tiktok !== undefined ? reachable.open() : business !== undefined ? reachable.business() : undefined;
        const [inDatabase, atTikTok] = await Promise.allSettled([database && facts(), ofTikTok()]);
        const ahead = {
          database: inDatabase.status === 'fulfilled' ? inDatabase.value?.aheadMilliseconds : undefined,
          tiktok: atTikTok.status === 'fulfilled' ? atTikTok.value?.aheadMilliseconds : undefined,
        };
        if (database === undefined && isSandbox) return [fine("all of them are this host's")];
        return diagnoseClocks({
          ...(ahead.database === undefined ? {} : { database: ahead.database }),
          ...(ahead.tiktok === undefined ? {} : { tiktok: ahead.tiktok }),
        });
      },
    },
    {
      name: 'public-address',
      lookedAt: `PUBLIC_URL ${publicUrl}`,
      withinSeconds: CHECK_SECONDS,
      remedy: 'Report this: looking at an address should never fail.',
      async look() {
        if (isWrong('PUBLIC_URL')) return notLookedAt('settings');
        const answered = (await servedByUs()) ? await servesAt(publicUrl, PATIENCE_MILLISECONDS) : undefined;
        return diagnosePublicAddress({
          publicUrl,
          // Behind an address that the operator named stands whatever they put there.
          open: tiktok !== undefined && tiktok.openApiUrl === undefined,
          business: business !== undefined && business.businessApiUrl === undefined,
          pull: business !== undefined || config.transfer === 'PULL',
          ...(answered === undefined ? {} : { answered }),
        });
      },
    },
    {
      name: 'callers',
      lookedAt: `CALLERS_FILE ${config.callersFile ?? 'is not set'}`,
      withinSeconds: CHECK_SECONDS,
      remedy: 'Name a file in CALLERS_FILE that the account of the service may read.',
      async look() {
        if (config.callersFile === undefined) return [fine('nobody is checked, on loopback only')];
        const parsed = parseCallers(await readFile(config.callersFile, 'utf8'), {
          clientCertificates: rpc.tls?.clientCa !== undefined,
        });
        if (!parsed.ok) {
          return parsed.error.map((problem) => fail(problem, 'Correct the file (docs/callers.md).'));
        }
        const { mode } = await stat(config.callersFile);
        const { callers, issuers } = parsed.value;
        // It holds digests, no keys: reading it does no harm, changing it lets anybody in.
        return orFine(
          [diagnoseMode('it', mode & 0o002)],
          `${callers.length} callers and ${issuers.length} issuers of tokens`,
        );
      },
    },
    {
      name: 'tls',
      lookedAt: `RPC_TLS_CERT_FILE ${rpc.tls?.cert ?? 'is not set'}`,
      withinSeconds: CHECK_SECONDS,
      remedy:
        'Correct the file (PEM): a certificate with its chain and its own key, which the account of the service may read.',
      async look() {
        if (rpc.tls === undefined) return [fine('gRPC without TLS')];
        const { cert, clientCa } = await readTls(rpc.tls);
        const { mode } = await stat(rpc.tls.key);
        const certificates = [
          ...certificatesIn(cert).map((each) => ['certificate', each] as const),
          ...certificatesIn(clientCa ?? Buffer.of()).map((each) => ['authority', each] as const),
        ];
        const found = certificates.map(([what, { subject, validFromDate: from, validToDate: until }]) =>
          diagnoseCertificate({ name: `the ${what} of ${subject.replaceAll('\n', ', ')}`, from, until }, new Date()),
        );
        const wrong = [
          ...found.filter(({ verdict }) => verdict !== 'ok'),
          diagnoseMode(`its key ${rpc.tls.key}`, mode),
        ];
        return orFine(wrong, `the key is the certificate's; ${found[0]?.seen}`);
      },
    },
    {
      name: 'ports',
      lookedAt: ports.map(({ name, host, port }) => `${name} ${host}:${port}`).join(', '),
      withinSeconds: CHECK_SECONDS,
      remedy: 'Correct the settings of the ports.',
      async look() {
        const served = await servedByUs();
        const seen = [];
        // One after the other: two settings may name the same one.
        for (const { name, host, port } of ports) seen.push({ name, host, port, fact: await lookAtPort(host, port) });
        return diagnosePorts(seen, served);
      },
    },
  ];
  return all;
}

const EMBEDDED = {
  RUNNING:
    'it runs under DATA_DIR, which is in use by a process of this service or was left by a killed one; the next start takes that over. Not looked into',
  STOPPED: 'its data is under DATA_DIR, which nobody uses; the start of the service starts it',
  ABSENT: 'DATABASE_URL is not set: the first start makes one under DATA_DIR',
} as const;

/** Undefined: not there. */
async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode;
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
}

async function embeddedKeys(file: string): Promise<readonly Diagnosis[]> {
  if ((await modeOf(file)) === undefined) return [fine(`the first start makes ${file}`)];
  try {
    parseKeyRing((await readFile(file, 'utf8')).trim());
    return [fine(`${file} can be read; what it opens is looked at by the start`)];
  } catch (error) {
    return [
      fail(
        `${file}: ${inWords(error)}`,
        'Bring this file back from a backup: without it all accounts have to be connected anew.',
      ),
    ];
  }
}

const stateOf = (folder: FolderFacts, there: string): string =>
  folder.state === 'THERE' ? there : `not there yet; the service makes it below ${folder.above}`;

/** One that this host can call. */
function localOrigin({ host, port }: { readonly host: string; readonly port: number }): string {
  const callable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${callable.includes(':') ? `[${callable}]` : callable}:${port}`;
}

/** `mongodb://` addresses may name several hosts, which `URL` does not read. */
const hostsOf = (mongodbUrl: string): string =>
  /^mongodb(?:\+srv)?:\/\/(?:[^/]*@)?([^/?@]*)/.exec(mongodbUrl)?.[1] ?? '';

/**
 * Asks with a refresh token that nobody has, which changes nothing and is refused for itself only when the app's credentials are good
 * (open-api §1.7, business-api §3.7).
 */
async function whatItSaysOfOurApp(family: TikTok & { close(): Promise<void> }): Promise<TikTokFacts['said']> {
  try {
    const answer = await family.authorization.refresh(new Secret(`rft.doctor-${randomUUID()}`));
    if (answer.ok) return 'GRANTED';
    return answer.error.code === 'INVALID_GRANT' ? undefined : answer.error.error.code;
  } finally {
    await family.close();
  }
}

/** Stores, lists, reads and removes a video of a few bytes. One that stays all the same is removed as any other that no record names. */
async function tryStore(store: VideoStore): Promise<void> {
  const id = `vid_doctor_${randomUUID()}` as VideoId;
  const bytes = Buffer.from(id);
  async function* content(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  const put = await store.put(id, content(), { maxBytes: bytes.byteLength });
  if (!put.ok) throw new Error(`it took no video of ${bytes.byteLength} bytes: ${put.error.code}`);
  try {
    for await (const _ of store.storedBefore(new Date())) break;
    const digest = createHash('sha256').update(bytes).digest('hex');
    if ((await store.reading(id).digest()) !== digest) throw new Error('it gave back other bytes than it took');
  } finally {
    await store.delete(id);
  }
}

/** What lies at the ground of an error: S3's own word, or the network's. */
function nameOfDeepest(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return nameOfDeepest(error.cause);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

function certificatesIn(pem: Buffer): readonly X509Certificate[] {
  const all = pem.toString().match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
  return all.map((each) => new X509Certificate(each));
}
