import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { collector } from '../../scripts/traces/collector.ts';
import { aesGcmCipher, parseKeyRing } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { uploadUrlContext } from '../../src/adapters/persistence/post-rows.ts';
import { manyConnections } from '../support/crowds.ts';
import { errorDetails, type GrpcClients } from '../support/grpc-client.ts';
import { realService, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectAccount,
  connectNewAccount,
  postThat,
  publish,
  unique,
  upload,
  WORKSPACE,
} from '../support/story.ts';
import { tcpProxy } from '../support/tcp-proxy.ts';
import { signatureOf, webhookBody } from '../support/webhooks.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const surroundings = realService();
const aKey = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;

/** The service until it ends by itself. */
async function runToItsEnd(environment: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd: root,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code]: (number | null)[] = await once(child, 'close');
  return { code, output };
}

describe('TOK-10 the service without keys that can be used', () => {
  const key = randomBytes(32).toString('base64');
  const OUTSIDE = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', TIKTOK_SANDBOX: '1' };

  it.each([
    ['no key', {}, 'DATABASE_URL is set without TOKEN_KEYS'],
    ['an empty one', { TOKEN_KEYS: '  ' }, 'DATABASE_URL is set without TOKEN_KEYS'],
    ['a short one', { TOKEN_KEYS: 'k1:c2hvcnQ=' }, '"k1" has 5 key bytes'],
    ['one of zeros', { TOKEN_KEYS: `k1:${Buffer.alloc(32).toString('base64')}` }, 'is not random'],
    ['one without an id', { TOKEN_KEYS: key }, 'entry 1'],
    ['a good and a weak one', { TOKEN_KEYS: `k1:${key},k2:AAAA` }, '"k2" has 3 key bytes'],
  ])('refuses to start with %s, and says why without showing any', async (_, keys, reason) => {
    const { code, output } = await runToItsEnd({ ...OUTSIDE, ...keys });
    expect(code).toBe(1);
    expect(output).toContain(reason);
    expect(output).not.toContain(key);
  });

  it('refuses to start with keys that open none of the stored tokens, and starts again with the right ones', async () => {
    const world = await surroundings();
    const [right, wrong] = [aKey('k1'), aKey('k2')];
    const first = await world.start({ environment: { TOKEN_KEYS: right } });
    const { environment } = first;
    await connectNewAccount({ clients: first.clients, sandbox: world.sandbox });
    await first.stop();
    const samename = wrong.replace('k2', 'k1');
    for (const TOKEN_KEYS of [wrong, samename]) {
      const { code, output } = await runToItsEnd({ ...environment, TOKEN_KEYS });
      expect(code).toBe(1);
      expect(output).toContain(
        'TOKEN_KEYS opens none of the stored tokens that the key "k1" sealed: put that key back',
      );
      for (const shown of [right, wrong]) expect(output).not.toContain(shown.slice(3));
    }
    expect(await (await world.start({ environment: { TOKEN_KEYS: `${wrong},${right}` } })).stop()).toBe(0);
  });
});

describe('TOK-08 a key that is turned under load', () => {
  const keysOf = (world: Surroundings) =>
    world.sql(
      `select encode(substring(access_token from 3 for get_byte(access_token, 1)), 'escape') as key,
         count(*)::integer as tokens from credential group by 1 order by 1`,
    );

  it('seals every secret anew though the job is killed twice, and loses none', { timeout: 200_000 }, async () => {
    const world = await surroundings({ tokenRegime: 'rotating' });
    const [older, newer] = [aKey('k1'), aKey('k2')];
    const before = await world.start({ environment: { TOKEN_KEYS: older } });
    const many = await manyConnections(world, before, 400);
    await before.kill();
    expect(await keysOf(world)).toEqual([{ key: 'k1', tokens: 400 }]);

    const environment = { TOKEN_KEYS: `${newer},${older}` };
    // Somebody works on the tokens all the while, who knows the new key and does not seal with it yet.
    const busy = await world.start({ environment: { TOKEN_KEYS: `${older},${newer}` } });
    const clients = busy.clients;
    let over = false;
    let refreshed = 0;
    const load = (async () => {
      for (let index = 0; !over; index = (index + 7) % many.length) {
        await clients.connections.RefreshConnection({ connection_id: many[index]?.connection_id });
        refreshed += 1;
      }
    })();
    for (const halt of ['resealed:1', 'resealed:2']) {
      const doomed = await world.start({ haltAt: halt, environment });
      await doomed.halted('resealed');
      await doomed.kill();
    }
    const halfway = await keysOf(world);
    expect(halfway.map(({ key }) => key)).toEqual(['k1', 'k2']);
    over = true;
    await load;
    expect(refreshed).toBeGreaterThan(3);
    expect(await busy.stop()).toBe(0);

    const last = await world.start({ environment });
    await last.logged('no stored secret needs an older key: they may be removed from TOKEN_KEYS');
    expect(await keysOf(world)).toEqual([{ key: 'k2', tokens: 400 }]);
    expect(await (await fetch(`${last.httpUrl}/metrics`)).text()).toMatch(
      /^tiktok_connector_secrets_under_older_keys 0$/m,
    );
    await last.stop();

    // Without the old key everything is read, and TikTok takes it.
    const after = await world.start({ environment: { TOKEN_KEYS: newer } });
    await world.sql('update credential set refresh_due = now() where connection_id = any($1)', [
      many.slice(0, 20).map(({ connection_id }) => connection_id),
    ]);
    for (const { connection_id } of many.slice(100, 130)) {
      const { connection } = await after.clients.connections.RefreshConnection<{ connection: Connection }>({
        connection_id,
      });
      expect(connection.state).toBe('CONNECTION_STATE_ACTIVE');
    }
    const cipher = aesGcmCipher(parseKeyRing(newer));
    const rows = await world.sql('select * from credential');
    const live = new Set(
      world.sandbox.control
        .ledger()
        .tokens.filter(({ state }) => state === 'LIVE')
        .map(({ token }) => token),
    );
    await vi.waitUntil(
      async () =>
        (await world.sql('select 1 from credential where refresh_due <= now() or refreshing_by is not null')).length ===
        0,
      { timeout: 30_000 },
    );
    for (const { connection_id, workspace_id, access_token, refresh_token } of rows) {
      const open = (sealed: unknown, field: string) =>
        cipher.open(sealed as Buffer, ['credential', String(workspace_id), String(connection_id), field]).reveal();
      expect(open(access_token, 'access_token')).toMatch(/^act\./);
      expect(open(refresh_token, 'refresh_token')).toMatch(/^rft\./);
    }
    expect(live.size).toBeGreaterThan(0);
    await after.kill();
  });
});

describe('TOK-09 tokens, upload addresses, media addresses, keys and the app secret', () => {
  /** Everything a client hears, in every way it could print it. */
  function overheard(clients: GrpcClients, heard: (text: string) => void): GrpcClients {
    const listen = <T extends object>(target: T): T =>
      new Proxy(target, {
        get(methods, name, receiver) {
          const method: unknown = Reflect.get(methods, name, receiver);
          if (typeof method !== 'function') return method;
          return async (...given: unknown[]) => {
            try {
              const answer: unknown = await method(...given);
              heard(JSON.stringify(answer));
              return answer;
            } catch (error) {
              heard(JSON.stringify([errorDetails(error), String(error), Object(error).metadata?.toJSON()]));
              throw error;
            }
          };
        },
      });
    return {
      ...clients,
      connections: listen(clients.connections),
      videos: listen(clients.videos),
      posts: listen(clients.posts),
    };
  }

  it('are in no answer, page, log line, metric, span, crash and table of the whole story', {
    timeout: 300_000,
  }, async () => {
    const world = await surroundings({ tokenRegime: 'rotating', pullFromLoopback: true, webhookRetryMs: 100 });
    const { sandbox } = world;
    const way = await tcpProxy(world.databaseUrl);
    onTestFinished(() => way.close());
    const heard: string[] = [];
    const hear = (text: string): void => void heard.push(text);
    const secrets = new Map<string, string>([['the app secret', sandbox.clientSecret]]);
    const TOKEN_KEYS = aKey('canary');
    let spans = 0;
    const traces = await collector((given) => {
      spans += given.length;
      for (const { raw } of given) hear(raw);
    });
    onTestFinished(() => traces.close());
    secrets.set('the key', TOKEN_KEYS.split(':')[1] ?? '');
    const loud = {
      LOG_LEVEL: 'debug',
      TOKEN_KEYS,
      DATABASE_URL: way.through(world.databaseUrl),
      OTEL_EXPORTER_OTLP_ENDPOINT: traces.endpoint,
    };
    const page = async (url: string, init?: RequestInit) => {
      const answer = await fetch(url, { redirect: 'manual', ...init });
      hear(JSON.stringify([answer.status, [...answer.headers], await answer.text()]));
    };

    // TikTok fetches a video.
    const pulling = await world.start({ environment: { ...loud, TIKTOK_TRANSFER: 'pull' } });
    sandbox.control.changeApp({ verifiedUrlProperties: [`${pulling.httpUrl}/media/`] });
    const pullClients = overheard(pulling.clients, hear);
    const ofPull = await connectNewAccount({ clients: pullClients, sandbox });
    const pulled = await publish(pullClients, aPost(ofPull, await upload(pulling.clients)));
    await postThat(pulling.clients, pulled.post_id, 'PUBLISHED');
    const [{ url: mediaUrl = null } = {}] = sandbox.control.ledger().inits;
    if (mediaUrl === null) throw new Error('nothing was fetched');
    secrets.set('a media token', new URL(mediaUrl).pathname.split('/')[2] ?? '');
    await page(mediaUrl);
    await page(`${pulling.httpUrl}/metrics`);
    await pulling.stop();
    hear(pulling.output());

    const uploading = await world.start({ stoppable: true, environment: loud });
    sandbox.control.changeApp({ webhookUrl: `${uploading.httpUrl}/webhooks/tiktok` });
    const clients = overheard(uploading.clients, hear);
    const story = { clients, sandbox };

    // What callers watch.
    const watches = [
      await uploading.clients.watch({ workspace_id: WORKSPACE }),
      await uploading.clients.watchConnections({ workspace_id: WORKSPACE }),
    ];
    const watching = watches.map(async (watch) => {
      for (;;) hear(JSON.stringify(await watch.next()));
    });
    for (const each of watching) each.catch(() => undefined);

    // Connect, in all ways; a person who says no, and answers that TikTok never gave.
    const connection = await connectNewAccount(story);
    await connectAccount(story, { account: connection.account.username, reconnects: connection.connection_id });
    const { authorize_uri } = await clients.connections.StartConnection<{ authorize_uri: string }>({
      workspace_id: WORKSPACE,
    });
    const consent = await sandbox.control.consent({
      authorizeUri: authorize_uri,
      account: connection.account.username,
    });
    for (let time = 0; time < 2; time += 1) {
      await page(`${uploading.httpUrl}/oauth/tiktok/callback?code=${consent.code}&state=${consent.state}`);
    }
    await page(`${uploading.httpUrl}/oauth/tiktok/callback?error=access_denied&state=nobody`);

    // Publish: sent, pulled, refused, lost. The upload address is read while it lives.
    const video = await upload(uploading.clients);
    const stop = await uploading.stopAt('ids-stored');
    const sent = await publish(clients, aPost(connection, video));
    await stop.reached();
    const cipher = aesGcmCipher(parseKeyRing(TOKEN_KEYS));
    for (const { workspace_id, post_id, number, upload_url } of await world.sql(
      'select workspace_id, post_id, number, upload_url from attempt join post on post.id = post_id where upload_url is not null',
    )) {
      const context = uploadUrlContext(String(workspace_id), String(post_id), Number(number));
      secrets.set('an upload address', cipher.open(upload_url as Buffer, context).reveal());
    }
    expect(secrets.has('an upload address')).toBe(true);
    sandbox.control.addFault({ endpoint: 'upload', kind: 'execute_then_drop' });
    await stop.goOn();
    await postThat(clients, sent.post_id, 'PUBLISHED');
    const echo = JSON.stringify({
      error: {
        code: 'internal_error',
        message: `seen: ${sandbox.clientSecret} ${secrets.get('an upload address')}`,
        log_id: 'x',
      },
      error_description: `seen: ${sandbox.clientSecret}`,
    });
    for (const endpoint of ['video_init', 'status', 'creator_info', 'token', 'user_info'] as const) {
      sandbox.control.addFault({ endpoint, kind: 'status', status: 500, body: echo, contentType: 'application/json' });
    }
    sandbox.control.addFault({ kind: 'fail_reason', reason: 'duration_check_failed' });
    const failing = await publish(clients, aPost(connection, video));
    await postThat(clients, failing.post_id, 'FAILED');
    await uploading.clients.connections
      .RefreshConnection({ connection_id: connection.connection_id })
      .catch(() => undefined);

    // Webhooks: TikTok's, a stranger's, nonsense.
    const body = webhookBody(
      { event: 'authorization.removed', user_openid: connection.account.open_id },
      { reason: 1 },
    );
    const webhook = (signature: string, text: string) =>
      page(`${uploading.httpUrl}/webhooks/tiktok`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'tiktok-signature': signature },
        body: text,
      });
    await webhook(signatureOf(body, sandbox.clientSecret), body);
    await webhook(signatureOf(body, 'not the secret'), body);
    await webhook(signatureOf('{', sandbox.clientSecret), '{');

    // A grant that dies, an answer that is lost, an app that is refused.
    const lost = await connectNewAccount(story);
    sandbox.control.addFault({
      endpoint: 'token',
      grantType: 'refresh_token',
      kind: 'execute_then_drop',
      account: lost.account.username,
    });
    await clients.connections.RefreshConnection({ connection_id: lost.connection_id }).catch(() => undefined);
    const refusedApp = await connectNewAccount(story);
    sandbox.control.addFault({
      endpoint: 'token',
      kind: 'error',
      code: 'invalid_client',
      account: refusedApp.account.username,
    });
    await clients.connections.RefreshConnection({ connection_id: refusedApp.connection_id }).catch(() => undefined);

    // Every RPC with nothing, with a stranger's ids and with the right ones; then once more without a database.
    const everyRpc = async () => {
      for (const [name, service] of Object.entries({
        connections: clients.connections,
        videos: clients.videos,
        posts: clients.posts,
      })) {
        for (const method of Object.keys(uploading.clients[name as 'connections'])) {
          const call = service[method as keyof typeof service] as (request: object) => Promise<unknown>;
          for (const ids of [
            {},
            {
              connection_id: 'conn_x',
              video_id: 'vid_x',
              post_id: 'post_x',
              workspace_id: 'ws_other',
              request_id: unique('r'),
            },
            {
              connection_id: refusedApp.connection_id,
              video_id: video.video_id,
              post_id: failing.post_id,
              workspace_id: WORKSPACE,
              request_id: unique('r'),
              uri: 'https://127.0.0.1/x.mp4',
            },
          ]) {
            await call(ids).catch(() => undefined);
          }
        }
      }
    };
    await everyRpc();
    await clients.connections.DisconnectConnection({ connection_id: connection.connection_id });
    way.cut();
    await everyRpc();
    for (const path of ['/', '/healthz', '/readyz', '/metrics', '/oauth/tiktok/callback?code=x&state=y', '/no/page']) {
      await page(`${uploading.httpUrl}${path}`);
    }
    way.resume();
    await page(`${uploading.httpUrl}/metrics`);

    // A token that does not open any more, and a process that can't start.
    await world.sql('update credential set access_token = refresh_token where connection_id = $1', [
      lost.connection_id,
    ]);
    await clients.connections.GetPublishingCapabilities({ connection_id: lost.connection_id }).catch(() => undefined);
    const crashed = await runToItsEnd(uploading.environment);
    expect(crashed.code).toBe(1);
    hear(crashed.output);

    for (const watch of watches) watch.cancel();
    await Promise.allSettled(watching);
    await uploading.kill();
    hear(uploading.output());
    // Every table, as text.
    const tables = await world.sql(
      `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
       where table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE'`,
    );
    for (const { name } of tables) {
      hear(JSON.stringify(await world.sql(`select to_jsonb(stored)::text as row from ${String(name)} as stored`)));
    }

    for (const [index, { token }] of sandbox.control.ledger().tokens.entries()) secrets.set(`token ${index}`, token);
    expect(secrets.size).toBeGreaterThan(15);
    expect(secrets.has('a media token')).toBe(true);
    const everything = heard.join('\n');
    expect(everything.length).toBeGreaterThan(100_000);
    expect(spans).toBeGreaterThan(100);
    // The ear is good: it hears what is no secret.
    for (const known of [connection.account.open_id, 'APP_CREDENTIALS_REJECTED', 'duration_check_failed']) {
      expect(everything).toContain(known);
    }
    const spellings = (text: string) => [
      text,
      Buffer.from(text).toString('base64').slice(0, -4),
      Buffer.from(text).toString('hex'),
      encodeURIComponent(text),
    ];
    const found = [...secrets].flatMap(([name, secret]) =>
      spellings(secret).some((spelling) => everything.includes(spelling)) ? [name] : [],
    );
    expect(found).toEqual([]);
  });
});
