import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { DCLinter } from 'dclint';
import { validate } from 'dockerfile-utils';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { readConfig } from '../../../src/config.ts';
import { type Compose, composeOf, composeProblems, repository, type Surroundings } from './compose-problems.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const text = read('docker-compose.yml');
const canRun = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;

let folder: string;
let secrets: string;
let files: Surroundings;
const prepare = (): string => execFileSync('sh', [join(folder, 'prepare.sh')], { encoding: 'utf8' });
const secret = (name: string): string => readFileSync(join(secrets, name), 'utf8');
const allSecrets = (): ReadonlyMap<string, string> => new Map(readdirSync(secrets).map((name) => [name, secret(name)]));

// Its passwords and certificates are openssl's.
describe.skipIf(!canRun('openssl', 'version'))('docker-compose.yml, with the openssl of this machine', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'compose-'));
    secrets = join(folder, 'secrets');
    cpSync(join(root, 'ops/compose/prepare.sh'), join(folder, 'prepare.sh'));
    prepare();
    files = repository(root, secrets);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('OPS-09 is prepared once: nobody else enters the folder, containers read its files, and a second run changes nothing', () => {
    const before = allSecrets();
    expect(prepare()).toBe('');
    expect(allSecrets()).toEqual(before);
    expect(statSync(secrets).mode & 0o777).toBe(0o700);
    for (const name of before.keys()) expect(statSync(join(secrets, name)).mode & 0o777, name).toBe(0o644);
    const { key_sha256: digest } = JSON.parse(secret('callers.json')).callers[0];
    expect(createHash('sha256').update(secret('caller-key')).digest('hex')).toBe(digest);
    expect(read('.gitignore').split('\n')).toContain('ops/compose/secrets/');
  });

  it('OPS-09 gives both sides of each secret the same, also when one of them was lost', () => {
    rmSync(join(secrets, 'connector.env'));
    expect(prepare()).toBe('made ops/compose/secrets/connector.env\n');
    const [connector, tiktok] = [parseEnv(secret('connector.env')), parseEnv(secret('tiktok.env'))];
    const [s3, sandbox] = [parseEnv(secret('s3.env')), parseEnv(secret('sandbox.env'))];
    expect(new URL(connector['DATABASE_URL'] ?? '').password).toBe(secret('postgres-password'));
    expect(new URL(connector['AGENDA_MONGODB_URL'] ?? '').password).toBe(secret('mongodb-password'));
    expect(connector['AWS_ACCESS_KEY_ID']).toBe(s3['ROOT_ACCESS_KEY_ID']);
    expect(connector['AWS_SECRET_ACCESS_KEY']).toBe(s3['ROOT_SECRET_ACCESS_KEY']);
    expect(tiktok['TIKTOK_CLIENT_KEY']).toBe(sandbox['SANDBOX_CLIENT_KEY']);
    expect(tiktok['TIKTOK_CLIENT_SECRET']).toBe(sandbox['SANDBOX_CLIENT_SECRET']);
  });

  it('OPS-09 names settings that the service knows, files that are there, addresses where somebody listens, and no open port', () => {
    expect(composeProblems(composeOf(text), files)).toEqual([]);
  });

  it('OPS-09 takes an app of TikTok in place of the sandbox', () => {
    const given = {
      ...composeOf(text).services['connector']?.environment,
      ...parseEnv(secret('connector.env')),
      TIKTOK_CLIENT_KEY: 'key',
      TIKTOK_CLIENT_SECRET: 'secret',
      PUBLIC_URL: 'https://connector.example.com',
    };
    expect(readConfig(given).tiktok?.openApiUrl).toBeUndefined();
  });

  it.each([
    ['a setting that is none', 'METRICS_PORT: "9464"', 'METRIC_PORT: "9464"', /METRIC_PORT is no setting/],
    ['a value that is refused', 'METRICS_PORT: "9464"', 'METRICS_PORT: "94640"', /a port is a whole number/],
    [
      'a port that the image does not expose',
      'METRICS_PORT: "9464"',
      'METRICS_PORT: "9465"',
      /Prometheus: nobody listens/,
    ],
    ['no callers', 'CALLERS_FILE:', '# CALLERS_FILE:', /without CALLERS_FILE everybody/],
    ['an image without a version', 'caddy:2.11.4-alpine', 'caddy:alpine', /edge: caddy:alpine is no version/],
    ['another stage', 'target: service', 'target: services', /has no stage services/],
    ['the image with the sandbox', 'target: service', 'target: sandbox', /not the image for production/],
    ['a profile that nobody names', 'profiles: [observe]', 'profiles: [observed]', /no profile observed/],
    [
      'a need in another profile',
      'postgres:\n        condition',
      'sandbox:\n        condition',
      /needs sandbox, which may not/,
    ],
    ['a file that is not there', './ops/prometheus/alerts.yml', './ops/prometheus/alarms.yml', /alarms.yml is not in/],
    ['a file that could be written', 'alerts.yml:ro', 'alerts.yml', /alerts.yml could be written/],
    ['a volume that is none', '- jobs:', '- works:', /no volume works/],
    [
      'data where the image keeps none',
      'database:/var/lib/postgresql',
      'database:/var/lib/postgresql/data',
      /postgres: its image keeps nothing in/,
    ],
    [
      'a folder that would be kept in a nameless volume',
      'tmpfs: [/data/configdb]',
      'tmpfs: [/tmp]',
      /configdb has no place/,
    ],
    ['a secret that nobody makes', 'sandbox.env:\n    file', 'other.env:\n    file', /prepare.sh makes no other.env/],
    ['a port beyond this host', '"127.0.0.1:3000:3000"', '"3000:3000"', /grafana: 3000:3000 is open/],
    ['a port that leads nowhere', '"127.0.0.1:3000:3000"', '"127.0.0.1:3000:3001"', /grafana: .* leads nowhere/],
    ['a health check that nothing answers', "8080/readyz').then", "8080/ready').then", /nothing answers its health/],
    ['too little time to stop', 'stop_grace_period: 30s', 'stop_grace_period: 20s', /killed before its last resort/],
    ['a root that can be written', 'read_only: true', 'read_only: false', /its files could be written/],
    ['capabilities', 'cap_drop: [ALL]', 'cap_drop: [SYS_ADMIN]', /it keeps capabilities/],
    ["a volume of the image that is nobody's", '/data:uid=1000', '/datum:uid=1000', /\/data is not its own/],
    ['S3 in the clear', 'endpoint=https://s3', 'endpoint=http://s3', /VIDEO_STORE=.*no https origin/],
    [
      'S3 at another port',
      'VGW_PORT: ":7070"',
      'VGW_PORT: ":7071"',
      /VIDEO_STORE: nobody listens at https:\/\/s3:7070/,
    ],
    ['an origin without its certificate', 'https://s3:7070', 'https://postgres:5432', /no certificate for postgres/],
    ['a container that only one can be', 'stop_grace_period: 30s', 'container_name: c', /allows for one container/],
    [
      'traces to nobody',
      'OTLP_ENDPOINT:-}',
      'OTLP_ENDPOINT:-http://jaeger:4319}',
      /nobody listens at http:\/\/jaeger:4319/,
    ],
  ])('OPS-09 finds %s', (_, said, instead, problem) => {
    expect(text).toContain(said);
    expect(composeProblems(composeOf(text.replace(said, instead)), files).join('\n')).toMatch(problem);
  });

  it.each([
    [
      'Dockerfile',
      'EXPOSE 50051 8080 9464',
      'EXPOSE 50051 8080',
      /Prometheus: nobody listens at http:\/\/connector:9464/,
    ],
    ['Dockerfile', 'VOLUME /data', 'VOLUME /data /work', /\/work has no place/],
    ['Dockerfile', '"src/main.ts"]', '"src/start.ts"]', /it is not started by node --\S+ src\/start.ts/],
    ['package.json', '"start": "node --', '"start": "node --a --', /it is not started by node --a --/],
    ['src/main.ts', 'LAST_RESORT_MILLISECONDS = 25_000', 'LAST_RESORT_MILLISECONDS = 45_000', /before its last resort/],
    ['src/adapters/http/server.ts', "['/readyz', {", "['/ready', {", /nothing answers its health check/],
    [
      'ops/compose/Caddyfile',
      'dynamic a connector 8080',
      'dynamic a connector 8081',
      /nobody listens at .*connector:8081/,
    ],
    ['ops/compose/Caddyfile', 'https://:8444 {', 'https://:8445 {', /TIKTOK_OPEN_API_URL: nobody listens/],
    ['ops/compose/Caddyfile', 'http://:50051 {', 'http://:50052 {', /127.0.0.1:50051:50051 leads nowhere/],
    ['ops/prometheus/prometheus.yml', 'port: 9464', 'port: 9465', /Prometheus: nobody listens/],
    ['ops/prometheus/prometheus.yml', 'names: [connector]', 'names: [conector]', /Prometheus: nobody listens/],
    [
      'ops/grafana/provisioning/datasources/datasources.yml',
      'jaeger:16686',
      'jaeger:16687',
      /Grafana's Jaeger: nobody/,
    ],
  ])('OPS-09 finds out when %s no longer says "%s"', (path, said, instead, problem) => {
    expect(read(path)).toContain(said);
    const changed = (each: string): string => (each === path ? read(each).replace(said, instead) : read(each));
    expect(composeProblems(composeOf(text), { ...files, read: changed }).join('\n')).toMatch(problem);
  });

  it('OPS-09 its sandbox takes these settings, and gives addresses that the connector accepts', async () => {
    const { environment } = serviceOf(composeOf(text), 'sandbox');
    const state = join(folder, 'sandbox.json');
    const here = { SANDBOX_HOST: '127.0.0.1', SANDBOX_PORT: '0', SANDBOX_STATE_FILE: state, NODE_EXTRA_CA_CERTS: '' };
    const command = [`--env-file=${join(secrets, 'sandbox.env')}`, 'sandbox/main.ts'];
    const child = spawn(process.execPath, command, { cwd: root, env: { ...environment, ...here } });
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (data) => {
        said += data;
      });
    const closed = once(child, 'close');
    await Promise.race([once(child.stdout, 'data'), closed]);
    expect(said).toContain(`ready at ${parseEnv(secret('tiktok.env'))['TIKTOK_OPEN_API_URL']}`);
    expect(said).toContain(parseEnv(secret('tiktok.env'))['TIKTOK_CLIENT_KEY']);
    child.kill('SIGTERM');
    expect(await closed).toEqual([0, null]);
  });

  it.each([
    ['makes the bucket', 200, '', 0, /made the bucket videos/],
    ['is content with one that is there', 409, '<Error><Code>BucketAlreadyOwnedByYou</Code></Error>', 0, /is there/],
    ['fails when the store refuses', 403, '<Error><Code>AccessDenied</Code></Error>', 1, /AccessDenied/],
  ])('OPS-09 its bucket step %s', async (_, status, body, code, words) => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.writeHead(status, { 'content-type': 'application/xml' }).end(body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { command = [], environment = {} } = serviceOf(composeOf(text), 'bucket');
    const place = environment['VIDEO_STORE']?.replace('https://s3:7070', `http://127.0.0.1:${port}`) ?? '';
    const given = { ...environment, VIDEO_STORE: place, NODE_EXTRA_CA_CERTS: '' };
    const parts = command.slice(1).map((word) => word.replace('/run/secrets', secrets));
    const child = spawn(process.execPath, parts, { cwd: root, env: given });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (data) => {
        said += data;
      });
    expect(await once(child, 'close')).toEqual([code, null]);
    expect(said).toMatch(words);
    expect(asked).toEqual(['PUT /videos/']);
  });

  it.skipIf(!canRun('docker', 'compose', 'version'))('OPS-09 is what Docker Compose takes', () => {
    const args = ['compose', '--profile', '*', 'config', '--quiet'];
    const { status, stderr } = spawnSync('docker', args, { cwd: root, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

function serviceOf({ services }: Compose, name: string) {
  const service = services[name];
  if (service === undefined) throw new Error(`no service ${name}`);
  return service;
}

describe('the linters of container files', () => {
  /** What dclint says of a compose file, with the rules of .dclintrc. */
  function linted(compose: string): readonly string[] {
    const place = mkdtempSync(join(tmpdir(), 'dclint-'));
    onTestFinished(() => rmSync(place, { recursive: true }));
    const path = join(place, 'docker-compose.yml');
    writeFileSync(path, compose);
    const linter = new DCLinter({ quiet: false, debug: false, exclude: [], ...parse(read('.dclintrc')) });
    const results: readonly { messages: readonly { message: string }[] }[] = linter.lintFiles([path], false);
    return results.flatMap(({ messages }) => messages.map(({ message }) => message));
  }

  it('OPS-09 dclint and the schema of Compose have nothing against docker-compose.yml', () => {
    expect(linted(text)).toEqual([]);
  });

  it.each([
    ['a key that Compose has not', 'read_only: true', 'readonly: true', /Validation error/],
    ['a value of the wrong kind', 'stop_grace_period: 30s', 'stop_grace_period: [30s]', /Validation error/],
    ['what is no YAML', 'services:\n', 'services: {\n', /Invalid YAML|YAML/],
    ['an image without a tag', 'postgres:18.4-alpine', 'postgres', /tag/],
    ['a port on every interface', '"127.0.0.1:3000:3000"', '"3000:3000"', /interface/],
  ])('OPS-09 dclint finds %s', (_, said, instead, problem) => {
    expect(text).toContain(said);
    expect(linted(text.replace(said, instead)).join('\n')).toMatch(problem);
  });

  it('OPS-09 the Dockerfile is one, and a misspelt instruction, flag or port would be found', () => {
    const dockerfile = read('Dockerfile');
    expect(validate(dockerfile)).toEqual([]);
    for (const [said, instead] of [
      ['COPY src src', 'COPPY src src'],
      ['COPY --from=packages', 'COPY --form=packages'],
      ['EXPOSE 50051', 'EXPOSE rpc'],
    ] as const) {
      expect(dockerfile).toContain(said);
      expect(validate(dockerfile.replace(said, instead)), instead).toHaveLength(1);
    }
  });
});

describe('what the profile "observe" is given', () => {
  const { services } = composeOf(text);
  /** Where a file of this repository lies in a container. */
  const placesIn = (service: string): ReadonlyMap<string, string> =>
    new Map(
      (services[service]?.volumes ?? [])
        .map((mount) => mount.split(':'))
        .map(([source = '', target = '']) => [target, source]),
    );

  it('OPS-09 Prometheus finds its configuration, which has known keys only, and the alerts beside it', () => {
    const places = placesIn('prometheus');
    const config = parse(read(places.get('/etc/prometheus/prometheus.yml') ?? ''));
    expect(Object.keys(config)).toEqual(['global', 'rule_files', 'scrape_configs']);
    expect(Object.keys(config.global)).toEqual(['scrape_interval', 'evaluation_interval']);
    for (const rules of config.rule_files) {
      expect(parse(read(places.get(`/etc/prometheus/${rules}`) ?? '')).groups).not.toEqual([]);
    }
    for (const { job_name: _, dns_sd_configs: found, ...rest } of config.scrape_configs) {
      expect(rest).toEqual({});
      for (const each of found) expect(Object.keys(each)).toEqual(['names', 'type', 'port', 'refresh_interval']);
    }
  });

  it.skipIf(!canRun('promtool', '--version'))('OPS-09 promtool takes the configuration of Prometheus', () => {
    expect(spawnSync('promtool', ['check', 'config', join(root, 'ops/prometheus/prometheus.yml')]).status).toBe(0);
  });

  it('OPS-09 Grafana is provisioned with the dashboard of this repository and a Prometheus to ask', () => {
    const places = placesIn('grafana');
    const provisioning = places.get('/etc/grafana/provisioning') ?? '';
    const { datasources } = parse(read(`${provisioning}/datasources/datasources.yml`));
    expect(datasources.map(({ type }: { type: string }) => type)).toEqual(['prometheus', 'jaeger']);
    const { providers } = parse(read(`${provisioning}/dashboards/dashboards.yml`));
    const shown = providers.flatMap(({ options }: { options: { path: string } }) =>
      [...places].filter(([target]) => target.startsWith(`${options.path}/`)).map(([, source]) => source),
    );
    expect(shown).toEqual(['./ops/grafana/dashboard.json']);
  });

  it.skipIf(!canRun('caddy', 'version'))('OPS-09 Caddy takes the Caddyfile', () => {
    const adapted = spawnSync('caddy', ['adapt', '--config', join(root, 'ops/compose/Caddyfile')], {
      encoding: 'utf8',
    });
    expect(adapted.stderr).not.toMatch(/error/i);
    expect(adapted.status).toBe(0);
  });
});
