import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished, vi } from 'vitest';
import { type CollectedSpan, collector } from '../../scripts/traces/collector.ts';
import { documentedAttributes, documentedSpans, kindOf } from '../support/documented-traces.ts';
import { fixtureVideo, inChunks } from '../support/fixture-videos.ts';
import { realService } from '../support/service-process.ts';
import {
  type Connection,
  getPost,
  hurry,
  type Post,
  postThat,
  postThatHurries,
  publish,
  type Video,
  WORKSPACE,
} from '../support/story.ts';
import { BUSINESS, FAMILIES, OPEN_UPLOAD } from '../support/ways.ts';
import { signatureOf, webhookBody } from '../support/webhooks.ts';

const surroundings = realService();

/** A collector, and all that it was given. */
async function collecting() {
  const spans: CollectedSpan[] = [];
  const { endpoint, close } = await collector((given) => spans.push(...given));
  onTestFinished(close);
  return { spans, environment: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } };
}

const aCaller = () => ({ traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') });

type TimelineCall = { readonly endpoint: string; readonly log_id: string; readonly code: string };
type Told = Post & { readonly timeline: readonly { readonly calls: readonly TimelineCall[] }[] };
const nameOf = (call: { readonly endpoint: string; readonly log_id: string }) => `${call.endpoint} ${call.log_id}`;

/** The spans of the same trace that are within this one, however deep. */
const within = (root: CollectedSpan, spans: readonly CollectedSpan[]): readonly CollectedSpan[] =>
  spans
    .filter(({ traceId, parentId }) => traceId === root.traceId && parentId === root.spanId)
    .flatMap((child) => [child, ...within(child, spans)]);

const HUSH = {
  caption: 'hush-caption',
  fileName: 'hush-file.mp4',
  requestId: 'hush-request',
  externalRef: 'hush-reference',
  label: 'hush-label',
  key: 'hush-key',
  state: 'hush-state',
};

const ANNOUNCE = {
  [OPEN_UPLOAD.name]: '/v2/post/publish/video/init/',
  [BUSINESS.name]: '/open_api/v1.3/business/video/publish/',
};
const STATUS = {
  [OPEN_UPLOAD.name]: '/v2/post/publish/status/fetch/',
  [BUSINESS.name]: '/open_api/v1.3/business/publish/status/',
};

it.each(FAMILIES)(
  'a post $name can be followed from its caller’s trace to TikTok’s log ids, and nothing secret on the way',
  async (way) => {
    const world = await surroundings();
    const { spans, environment } = await collecting();
    const service = await world.start({ environment: { ...way.environment, ...environment } });
    const { clients } = service;
    way.tell(world.sandbox, service.httpUrl);
    const connection = await way.connect({ clients, sandbox: world.sandbox });
    const file = await fixtureVideo('vertical.mp4');
    const metadata = { workspace_id: WORKSPACE, file_name: HUSH.fileName };
    const { video } = (await clients.upload(metadata, inChunks(file, 65_536))) as { video: Video };

    const caller = aCaller();
    const { post } = await clients.posts.PublishPost<{ post: Post }>(
      {
        ...way.post(connection, video),
        caption: HUSH.caption,
        request_id: HUSH.requestId,
        external_ref: HUSH.externalRef,
        labels: { team: HUSH.label },
      },
      {
        headers: {
          traceparent: `00-${caller.traceId}-${caller.spanId}-01`,
          tracestate: 'vendor=1',
          authorization: `Bearer ${HUSH.key}`,
        },
      },
    );
    await postThatHurries({ clients, sql: world.sql }, post.post_id, 'PUBLISHED');
    await fetch(`${service.httpUrl}/oauth/tiktok/callback?code=hush-code&state=${HUSH.state}`);
    const { timeline } = (await getPost(clients, post.post_id)) as Told;
    const [{ stored } = { stored: 0 }] = await world.sql(
      `select count(*)::integer as stored from post_event where to_jsonb(post_event)::text like '%' || $1 || '%'`,
      [caller.traceId],
    );
    expect(stored).toBe(0);
    expect(await service.stop()).toBe(0);

    // The call is a part of its caller's trace, and says which post it brought.
    const [call, ...others] = spans.filter(({ traceId }) => traceId === caller.traceId);
    expect(others).toEqual([]);
    expect(call).toMatchObject({
      name: 'glowtify.tiktok.v1.PostService/PublishPost',
      kind: 'SERVER',
      parentId: caller.spanId,
      failed: false,
      attributes: {
        'rpc.system.name': 'grpc',
        'rpc.method': 'glowtify.tiktok.v1.PostService/PublishPost',
        'rpc.status_code': 'OK',
        'tiktok_connector.post.id': post.post_id,
        'tiktok_connector.connection.id': connection.connection_id,
        'tiktok_connector.video.id': video.video_id,
      },
      resource: { 'service.name': 'tiktok-connector' },
    });

    // Each advance has a trace of its own that points back there; they go on where the one before ended.
    const advances = spans
      .filter(
        ({ name, attributes }) => name === 'advance post' && attributes['tiktok_connector.post.id'] === post.post_id,
      )
      .toSorted((left, right) => left.startMilliseconds - right.startMilliseconds);
    for (const advance of advances) {
      expect(advance.parentId).toBeUndefined();
      expect(advance.links).toEqual([{ traceId: caller.traceId, spanId: call?.spanId }]);
    }
    expect(new Set(advances.map(({ traceId }) => traceId)).size).toBe(advances.length);
    const steps = advances.map(({ attributes }) => [
      attributes['tiktok_connector.post.state.before'],
      attributes['tiktok_connector.post.state.after'],
    ]);
    expect(steps[0]?.[0]).toBe('SCHEDULED');
    expect(steps.map(([, after]) => after)).toContain('PUBLISHED');
    for (const [index, [before]] of steps.entries()) if (index > 0) expect(before).toBe(steps[index - 1]?.[1]);

    // Within them are the calls to TikTok, with the log ids that the post's timeline has from the same answers.
    const calls = advances.flatMap((advance) => within(advance, spans).filter(({ kind }) => kind === 'CLIENT'));
    const traced = calls.map(({ attributes }) =>
      nameOf({ endpoint: String(attributes['url.template']), log_id: String(attributes['tiktok.log_id'] ?? '') }),
    );
    const told = timeline.flatMap((entry) => entry.calls);
    expect(traced).toEqual(expect.arrayContaining(told.map(nameOf)));
    expect(told.map(({ endpoint }) => endpoint)).toContain(STATUS[way.name]);
    for (const endpoint of [ANNOUNCE[way.name], STATUS[way.name]]) {
      expect(traced).toContainEqual(expect.stringMatching(`^${endpoint} \\d{14}[0-9A-F]{20}$`));
    }
    // The bytes themselves: TikTok gives no log id for a chunk, and the timeline leaves chunks out.
    const ofBytes = way.transfer === 'PULL' ? spans.filter(({ name }) => name === 'GET /media/{token}') : calls;
    expect(ofBytes).toContainEqual(
      expect.objectContaining({ name: way.transfer === 'PULL' ? 'GET /media/{token}' : 'PUT upload', failed: false }),
    );

    for (const { attributes } of spans) {
      expect(attributes['url.template'] ?? 'upload').toMatch(/^(upload|(\/v2|\/open_api\/v1\.3)\/[a-z_/2]+\/)$/);
    }
    // TOK-09 has tokens, keys and the app's secret; here is what callers would not like to see.
    const everything = spans.map(({ raw }) => raw).join('\n');
    for (const secret of Object.values(HUSH)) expect(everything).not.toContain(secret);
    expect(everything).not.toContain('hush-code');
    for (const { token } of world.sandbox.control.ledger().tokens) expect(everything).not.toContain(token);
    for (const { url } of world.sandbox.control.ledger().inits) {
      if (url !== null) expect(everything).not.toContain(new URL(url).pathname.split('/').at(-1));
    }
  },
);

it('log lines name the span that they were written in', async () => {
  const world = await surroundings();
  const { spans, environment } = await collecting();
  const service = await world.start({ environment });
  const connection = await OPEN_UPLOAD.connect({ clients: service.clients, sandbox: world.sandbox });
  const caller = aCaller();
  world.sandbox.control.addFault({ endpoint: 'creator_info', kind: 'error', code: 'rate_limit_exceeded' });
  await service.clients.connections
    .GetPublishingCapabilities(
      { connection_id: connection.connection_id },
      { headers: { traceparent: `00-${caller.traceId}-${caller.spanId}-01` } },
    )
    .catch(() => undefined);
  const line = await service.logged('TikTok refused a call');
  await service.stop();
  const call = spans.find(({ traceId, kind }) => traceId === caller.traceId && kind === 'SERVER');
  expect(call).toBeDefined();
  expect([line['trace_id'], line['span_id']]).toEqual([caller.traceId, call?.spanId]);
  expect(service.log().find(({ msg }) => msg === 'ready')).not.toHaveProperty('trace_id');
});

it('posts go out while the collector is away, which is said once, and the process ends in time', async () => {
  const world = await surroundings();
  const nobody = createServer().listen(0, '127.0.0.1');
  await once(nobody, 'listening');
  const { port } = nobody.address() as AddressInfo;
  await new Promise((resolve) => nobody.close(resolve));
  const service = await world.start({
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` },
  });
  const { clients } = service;
  const connection = await OPEN_UPLOAD.connect({ clients, sandbox: world.sandbox });
  const { video } = (await clients.upload(
    { workspace_id: WORKSPACE },
    inChunks(await fixtureVideo('vertical.mp4'), 65_536),
  )) as { video: Video };
  const post = await publish(clients, OPEN_UPLOAD.post(connection, video));
  await postThat(clients, post.post_id, 'PUBLISHED');
  const silence = 'traces are not delivered: they are lost until the collector answers';
  await service.logged(silence);
  const another = await publish(clients, OPEN_UPLOAD.post(connection, video));
  await postThat(clients, another.post_id, 'PUBLISHED');
  expect(await service.stop()).toBe(0);
  expect(service.log().filter(({ msg }) => msg === silence)).toHaveLength(1);
});

it('docs/traces.md has every span and attribute that the service tells of, and no other', async () => {
  const world = await surroundings({ webhookRetryMs: 100 });
  const { sandbox } = world;
  const { spans, environment } = await collecting();
  const origin = createServer(
    (_request, response) => void fixtureVideo('vertical.mp4').then((file) => response.end(file)),
  );
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  onTestFinished(() => void origin.close());
  const source = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
  const service = await world.start({
    environment: {
      ...environment,
      IMPORT_ALLOWED_ORIGINS: source,
      ANALYTICS_OPEN_CALLS_PER_SECOND: '5',
      GARBAGE_SECONDS: '1',
    },
  });
  const { clients, httpUrl } = service;
  const seen = { clients, sandbox };

  const metadata = { workspace_id: WORKSPACE };
  const { video } = (await clients.upload(metadata, inChunks(await fixtureVideo('vertical.mp4'), 65_536))) as {
    video: Video;
  };

  // A post of each family, one that is refused, one with a video to fetch; webhooks, a refresh, a person who comes back.
  const connections: Connection[] = [];
  for (const way of FAMILIES) {
    way.tell(sandbox, httpUrl);
    const connection = await way.connect(seen);
    connections.push(connection);
    const request = { ...way.post(connection, video), video_id: undefined };
    const post = await publish(clients, { ...request, video_uri: `${source}/video.mp4?signature=${HUSH.key}` });
    await postThatHurries({ clients, sql: world.sql }, post.post_id, 'PUBLISHED');
    await clients.connections.RefreshConnection({ connection_id: connection.connection_id });
  }
  const [connection] = connections as [Connection];
  sandbox.control.addFault({ kind: 'fail_reason', reason: 'duration_check_failed' });
  const refused = await publish(clients, OPEN_UPLOAD.post(connection, video));
  await postThatHurries({ clients, sql: world.sql }, refused.post_id, 'FAILED');
  await hurry({ clients, sql: world.sql }, refused.post_id);
  const body = webhookBody(
    { client_key: sandbox.clientKey, event: 'authorization.removed', user_openid: connection.account.open_id },
    { reason: 1 },
  );
  await fetch(`${httpUrl}/webhooks/tiktok`, {
    method: 'POST',
    headers: { 'tiktok-signature': signatureOf(body, sandbox.clientSecret) },
    body,
  });
  await fetch(`${httpUrl}/oauth/tiktok/callback?error=access_denied&state=nobody`);
  const kinds = () => new Set(spans.map(kindOf));
  const expected = await documentedSpans();
  await vi
    .waitUntil(() => expected.every(({ name }) => kinds().has(name)), { timeout: 40_000, interval: 100 })
    .catch(() => undefined);
  expect(await service.stop()).toBe(0);

  expect([...kinds()].sort()).toEqual(expected.map(({ name }) => name).sort());
  const attributes = new Map<string, Set<string>>();
  for (const span of spans) {
    for (const name of Object.keys(span.attributes)) {
      attributes.set(name, (attributes.get(name) ?? new Set()).add(kindOf(span)));
    }
  }
  const documented = await documentedAttributes();
  expect([...attributes.keys()].sort()).toEqual([...documented.keys()].sort());
  for (const [name, where] of attributes)
    expect(documented.get(name), name).toEqual(expect.arrayContaining([...where]));
});
