import { X509Certificate } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { parse } from 'yaml';
import { parseCallers } from '../../../src/adapters/callers/parse-callers.ts';
import { ConfigError, readConfig } from '../../../src/config.ts';

/** Of the Compose specification what docker-compose.yml uses, with its anchors merged. */
export type Service = {
  readonly image: string;
  readonly build?: { readonly context: string; readonly target: string };
  readonly profiles?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly ports?: readonly string[];
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly read_only?: boolean;
  readonly restart?: string;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly stop_grace_period?: string;
  readonly deploy?: { readonly resources: { readonly limits: Readonly<Record<string, string | number>> } };
  readonly container_name?: string;
  readonly env_file?: readonly { readonly path: string; readonly required: boolean }[];
};
export type Compose = {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
};

/** As Compose reads it on a host whose environment has none of the variables. */
export const composeOf = (text: string): Compose => parse(text, withoutVariables, { merge: true });

const withoutVariables = (_: unknown, value: unknown): unknown =>
  typeof value === 'string' ? value.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1') : value;

/** The files of the repository that the compose file leans on, by their paths; `secrets` is what ops/compose/prepare.sh made. */
export type Surroundings = {
  readonly read: (path: string) => string;
  readonly exists: (path: string) => boolean;
  readonly secrets: string;
};
export const repository = (root: string, secrets: string): Surroundings => ({
  read: (path) => readFileSync(join(root, path), 'utf8'),
  exists: (path) => globSync(path, { cwd: root }).length > 0,
  secrets,
});

const PROFILES = ['sandbox', 'observe', 'test'];
/** What the connector's process reads though src/config.ts does not: Node, the AWS library, the trace exporter. */
const OF_LIBRARIES = ['NODE_EXTRA_CA_CERTS', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
const SECRETS = 'ops/compose/secrets/';
/** Where images of others keep what is to stay, as they document it: PostgreSQL from 18 on a folder higher than before. */
const KEPT_BY: Readonly<Record<string, readonly string[]>> = {
  postgres: ['/var/lib/postgresql'],
  mongo: ['/data/db', '/data/configdb'],
  'prom/prometheus': ['/prometheus'],
  'grafana/grafana': ['/var/lib/grafana'],
};

/** Everything that would not start, would not be reached or would be open. Empty: nothing. */
export function composeProblems(compose: Compose, files: Surroundings): readonly string[] {
  const { services, volumes, secrets } = compose;
  const found: string[] = [];
  const dockerfile = imageFacts(files.read('Dockerfile'));

  for (const [name, service] of Object.entries(services)) {
    for (const problem of serviceProblems(service)) found.push(`${name}: ${problem}`);
  }
  for (const name of Object.keys(volumes)) {
    if (!Object.values(services).some((each) => each.volumes?.some((mount) => mount.startsWith(`${name}:`)))) {
      found.push(`the volume ${name} is nobody's`);
    }
  }
  for (const [name, { file }] of Object.entries(secrets)) {
    if (file !== SECRETS + name) found.push(`the secret ${name} is not of the same name`);
    if (!isMade(name)) found.push(`ops/compose/prepare.sh makes no ${name}`);
    if (!Object.values(services).some((each) => each.secrets?.includes(name)))
      found.push(`the secret ${name} is nobody's`);
  }
  const { connector, edge, sandbox, s3 } = services;
  if (connector === undefined || edge === undefined || sandbox === undefined || s3 === undefined) {
    return [...found, 'one of connector, edge, sandbox and s3 is missing'];
  }
  const environment = environmentOf(connector);
  found.push(...settingProblems(environment), ...connectorProblems(connector), ...addressProblems());
  return found;

  function isMade(name: string): boolean {
    return globSync(name, { cwd: files.secrets }).length === 1;
  }
  function secretText(name: string): string {
    return isMade(name) ? readFileSync(join(files.secrets, name), 'utf8') : '';
  }

  /** As the process sees it: the container's, and below it what `--env-file` names. */
  function environmentOf({ command = [], environment: own = {} }: Service): Readonly<Record<string, string>> {
    const named = command.flatMap((word) => /^--env-file=\/run\/secrets\/(.*)$/.exec(word)?.[1] ?? []);
    return Object.assign({}, ...named.map((name) => parseEnv(secretText(name))), own);
  }

  function* serviceProblems(service: Service): Generator<string> {
    const { image, build, profiles = [], secrets: taken = [], depends_on: needed = {} } = service;
    if (!/:v?\d+\.\d+/.test(image)) yield `${image} is no version`;
    if (build !== undefined && !dockerfile.stages.includes(build.target))
      yield `the Dockerfile has no stage ${build.target}`;
    for (const profile of profiles) if (!PROFILES.includes(profile)) yield `there is no profile ${profile}`;
    for (const each of taken) if (secrets[each] === undefined) yield `there is no secret ${each}`;
    for (const { path } of service.env_file ?? []) {
      if (!path.startsWith(SECRETS) || !isMade(path.slice(SECRETS.length))) yield `prepare.sh makes no ${path}`;
    }
    for (const mount of service.volumes ?? []) {
      const [source = '', target = '', mode] = mount.split(':');
      if (!source.startsWith('./')) {
        if (!Object.hasOwn(volumes, source)) yield `there is no volume ${source}`;
        if (!keptBy(service).includes(target)) yield `its image keeps nothing in ${target}`;
      } else if (!files.exists(source)) yield `${source} is not in the repository`;
      else if (mode !== 'ro') yield `${source} could be written`;
    }
    // A volume that is declared and not mounted is made anew, without a name, with each container.
    for (const kept of service.restart === 'no' ? [] : keptBy(service).filter((each) => each.startsWith('/'))) {
      const places = [...(service.volumes ?? []).map((mount) => mount.split(':')[1]), ...(service.tmpfs ?? [])];
      if (!places.some((place) => place === kept || place?.startsWith(`${kept}:`))) yield `${kept} has no place`;
    }
    for (const port of service.ports ?? [])
      if (!port.startsWith('127.0.0.1:')) yield `${port} is open beyond this host`;
    for (const [other, { condition }] of Object.entries(needed)) {
      const target = services[other];
      if (target === undefined || !(target.profiles ?? profiles).every((each) => profiles.includes(each))) {
        yield `it needs ${other}, which may not be there`;
      } else if (condition === 'service_healthy' && target.healthcheck?.test === undefined) {
        yield `${other} never says that it is well`;
      }
    }
    if (!service.cap_drop?.includes('ALL')) yield 'it keeps capabilities';
    if (!service.security_opt?.includes('no-new-privileges:true')) yield 'it may gain privileges';
    if (service.container_name !== undefined) yield 'a name of its own allows for one container only';
  }

  /** Folders that outlive a container of this image: what it declares, or what it is told to use. */
  function keptBy({ image, build, command = [] }: Service): readonly string[] {
    if (build !== undefined) return dockerfile.volumes;
    return KEPT_BY[image.replace(/:.*/, '')] ?? command;
  }

  /** Names that nobody reads, and values that the service would refuse. */
  function* settingProblems(given: Readonly<Record<string, string>>): Generator<string> {
    const asked = new Set(OF_LIBRARIES);
    const watched = new Proxy(given, {
      get: (target, name) => {
        asked.add(String(name));
        return Reflect.get(target, name);
      },
    });
    try {
      readConfig(watched);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      yield* error.problems;
    }
    for (const name of Object.keys(given)) if (!asked.has(name)) yield `connector: ${name} is no setting`;
    const callers = parseCallers(secretText('callers.json'), { clientCertificates: false });
    if (!callers.ok) yield* callers.error;
  }

  function* connectorProblems({ tmpfs = [], deploy, healthcheck, ...service }: Service): Generator<string> {
    if (service.read_only !== true) yield 'connector: its files could be written';
    if (service.build?.target !== 'service') yield 'connector: it is not the image for production';
    if (service.ports !== undefined) yield 'connector: a published port allows for one replica only';
    const started = service.command?.filter((word) => !word.startsWith('--env-file=')).join(' ');
    for (const start of [dockerfile.command.join(' '), JSON.parse(files.read('package.json')).scripts.start]) {
      if (started !== start) yield `connector: it is not started by ${start}`;
    }
    for (const volume of dockerfile.volumes) {
      if (!tmpfs.some((each) => each.startsWith(`${volume}:uid=1000,gid=1000,`)))
        yield `connector: ${volume} is not its own`;
    }
    for (const limit of ['cpus', 'memory', 'pids']) {
      if (deploy?.resources.limits[limit] === undefined) yield `connector: no limit of ${limit}`;
    }
    const asked = /http:\/\/127\.0\.0\.1:(\d+)(\/\w+)/.exec(healthcheck?.test?.at(-1) ?? '');
    if (asked?.[1] !== '8080' || !files.read('src/adapters/http/server.ts').includes(`['${asked[2]}', {`)) {
      yield `connector: nothing answers its health check`;
    }
    const lastResort = Number(
      /LAST_RESORT_MILLISECONDS = ([\d_]+)/.exec(files.read('src/main.ts'))?.[1]?.replace('_', ''),
    );
    if (!(Number(service.stop_grace_period?.replace(/s$/, '')) * 1000 > lastResort)) {
      yield 'connector: it would be killed before its last resort';
    }
  }

  /** Whether who calls whom by an address finds somebody there. */
  function* addressProblems(): Generator<string> {
    const caddyfile = files.read('ops/compose/Caddyfile');
    const prometheus = parse(files.read('ops/prometheus/prometheus.yml'));
    const { http, rpc, metrics } = configOf(environment);
    const [scrape] = prometheus.scrape_configs;
    const listening: Readonly<Record<string, readonly (string | number)[]>> = {
      connector: [rpc, http, metrics].filter((port) => dockerfile.ports.includes(String(port))),
      edge: [...caddyfile.matchAll(/^https?:\/\/:(\d+) \{/gm)].map(([, port = '']) => port),
      sandbox: [sandbox?.environment?.['SANDBOX_PORT'] ?? ''],
      s3: [s3?.environment?.['VGW_PORT']?.replace(':', '') ?? ''],
      // Where these listen unless told otherwise.
      postgres: ['5432'],
      mongodb: ['27017'],
      prometheus: ['9090'],
      grafana: ['3000'],
      jaeger: ['16686', '4318'],
      'test-postgres': ['5432'],
      'test-mongodb': ['27017'],
    };
    const answers = (name: string, port: string | number): boolean =>
      services[name] !== undefined && (listening[name] ?? []).map(String).includes(String(port));

    const datasources = parse(files.read('ops/grafana/provisioning/datasources/datasources.yml')).datasources;
    const named: readonly (readonly [string, string])[] = [
      ...Object.entries({ ...environment, ...sandbox?.environment }),
      ...datasources.map(({ name, url }: { name: string; url: string }) => [`Grafana's ${name}`, url]),
      ...[...caddyfile.matchAll(/(?:dynamic a|reverse_proxy) ([a-z]\S*)(?: (\d+))?(?= |$)/gm)].map(
        ([, host = '', port]) => ['Caddyfile', `http://${host}${port === undefined ? '' : `:${port}`}`] as const,
      ),
      ...scrape.dns_sd_configs[0].names.map(
        (name: string) => ['Prometheus', `http://${name}:${scrape.dns_sd_configs[0].port}`] as const,
      ),
      [
        'the comment',
        /OTEL_EXPORTER_OTLP_ENDPOINT=(\S+) docker/.exec(files.read('docker-compose.yml'))?.[1] ?? 'http://none',
      ],
    ];
    const certificate = new X509Certificate(secretText('tls.crt'));
    const authority = new X509Certificate(secretText('ca.crt'));
    if (!certificate.verify(authority.publicKey)) yield 'tls.crt is not of ca.crt';
    for (const [who, value] of named) {
      for (const [address, scheme, host = '', port = ''] of value.matchAll(
        /(\w+):\/\/(?:[^@/]*@)?([a-z][\w-]*):?(\d*)/g,
      )) {
        if (scheme === 's3') continue;
        if (!answers(host, port)) yield `${who}: nobody listens at ${address.replace(/\/\/.*@/, '//')}`;
        else if (scheme === 'https' && certificate.checkHost(host) === undefined)
          yield `${who}: no certificate for ${host}`;
      }
    }
    for (const [name, { ports = [] }] of Object.entries(services)) {
      for (const port of ports) if (!answers(name, port.split(':')[2] ?? '')) yield `${name}: ${port} leads nowhere`;
    }
    const published = Object.values(services).flatMap(({ ports = [] }) => ports);
    for (const name of ['PUBLIC_URL', 'TIKTOK_AUTHORIZE_URL']) {
      const { host = 'nowhere' } = URL.parse(environment[name] ?? '') ?? {};
      if (!published.some((port) => port.startsWith(`${host}:`))) yield `${name}: no browser reaches ${host}`;
    }
    if (sandbox?.environment?.['SANDBOX_PUBLIC_ORIGIN'] !== environment['TIKTOK_UPLOAD_ORIGINS']) {
      yield 'the sandbox gives upload addresses that the connector does not take';
    }
  }
}

function configOf(environment: Readonly<Record<string, string>>) {
  try {
    const { http, rpc, metrics } = readConfig(environment);
    return { http: http.port, rpc: rpc.port, metrics: typeof metrics === 'string' ? metrics : metrics.port };
  } catch {
    // settingProblems says why.
    return { http: '', rpc: '', metrics: '' };
  }
}

const imageFacts = (dockerfile: string) => {
  const words = (pattern: RegExp): readonly string[] =>
    [...dockerfile.matchAll(pattern)].flatMap(([, rest = '']) => rest.split(' '));
  return {
    stages: words(/^FROM \S+ AS (\S+)$/gm),
    ports: words(/^EXPOSE (.*)$/gm),
    volumes: words(/^VOLUME (.*)$/gm),
    command: JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]') as readonly string[],
  };
};
