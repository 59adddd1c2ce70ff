/**
 * Arrows point inward: domain ← application ← adapters ← composition root. An allow-list for each folder, packages and `node:`
 * modules included: what is not named is not allowed.
 */
const anywhere = { path: '^src/' };

/** One rule: files of `from` may import only what matches one of `to`. */
const only = (name, comment, from, to) => ({
  name,
  comment,
  severity: 'error',
  from,
  to: { pathNot: to },
});

const npm = (...names) => names.map((name) => `^node_modules/${name}/`);

/** A folder of adapters and what it may use beside the inner layers and itself. */
const adapter = (folder, ...allowed) =>
  only(
    `adapter-${folder.replaceAll('/', '-')}`,
    `src/adapters/${folder} knows the inner layers, itself and its own neighbour, and no other adapter.`,
    { path: `^src/adapters/${folder}/` },
    ['^src/domain/', '^src/application/', `^src/adapters/${folder}/`, ...allowed],
  );

module.exports = {
  forbidden: [
    only('domain-is-pure', 'The domain imports itself only: no clock, no I/O, no package.', { path: '^src/domain/' }, [
      '^src/domain/',
    ]),
    only('application-knows-ports', 'Use cases know the domain and their ports.', { path: '^src/application/' }, [
      '^src/domain/',
      '^src/application/',
      ...npm('p-limit'),
    ]),
    adapter('callers', '^(crypto|fs/promises)$', ...npm('jose')),
    adapter('crypto', '^crypto$'),
    adapter('embedded-postgres', '^(child_process|crypto|fs/promises|net|os|path|util)$', ...npm('pg', '@types/pg')),
    adapter('http', '^(crypto|events|http|net|stream|stream/promises)$'),
    adapter('metrics', ...npm('@prometheus-io/client')),
    adapter(
      'persistence',
      '^(crypto|net|timers/promises)$',
      ...npm('pg', '@types/pg', '@mikro-orm/core', '@mikro-orm/migrations', '@mikro-orm/postgresql'),
    ),
    adapter(
      'rpc',
      '^(crypto|events|http|http2|net|stream|timers/promises|tls)$',
      ...npm('@bufbuild/protobuf', '@connectrpc/connect', '@connectrpc/connect-node'),
    ),
    adapter(
      'scheduler',
      '^module$',
      ...npm('agenda', '@agendajs/postgres-backend', '@agendajs/mongo-backend', 'mongodb', 'pg', '@types/pg'),
    ),
    adapter('system', '^(async_hooks|crypto|fs/promises|path)$'),
    adapter('tiktok', '^(crypto|stream|stream/promises|events|buffer)$', ...npm('undici')),
    adapter(
      'traces',
      ...npm(
        '@opentelemetry/api',
        '@opentelemetry/context-async-hooks',
        '@opentelemetry/core',
        '@opentelemetry/exporter-trace-otlp-proto',
        '@opentelemetry/resources',
        '@opentelemetry/sdk-trace',
      ),
    ),
    adapter('video-fetcher', '^(dns|net|stream|url)$', ...npm('ipaddr.js', 'undici')),
    adapter('video-probe', '^(worker_threads|url|path|events)$', ...npm('mediabunny')),
    adapter(
      'video-store',
      '^(crypto|fs|fs/promises|os|path|stream|stream/promises|util)$',
      ...npm('@aws-sdk/client-s3'),
    ),
    {
      name: 'every-adapter-has-a-rule',
      comment: 'A new folder under src/adapters needs its line above.',
      severity: 'error',
      from: {
        path: '^src/adapters/',
        pathNot:
          '^src/adapters/(callers|crypto|embedded-postgres|http|metrics|persistence|rpc|scheduler|system|tiktok|traces|video-fetcher|video-probe|video-store)/',
      },
      to: {},
    },
    {
      name: 'one-composition-root',
      comment: 'Only container.ts imports Inversify and only the root builds adapters.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/container\\.ts$' },
      to: { path: '^node_modules/inversify/' },
    },
    {
      name: 'sandbox-stands-alone',
      comment: 'The sandbox is a product of its own.',
      severity: 'error',
      from: { path: '^sandbox/' },
      to: { path: '^(src|test)/' },
    },
    only(
      'client-stands-alone',
      'The client is published: it has nothing of this repository but its own folder.',
      { path: '^clients/' },
      [
        '^clients/typescript/',
        '^(assert/strict|crypto|events|fs|fs/promises|net|path|stream/promises|timers/promises|url|util)$',
        ...npm('@bufbuild/protobuf', '@connectrpc/connect', '@connectrpc/connect-node'),
      ],
    ),
    {
      name: 'sources-know-no-tests',
      comment: 'Nothing that runs in production imports a test, a bench or a script.',
      severity: 'error',
      from: { path: '^(src|sandbox)/', pathNot: '\\.test\\.ts$|^sandbox/(business/)?test-client\\.ts$' },
      to: { path: '^(test|bench|scripts)/|^node_modules/(vitest|fast-check|testcontainers)/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: anywhere,
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'nothing-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    exclude: { path: '^(src/adapters/rpc|clients/typescript)/gen/|^clients/typescript/dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@glowtify/source', 'node', 'import', 'types', 'default'],
      extensions: ['.ts', '.js'],
    },
  },
};
