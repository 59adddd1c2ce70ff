import { describe, expect, it } from 'vitest';
import { ConfigError, inTheClear, readConfig } from '../../../src/config.ts';

const KEY = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');
const OUTSIDE = { DATABASE_URL: 'postgres://u:p@db/x', TOKEN_KEYS: `k1:${KEY}` };
const BUSINESS = { TIKTOK_BUSINESS_APP_ID: '7600000000000000001', TIKTOK_BUSINESS_SECRET: 'shush-shush' };
const PUBLIC = { PUBLIC_URL: 'https://tiktok.glowtify.example' };
const APP = { TIKTOK_CLIENT_KEY: 'aw1', TIKTOK_CLIENT_SECRET: 'hush-hush' };

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('settings', () => {
  it('are all optional: embedded database, bundled sandbox, loopback', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      rpc: { host: '127.0.0.1', port: 50_051, reflection: false },
      http: { host: '127.0.0.1', port: 8080 },
      publicUrl: 'http://127.0.0.1:8080',
      latePolicy: { maxLatenessSeconds: 86_400, action: 'HOLD' },
      requireConsent: false,
    });
    expect(config.databaseUrl).toBeUndefined();
    expect(config.tiktok).toBeUndefined();
  });

  it('say how often numbers are asked for, down to never', () => {
    expect(readConfig({}).collectionRates).toEqual({ OPEN: { callsPerSecond: 5 }, BUSINESS: { callsPerSecond: 4 } });
    const { collectionRates } = readConfig({
      ANALYTICS_OPEN_CALLS_PER_SECOND: '0',
      ANALYTICS_BUSINESS_CALLS_PER_SECOND: '25',
    });
    expect(collectionRates).toEqual({ OPEN: { callsPerSecond: 0 }, BUSINESS: { callsPerSecond: 25 } });
    expect(problemsOf({ ANALYTICS_OPEN_CALLS_PER_SECOND: '0.5' })).toEqual([
      'ANALYTICS_OPEN_CALLS_PER_SECOND=0.5: a whole number of calls from 0 to 50.',
    ]);
  });

  it('leave the migrations to the operator only where there is a database of theirs', () => {
    expect(readConfig({}).migrateOnStart).toBe(true);
    expect(readConfig({ ...OUTSIDE, ...APP, MIGRATE_ON_START: '0' }).migrateOnStart).toBe(false);
    expect(problemsOf({ MIGRATE_ON_START: '0' })).toEqual([
      'MIGRATE_ON_START=0 is set without DATABASE_URL: nothing but the start migrates the embedded PostgreSQL; leave it out.',
    ]);
  });

  it('say nothing of traces without an endpoint, whatever else is set for other programs', () => {
    expect(readConfig({ OTEL_TRACES_SAMPLER: 'xray', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).not.toHaveProperty(
      'tracing',
    );
  });

  it('take OpenTelemetry’s own names for traces', () => {
    expect(readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://otel-collector:4318/' }).tracing).toEqual({
      endpoint: 'http://otel-collector:4318',
      headers: {},
      serviceName: 'tiktok-connector',
      sampler: 'parentbased_always_on',
      ratio: 1,
    });
    const { tracing } = readConfig({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'https://traces.example/otlp',
      OTEL_EXPORTER_OTLP_HEADERS: ' authorization=Basic%20a2V5, x-team = glow%2Cbakery=%ff ,',
      OTEL_SERVICE_NAME: 'tiktok-eu',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    });
    expect(tracing).toMatchObject({ endpoint: 'https://traces.example/otlp', serviceName: 'tiktok-eu' });
    expect([tracing?.sampler, tracing?.ratio]).toEqual(['parentbased_traceidratio', 0.25]);
    expect(String(tracing?.headers['authorization'])).toBe('[redacted]');
    expect(Object.entries(tracing?.headers ?? {}).map(([name, value]) => [name, value.reveal()])).toEqual([
      ['authorization', 'Basic a2V5'],
      ['x-team', 'glow,bakery=\ufffd'],
    ]);
  });

  const COLLECTOR = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
  const NO_ENDPOINT =
    'OTEL_EXPORTER_OTLP_ENDPOINT: give the http or https address of a collector, without a login or a query, such as http://127.0.0.1:4318 (its value is not shown here). /v1/traces is added to it.';
  const NO_HEADERS =
    'OTEL_EXPORTER_OTLP_HEADERS: give name=value pairs with commas between them, blanks in values as %20 (the value is not shown here).';
  const OWN = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };
  it.each<[string, Record<string, string>, string]>([
    ['no address', { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, NO_ENDPOINT],
    ['a login in it', { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://me:hush@collector' }, NO_ENDPOINT],
    ['a query in it', { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector/?key=hush' }, NO_ENDPOINT],
    [
      'another protocol',
      { ...COLLECTOR, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      'OTEL_EXPORTER_OTLP_PROTOCOL=grpc: choose one of http/protobuf.',
    ],
    [
      'no sampler',
      { ...COLLECTOR, OTEL_TRACES_SAMPLER: 'some' },
      'OTEL_TRACES_SAMPLER=some: choose one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio.',
    ],
    [
      'a share above all',
      { ...COLLECTOR, OTEL_TRACES_SAMPLER_ARG: '1.5' },
      'OTEL_TRACES_SAMPLER_ARG=1.5: a share from 0 to 1, such as 0.1.',
    ],
    [
      'a share in percent',
      { ...COLLECTOR, OTEL_TRACES_SAMPLER_ARG: '10%' },
      'OTEL_TRACES_SAMPLER_ARG=10%: a share from 0 to 1, such as 0.1.',
    ],
    ['a header without a value', { ...OWN, OTEL_EXPORTER_OTLP_HEADERS: 'a=b,hush' }, NO_HEADERS],
    ['a header with a line break', { ...OWN, OTEL_EXPORTER_OTLP_HEADERS: 'a=b\r\nhush: c' }, NO_HEADERS],
    [
      'a login in the clear',
      { ...COLLECTOR, OTEL_EXPORTER_OTLP_HEADERS: 'authorization=hush' },
      'OTEL_EXPORTER_OTLP_HEADERS would pass to OTEL_EXPORTER_OTLP_ENDPOINT unencrypted: give an https address, or leave them out.',
    ],
  ])('refuse %s for traces', (_, environment, problem) => {
    expect(problemsOf(environment)).toEqual([problem]);
  });

  it('say how long the database is waited for, which together is less than a call has', () => {
    expect(readConfig({}).databaseLimits).toEqual({ connect: 10_000, statement: 15_000 });
    const limits = { DATABASE_CONNECT_SECONDS: '3', DATABASE_STATEMENT_SECONDS: '25' };
    expect(readConfig(limits).databaseLimits).toEqual({ connect: 3_000, statement: 25_000 });
    expect(problemsOf({ ...limits, DATABASE_CONNECT_SECONDS: '4' })).toEqual([
      'DATABASE_CONNECT_SECONDS and DATABASE_STATEMENT_SECONDS are 29 together: 28 at most, so that callers hear of it before the deadline of a call that brings none (30 s).',
    ]);
    expect(problemsOf({ DATABASE_CONNECT_SECONDS: '0' })).toEqual([
      'DATABASE_CONNECT_SECONDS=0: a whole number of seconds from 1 to 28.',
    ]);
  });

  it('name a database, keys and an app for production', () => {
    const config = readConfig({
      ...OUTSIDE,
      ...APP,
      PUBLIC_URL: 'https://tiktok.glowtify.example/',
      TIKTOK_UPLOAD_ORIGINS: 'https://a.example,https://b.example',
      VIDEO_STORE: 'file:///var/videos',
    });
    expect(config).toMatchObject({
      databaseUrl: OUTSIDE.DATABASE_URL,
      publicUrl: 'https://tiktok.glowtify.example',
      videoStore: { kind: 'FILE', folder: '/var/videos' },
      tiktok: { clientKey: 'aw1', uploadOrigins: ['https://a.example', 'https://b.example'] },
    });
    expect(config.tiktok?.clientSecret.reveal()).toBe('hush-hush');
    expect(JSON.stringify(config)).not.toContain('hush-hush');
  });

  it('name a bucket for the videos, at Amazon or elsewhere', () => {
    const storeOf = (VIDEO_STORE: string, more = {}) => readConfig({ VIDEO_STORE, ...more }).videoStore;
    const amazon = { kind: 'S3', bucket: 'videos', prefix: '', region: 'eu-central-1', pathStyle: false };
    expect(storeOf('s3://videos?region=eu-central-1')).toEqual(amazon);
    expect(storeOf('s3://videos/', { AWS_REGION: 'eu-central-1' })).toEqual(amazon);
    expect(storeOf('s3://videos/', { AWS_DEFAULT_REGION: 'eu-central-1' })).toEqual(amazon);
    const own = 's3://my.videos/tiktok/eu?endpoint=https://s3.example.com:9000/&region=us-east-1&path_style=1';
    expect(storeOf(own, { AWS_REGION: 'eu-central-1' })).toEqual({
      kind: 'S3',
      bucket: 'my.videos',
      prefix: 'tiktok/eu/',
      region: 'us-east-1',
      endpoint: 'https://s3.example.com:9000',
      pathStyle: true,
    });
    expect(storeOf('s3://videos?region=r&endpoint=http://127.0.0.1:9000')).toMatchObject({
      endpoint: 'http://127.0.0.1:9000',
    });
  });

  it('name hosts in any case', () => {
    expect(readConfig({ VIDEO_URI_ALLOW: 'Media.Example.com, *.cdn.example' }).videoUriAllow).toEqual([
      'media.example.com',
      '*.cdn.example',
    ]);
    expect(readConfig({}).videoUriAllow).toBeUndefined();
  });

  it('name an app for each family, and which of them connections are of when nobody says', () => {
    expect(readConfig({})).toMatchObject({ defaultFamily: 'OPEN' });
    const both = readConfig({ ...APP, ...BUSINESS, ...PUBLIC });
    expect(both).toMatchObject({
      defaultFamily: 'OPEN',
      tiktok: { clientKey: 'aw1' },
      business: { appId: '7600000000000000001' },
    });
    expect(both.business?.secret.reveal()).toBe('shush-shush');
    expect(readConfig({ ...APP, ...BUSINESS, ...PUBLIC, TIKTOK_API_FAMILY: 'business' })).toMatchObject({
      defaultFamily: 'BUSINESS',
      tiktok: { clientKey: 'aw1' },
    });
  });

  it('tell what TikTok granted the Business app: the level that all begin at, unless said', () => {
    expect(readConfig({}).businessLimits).toEqual({ appCallsPerSecond: 10, appCallsPerMinute: 600, postsPerDay: 15 });
    const advanced = { TIKTOK_BUSINESS_APP_QPS: '20', TIKTOK_BUSINESS_APP_QPM: '1000' };
    expect(readConfig({ ...advanced, TIKTOK_BUSINESS_DAILY_POSTS: '30' }).businessLimits).toEqual({
      appCallsPerSecond: 20,
      appCallsPerMinute: 1000,
      postsPerDay: 30,
    });
  });

  it("name the Business app's secret of before, whichever settings name the app", () => {
    const own = { ...APP, ...BUSINESS, ...PUBLIC, TIKTOK_BUSINESS_SECRET_PREVIOUS: 'shush' };
    expect(readConfig(own).business?.previousSecret?.reveal()).toBe('shush');
    expect(readConfig(own).tiktok?.previousClientSecret).toBeUndefined();
    const only = { ...APP, ...PUBLIC, TIKTOK_API_FAMILY: 'business', TIKTOK_CLIENT_SECRET_PREVIOUS: 'hush' };
    expect(readConfig(only).business?.previousSecret?.reveal()).toBe('hush');
  });

  it('take the one app that is named for the one family that is named', () => {
    const config = readConfig({ ...APP, ...PUBLIC, TIKTOK_API_FAMILY: 'business' });
    expect(config).toMatchObject({ defaultFamily: 'BUSINESS', business: { appId: 'aw1' } });
    expect(config.tiktok).toBeUndefined();
    expect(readConfig({ TIKTOK_API_FAMILY: 'business' })).toMatchObject({ defaultFamily: 'BUSINESS' });
  });

  it('count as absent when they are empty', () => {
    expect(readConfig({ DATABASE_URL: '', TIKTOK_CLIENT_KEY: ' ' }).databaseUrl).toBeUndefined();
  });

  it('RPC-10 tell the metrics at the HTTP port on loopback, or at a port of their own', () => {
    expect(readConfig({}).metrics).toBe('HTTP_PORT');
    expect(readConfig({ METRICS_PORT: '9464' }).metrics).toEqual({ host: '127.0.0.1', port: 9464 });
    const open = { METRICS_HOST: '0.0.0.0', METRICS_PORT: '9464' };
    expect(readConfig(open).metrics).toEqual({ host: '0.0.0.0', port: 9464 });
  });

  it('reach the public address through the host that is listened on', () => {
    expect(readConfig({ HTTP_HOST: '::1', HTTP_PORT: '8181' }).publicUrl).toBe('http://[::1]:8181');
  });

  it('let others reach the ports once callers are named', () => {
    const config = readConfig({ CALLERS_FILE: '/etc/callers.json', RPC_HOST: '0.0.0.0', HTTP_HOST: '::' });
    expect(config).toMatchObject({
      callersFile: '/etc/callers.json',
      rpc: { host: '0.0.0.0' },
      http: { host: '::' },
      publicUrl: 'http://127.0.0.1:8080',
    });
  });

  it('RPC-10 tell of the contract over gRPC only when asked', () => {
    expect([readConfig({}).rpc.reflection, readConfig({ RPC_REFLECTION: '1' }).rpc.reflection]).toEqual([false, true]);
    expect(() => readConfig({ RPC_REFLECTION: 'yes' })).toThrow(/RPC_REFLECTION=yes.*0, 1/);
  });

  it('tie codes to consents only when asked', () => {
    expect([readConfig({}).pkce, readConfig({ TIKTOK_PKCE: '1' }).pkce]).toEqual([false, true]);
  });

  it('tell which ports are left unencrypted for others', () => {
    const callers = { CALLERS_FILE: 'callers.json', RPC_HOST: '0.0.0.0', HTTP_HOST: '10.0.0.1' };
    const tls = { RPC_TLS_CERT_FILE: 'c', RPC_TLS_KEY_FILE: 'k' };
    expect(inTheClear(readConfig({}))).toEqual([]);
    expect(inTheClear(readConfig(callers))).toEqual(['RPC_HOST', 'HTTP_HOST']);
    expect(inTheClear(readConfig({ ...callers, ...tls }))).toEqual(['HTTP_HOST']);
  });

  it('name the files of TLS', () => {
    const files = { RPC_TLS_CERT_FILE: 'c', RPC_TLS_KEY_FILE: 'k' };
    expect(readConfig({}).rpc.tls).toBeUndefined();
    expect(readConfig(files).rpc.tls).toEqual({ cert: 'c', key: 'k' });
    expect(readConfig({ ...files, RPC_TLS_CLIENT_CA_FILE: 'a' }).rpc.tls).toEqual({
      cert: 'c',
      key: 'k',
      clientCa: 'a',
    });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['a port that is none', { RPC_PORT: 'ninety' }, /RPC_PORT=ninety.*1 to 65535/],
    ['a port out of range', { HTTP_PORT: '70000' }, /HTTP_PORT=70000/],
    ['RPCs for everybody without callers', { RPC_HOST: '0.0.0.0' }, /RPC_HOST=0\.0\.0\.0.*CALLERS_FILE/],
    ['HTTP for everybody without callers', { HTTP_HOST: '::' }, /HTTP_HOST=::.*CALLERS_FILE/],
    ['half of TLS', { RPC_TLS_CERT_FILE: 'cert.pem' }, /RPC_TLS_CERT_FILE and RPC_TLS_KEY_FILE belong together/],
    [
      'client certificates without TLS',
      { RPC_TLS_CLIENT_CA_FILE: 'ca.pem' },
      /RPC_TLS_CLIENT_CA_FILE=ca\.pem.*over TLS/,
    ],
    ['a host for metrics without a port', { METRICS_HOST: '::1' }, /METRICS_HOST=::1.*METRICS_PORT/],
    ['a port for metrics that is none', { METRICS_PORT: 'x' }, /METRICS_PORT=x.*1 to 65535/],
    ['a family there is not', { TIKTOK_API_FAMILY: 'shop' }, /TIKTOK_API_FAMILY=shop.*open, business/],
    ['half a Business app', { TIKTOK_BUSINESS_APP_ID: '76' }, /TIKTOK_BUSINESS_SECRET belong together/],
    ['the open family without its app', { ...BUSINESS, ...PUBLIC }, /TIKTOK_API_FAMILY=business, or TIKTOK_CLIENT_KEY/],
    [
      'a host of the Business API without an app',
      { TIKTOK_BUSINESS_API_URL: 'https://x.example' },
      /without a TikTok app of the Business family/,
    ],
    [
      'a Business app that TikTok can not fetch for',
      { ...BUSINESS, TIKTOK_API_FAMILY: 'business' },
      /PUBLIC_URL=http:\/\/127\.0\.0\.1:8080.*fetches/,
    ],
    [
      'a sandbox and a Business app',
      { ...BUSINESS, ...PUBLIC, TIKTOK_API_FAMILY: 'business', TIKTOK_SANDBOX: '1' },
      /TIKTOK_BUSINESS_APP_ID are both set/,
    ],
    [
      'the pull transfer where TikTok can not fetch',
      { TIKTOK_TRANSFER: 'pull', TIKTOK_CLIENT_KEY: 'key', TIKTOK_CLIENT_SECRET: 'secret' },
      /TIKTOK_TRANSFER=pull.*upload/,
    ],
    ['a video store of no kind', { VIDEO_STORE: 'gs://bucket' }, /VIDEO_STORE=gs:\/\/bucket.*file:.*s3:/],
    [
      'a bucket without a region',
      { VIDEO_STORE: 's3://videos' },
      /VIDEO_STORE=s3:\/\/videos: name the region.*AWS_REGION/,
    ],
    ['no bucket', { VIDEO_STORE: 's3:///videos?region=r' }, /"" is no bucket: 3 to 63/],
    ['a bucket with capitals', { VIDEO_STORE: 's3://Videos?region=r' }, /"Videos" is no bucket: 3 to 63/],
    ['a bucket that is too long', { VIDEO_STORE: `s3://${'b'.repeat(64)}?region=r` }, /is no bucket: 3 to 63/],
    ['a bucket with two dots', { VIDEO_STORE: 's3://a..b?region=r' }, /"a\.\.b" is no bucket/],
    ['a bucket with a port', { VIDEO_STORE: 's3://videos:9000?region=r' }, /give s3:\/\/bucket\/prefix/],
    ['a bucket with dots in a host name', { VIDEO_STORE: 's3://a.b?region=r' }, /add path_style=1/],
    ['a prefix with spaces', { VIDEO_STORE: 's3://videos/a%20b?region=r' }, /"a%20b\/" is no prefix: at most 512/],
    ['a prefix with two slashes', { VIDEO_STORE: 's3://videos/a//b?region=r' }, /"a\/\/b\/" is no prefix/],
    [
      'a prefix that is too long',
      { VIDEO_STORE: `s3://videos/${'a'.repeat(512)}?region=r` },
      /is no prefix: at most 512/,
    ],
    [
      'an S3 option there is not',
      { VIDEO_STORE: 's3://videos?region=r&acl=x' },
      /no option "acl": endpoint, region, path_style/,
    ],
    ['an S3 option twice', { VIDEO_STORE: 's3://videos?region=r&region=s' }, /"region" is given twice/],
    [
      'an S3 endpoint without TLS',
      { VIDEO_STORE: 's3://videos?region=r&endpoint=http://minio:9000' },
      /endpoint "http:\/\/minio:9000".*loopback/,
    ],
    [
      'an S3 endpoint with a path',
      { VIDEO_STORE: 's3://videos?region=r&endpoint=https://a.example/b' },
      /endpoint "https:\/\/a.example\/b".*origin/,
    ],
    ['an S3 region there can not be', { VIDEO_STORE: 's3://videos?region=eu/1' }, /name the region/],
    [
      'a path style there is not',
      { VIDEO_STORE: 's3://videos?region=r&path_style=yes' },
      /path_style "yes": choose one of 0, 1/,
    ],
    ['a public address without TLS', { PUBLIC_URL: 'http://example.com' }, /PUBLIC_URL=.*https/],
    ['half an app', { TIKTOK_CLIENT_KEY: 'aw1' }, /belong together/],
    ['a sandbox and an app', { ...APP, TIKTOK_SANDBOX: '1' }, /choose the sandbox or the app/],
    ['a host of TikTok without an app', { TIKTOK_OPEN_API_URL: 'https://x.example' }, /without a TikTok app/],
    ['a database without an app', OUTSIDE, /TIKTOK_SANDBOX=1/],
    ['a database without keys', { ...APP, DATABASE_URL: OUTSIDE.DATABASE_URL }, /without TOKEN_KEYS/],
    ['a database that is no PostgreSQL', { ...OUTSIDE, ...APP, DATABASE_URL: 'mysql://x' }, /postgres:\/\//],
    ['an origin with a path', { IMPORT_ALLOWED_ORIGINS: 'https://a.example/videos' }, /not an origin/],
    ['a host with a scheme', { VIDEO_URI_ALLOW: 'https://a.example' }, /VIDEO_URI_ALLOW: "https:\/\/a.example".*media/],
    ['an address for a host', { VIDEO_URI_ALLOW: 'a.example,10.0.0.1' }, /VIDEO_URI_ALLOW: "10.0.0.1"/],
    ['all hosts for a host', { VIDEO_URI_ALLOW: '*' }, /VIDEO_URI_ALLOW: "\*"/],
    [
      'a secret before without an app',
      { TIKTOK_CLIENT_SECRET_PREVIOUS: 'hush-hush' },
      /TIKTOK_CLIENT_SECRET_PREVIOUS.*without a TikTok app/,
    ],
    [
      'a secret before that is the secret',
      { ...APP, TIKTOK_CLIENT_SECRET_PREVIOUS: APP.TIKTOK_CLIENT_SECRET },
      /TIKTOK_CLIENT_SECRET_PREVIOUS is the same/,
    ],
    [
      'a Business secret before that is the secret',
      { ...APP, ...BUSINESS, ...PUBLIC, TIKTOK_BUSINESS_SECRET_PREVIOUS: BUSINESS.TIKTOK_BUSINESS_SECRET },
      /TIKTOK_BUSINESS_SECRET_PREVIOUS is the same/,
    ],
    [
      'a Business secret before without its app',
      { ...APP, TIKTOK_BUSINESS_SECRET_PREVIOUS: 'shush' },
      /TIKTOK_BUSINESS_SECRET_PREVIOUS is set without TIKTOK_BUSINESS_APP_ID/,
    ],
    ['no calls at all', { TIKTOK_BUSINESS_APP_QPS: '0' }, /TIKTOK_BUSINESS_APP_QPS=0.*calls from 1/],
    ['half a call', { TIKTOK_BUSINESS_APP_QPM: '1.5' }, /TIKTOK_BUSINESS_APP_QPM=1\.5/],
    ['no posts at all', { TIKTOK_BUSINESS_DAILY_POSTS: '0' }, /TIKTOK_BUSINESS_DAILY_POSTS=0.*posts from 1/],
    ['no room at all', { WORKSPACE_VIDEO_BYTES: '0' }, /WORKSPACE_VIDEO_BYTES=0.*bytes from 1/],
    ['a lateness of nothing', { LATE_MAX_SECONDS: '0' }, /LATE_MAX_SECONDS=0/],
    [
      'chunks that TikTok does not take',
      { TIKTOK_CHUNK_BYTES: '5000000' },
      /TIKTOK_CHUNK_BYTES=5000000.*10485760 to 64000000/,
    ],
    ['no patience at all', { TIKTOK_API_SECONDS: '0' }, /TIKTOK_API_SECONDS=0.*1 to 3600/],
    [
      'a store of Agenda that is no MongoDB',
      { AGENDA_MONGODB_URL: 'redis://h/0' },
      /AGENDA_MONGODB_URL:.*mongodb\+srv:/,
    ],
    ['an option MongoDB does not have', { AGENDA_MONGODB_URL: 'mongodb://h/a?tsl=true' }, /AGENDA_MONGODB_URL:.*tsl/],
    [
      'a password MongoDB could not read',
      { AGENDA_MONGODB_URL: 'mongodb://u:p/w@h/a' },
      /AGENDA_MONGODB_URL:.*%-encoding/,
    ],
    ['a late action there is not', { LATE_ACTION: 'DROP' }, /LATE_ACTION=DROP.*PUBLISH, HOLD, FAIL/],
    ['a key that is too short', { TOKEN_KEYS: 'k1:c2hvcnQ=' }, /"k1" has 5 key bytes/],
    ['a key that is not random', { TOKEN_KEYS: `k1:${Buffer.alloc(32).toString('base64')}` }, /not random/],
    ['a key id twice', { TOKEN_KEYS: `k1:${KEY},k1:${KEY}` }, /key id twice/],
  ])('refuse %s, and say what to do', (_, environment, problem) => {
    expect(problemsOf(environment)).toEqual([expect.stringMatching(problem)]);
  });

  it.each([
    'mongodb://127.0.0.1:27017/agenda',
    'mongodb://user:p%40ss@one.example,two.example:27018/agenda?replicaSet=rs0&authSource=admin&tls=true',
    'mongodb+srv://user:p%40ss@cluster.example.com/agenda?retryWrites=true&w=majority',
  ])('take %s for a store of Agenda', (url) => {
    expect(readConfig({ AGENDA_MONGODB_URL: url }).agendaMongodbUrl).toBe(url);
  });

  it.each([
    'mongodb://aaaa/hush-hush@host/agenda',
    'mongodb://hush-hush/aaaa@host/agenda',
    'mongodb://user:hush-hush@@host/agenda',
    'mongodb://user:hush-hush%@host/agenda',
    'mongodb://user:hush-hush@host:port/agenda',
    'mongodb://user:hush-hush@host/agenda?ssl=perhaps',
    'mongodb+srv://user:hush-hush@host:27017/agenda',
    'mongo://user:hush-hush@host/agenda',
    'mongodb:user:hush-hush@host',
    'user:hush-hush@host/agenda',
  ])('refuse %s without showing it', (url) => {
    const [problem, ...more] = problemsOf({ AGENDA_MONGODB_URL: url });
    expect(more).toEqual([]);
    expect(problem).toMatch(/^AGENDA_MONGODB_URL: .+ Give a mongodb:/);
    expect(problem).not.toContain('hush');
  });

  it('are refused all at once, and never with a secret', () => {
    const problems = problemsOf({
      RPC_PORT: '0',
      HTTP_HOST: '10.0.0.1',
      DATABASE_URL: 'mysql://user:p4ssw0rd@host/x',
      TOKEN_KEYS: `k1:${KEY}:extra`,
      TIKTOK_CLIENT_SECRET: 'hush-hush',
      VIDEO_STORE: 's3://AKIA1:s3cr3t@videos?region=r',
    });
    expect(problems).toContainEqual(expect.stringMatching(/^VIDEO_STORE holds credentials.*AWS_ACCESS_KEY_ID/));
    expect(problems.length).toBeGreaterThanOrEqual(5);
    for (const secret of ['p4ssw0rd', KEY, 'hush-hush', 's3cr3t']) expect(problems.join('\n')).not.toContain(secret);
  });
});
