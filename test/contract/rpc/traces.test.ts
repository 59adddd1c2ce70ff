import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ConnectionService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PostService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { Health } from '../../../src/adapters/rpc/gen/grpc/health/v1/health_pb.js';
import type { UseCases } from '../../../src/adapters/rpc/rpc-needs.ts';
import { outcomeOf } from '../../../src/adapters/rpc/traced-calls.ts';
import type { PostId } from '../../../src/domain/ids.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { aScheduledPost } from '../../support/builders.ts';
import { type RecordedSpan, recordingTraces } from '../../support/recording-traces.ts';
import { PROTOCOLS, type Protocol, rpcServers, wayTo } from '../../support/rpc-servers.ts';
import { enveloped, exchange } from '../../support/wire.ts';
import { fakeNeeds } from './fake-needs.ts';

const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const GET_POST = 'glowtify.tiktok.v1.PostService/GetPost';

async function given(answers: Partial<UseCases>, protocol: Protocol = 'gRPC over HTTP/2') {
  const traces = recordingTraces();
  const servers = await rpcServers(fakeNeeds(answers, { traces }));
  const { transport, close } = wayTo(servers, protocol);
  onTestFinished(async () => {
    close();
    await servers.close();
  });
  return { servers, transport, traces, posts: createClient(PostService, transport) };
}

/** A span ends when the answer has been sent, which may be a moment after it was read. */
async function theSpan(traces: ReturnType<typeof recordingTraces>): Promise<RecordedSpan> {
  await vi.waitUntil(() => traces.spans.length > 0, { interval: 5 });
  expect(traces.spans).toHaveLength(1);
  return traces.spans[0] as RecordedSpan;
}

describe.each(PROTOCOLS)('A call by %s', (protocol) => {
  const rpcSystem = protocol.startsWith('gRPC') ? 'grpc' : 'connectrpc';

  it('is a span of its caller’s trace, and says what it was about', async () => {
    const post = aScheduledPost();
    let seen: string | undefined;
    const { posts, traces } = await given(
      {
        getPost: async () => {
          seen = traces.here();
          return ok({ step: { post }, timeline: [] });
        },
      },
      protocol,
    );
    await posts.getPost({ postId: post.id }, { headers: { traceparent: CALLER } });
    const span = await theSpan(traces);
    expect(span).toMatchObject({ name: GET_POST, kind: 'SERVER', parent: CALLER, here: seen });
    const { id: postId, connectionId, videoId } = post;
    expect(span.facts).toEqual({ rpcMethod: GET_POST, rpcSystem, rpcStatus: 'OK', postId, connectionId, videoId });
  });

  it('that is refused says so, and names nothing that its caller made up', async () => {
    const { posts, traces } = await given(
      { getPost: async ({ postId }) => err({ code: 'NOT_FOUND', resource: 'post', id: postId }) },
      protocol,
    );
    await expect(posts.getPost({ postId: 'hush' as PostId })).rejects.toMatchObject({ code: Code.NotFound });
    const { facts, parent } = await theSpan(traces);
    const httpStatus = protocol.startsWith('Connect') ? { httpStatus: 404 } : {};
    expect(facts).toEqual({ rpcMethod: GET_POST, rpcSystem, rpcStatus: 'NOT_FOUND', ...httpStatus });
    expect(parent).toBeUndefined();
  });

  it('that fails says so without the text of the failure', async () => {
    const { posts, traces } = await given({ getPost: () => Promise.reject(new Error('hush')) }, protocol);
    await expect(posts.getPost({ postId: 'p' })).rejects.toMatchObject({ code: Code.Internal });
    expect((await theSpan(traces)).facts).toEqual({ rpcMethod: GET_POST, rpcSystem, rpcStatus: 'INTERNAL' });
  });

  it('that watches is one span from its beginning to its end', async () => {
    const held = Promise.withResolvers<never>();
    let seen: string | undefined;
    async function* events(): AsyncGenerator<never> {
      await Promise.resolve();
      seen = traces.here();
      yield await held.promise;
    }
    const { transport, traces } = await given({ watchConnections: async () => ok(events()) }, protocol);
    const { watchConnections } = createClient(ConnectionService, transport);
    const watch = watchConnections({ workspaceId: 'ws_a' })[Symbol.asyncIterator]().next();
    await vi.waitUntil(() => seen !== undefined, { interval: 5 });
    expect(traces.spans).toEqual([]);
    held.reject(new ConnectError('hush', Code.Aborted));
    await expect(watch).rejects.toMatchObject({ code: Code.Internal });
    const span = await theSpan(traces);
    expect([span.here, span.facts.rpcStatus]).toEqual([seen, 'INTERNAL']);
  });
});

it.each([
  ['1', 'CANCELLED'],
  ['4', 'DEADLINE_EXCEEDED'],
  ['16', 'UNAUTHENTICATED'],
])('The status %s of gRPC is told as %s', (grpcStatus, rpcStatus) => {
  expect(outcomeOf({ status: 200, trailer: new Headers({ 'grpc-status': grpcStatus }) })).toEqual({ rpcStatus });
});

it('A probe of our health leaves no span', async () => {
  const { transport, traces, posts } = await given({ getPost: () => Promise.reject(new Error('a bug')) });
  await createClient(Health, transport).check({ service: '' });
  await expect(posts.getPost({ postId: 'p' })).rejects.toThrow();
  expect((await theSpan(traces)).name).toBe(GET_POST);
});

it('A watcher that hangs up is no failure of ours', async () => {
  const begun = Promise.withResolvers<void>();
  const { transport, traces } = await given({
    watchConnections: async ({ signal }) => {
      begun.resolve();
      return ok(
        (async function* (): AsyncGenerator<never> {
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        })(),
      );
    },
  });
  const leave = new AbortController();
  const { watchConnections } = createClient(ConnectionService, transport);
  const watch = watchConnections({ workspaceId: 'ws_a' }, { signal: leave.signal })[Symbol.asyncIterator]().next();
  await begun.promise;
  leave.abort();
  await expect(watch).rejects.toThrow();
  expect((await theSpan(traces)).facts).toMatchObject({ rpcStatus: 'CANCELLED' });
});

it.each([
  ['gRPC', 'application/grpc', enveloped(Buffer.from([0xff, 0xff])), { rpcStatus: 'INVALID_ARGUMENT' }],
  ['Connect', 'application/proto', Buffer.from([0xff, 0xff]), { httpStatus: 400 }],
])('A call that can not be read, by %s, is a span with its outcome', async (_, contentType, body, outcome) => {
  const { servers, traces } = await given({});
  await exchange(servers.rpc, { path: `/${GET_POST}`, headers: { 'content-type': contentType }, body });
  expect((await theSpan(traces)).facts).toMatchObject(outcome);
});
