import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { ConnectionService } from '../../../clients/typescript/gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PostService } from '../../../clients/typescript/gen/glowtify/tiktok/v1/post_service_pb.js';
import { RetryInfoSchema } from '../../../clients/typescript/gen/google/rpc/error_details_pb.js';
import { ConnectorError } from '../../../clients/typescript/src/connector-error.ts';
import { repeating, retryThrottle } from '../../../clients/typescript/src/retry.ts';
import { readServiceConfig } from '../../../clients/typescript/src/service-config.ts';
import { withDeadlinesAndErrors } from '../../../clients/typescript/src/transport.ts';

type Answer = 'OK' | Code | ConnectError;

/** A service that answers as told, then with OK, and remembers what it was asked. Chance is always 0.5, and waiting takes no time. */
function answering(...answers: Answer[]) {
  const requestIds: string[] = [];
  const waits: number[] = [];
  const answer = <T>(good: T): T => {
    const next = answers.shift() ?? 'OK';
    if (next === 'OK') return good;
    throw next instanceof ConnectError ? next : new ConnectError('told to', next);
  };
  const config = readServiceConfig();
  const transport = createRouterTransport(
    (router) => {
      router.service(PostService, {
        publishPost: ({ requestId }) => {
          requestIds.push(requestId);
          return answer({ post: { postId: 'post_01' } });
        },
        updatePost: ({ etag }) => {
          requestIds.push(etag);
          return answer({});
        },
      });
      router.service(ConnectionService, { completeConnection: () => answer({}) });
    },
    {
      transport: {
        interceptors: [
          repeating(config, {
            random: () => 0.5,
            wait: async (milliseconds) => void waits.push(milliseconds),
          }),
        ],
      },
    },
  );
  const posts = createClient(PostService, withDeadlinesAndErrors(transport, config, new AbortController().signal));
  return { posts, requestIds, waits };
}

const times = (count: number, answer: Answer): Answer[] => Array.from({ length: count }, () => answer);

async function failure(call: Promise<unknown>): Promise<ConnectorError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectorError)) throw new Error('no ConnectorError', { cause: error });
  return error;
}

describe('repeats of the TypeScript client', () => {
  it('come on UNAVAILABLE, with the same request, after longer and longer pauses', async () => {
    const { posts, requestIds, waits } = answering(...times(3, Code.Unavailable));
    const { post } = await posts.publishPost({ requestId: 'a' });
    expect(post?.postId).toBe('post_01');
    expect(requestIds).toEqual(['a', 'a', 'a', 'a']);
    expect(waits).toEqual([100, 200, 400]); // half of 0.2, 0.4 and 0.8 s
  });

  it('end after five tries in all', async () => {
    const { posts, requestIds } = answering(...times(4, Code.Unavailable), Code.Unavailable);
    expect((await failure(posts.publishPost({ requestId: 'a' }))).code).toBe(Code.Unavailable);
    expect(requestIds).toHaveLength(5);
  });

  const others = Object.values(Code).filter((code) => typeof code === 'number' && code !== Code.Unavailable) as Code[];
  it.each(others.map((code) => [Code[code], code] as const))('never come on %s', async (_, code) => {
    const { posts, requestIds } = answering(code);
    expect((await failure(posts.publishPost({ requestId: 'a' }))).code).toBe(code);
    expect(requestIds).toHaveLength(1);
  });

  it('never come where a repeat of a call that worked would be refused', async () => {
    const { posts, requestIds } = answering(Code.Unavailable);
    expect((await failure(posts.updatePost({ etag: '1' }))).code).toBe(Code.Unavailable);
    expect(requestIds).toEqual(['1']);
  });

  it('wait as long as the service says', async () => {
    const retryDelay = durationFromMs(1_500);
    const busy = new ConnectError('busy', Code.Unavailable, undefined, [
      { desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) },
    ]);
    const { posts, waits } = answering(busy);
    await posts.publishPost({ requestId: 'a' });
    expect(waits).toEqual([1_500]);
  });

  it('stop while most calls fail, and come back with the successes', async () => {
    const { posts, requestIds } = answering(
      ...times(5, Code.Unavailable), // of 10 tokens 5 are left
      Code.Unavailable, // 4: not more than half, so nothing is repeated
      ...times(21, 'OK'), // 6.1
      Code.Unavailable, // 5.1: more than half
    );
    await failure(posts.publishPost({ requestId: 'a' }));
    await failure(posts.publishPost({ requestId: 'b' }));
    expect(requestIds.filter((id) => id === 'b')).toHaveLength(1);
    for (let call = 0; call < 21; call += 1) await posts.publishPost({ requestId: 'c' });
    await posts.publishPost({ requestId: 'd' });
    expect(requestIds.filter((id) => id === 'd')).toHaveLength(2);
  });

  it('stop at half of the tokens, not below it', () => {
    const throttle = retryThrottle({ maxTokens: 10, tokenRatio: 0.5 });
    for (let call = 0; call < 100; call += 1) throttle.succeeded(); // never more than 10
    const allowed = Array.from({ length: 6 }, () => {
      throttle.failed();
      return throttle.mayRetry();
    });
    expect(allowed).toEqual([true, true, true, true, false, false]);
  });

  it('end with the deadline of the call', async () => {
    const config = readServiceConfig();
    const waiting = Promise.withResolvers<void>();
    const transport = createRouterTransport(
      (router) =>
        router.service(PostService, {
          publishPost: () => {
            throw new ConnectError('told to', Code.Unavailable);
          },
        }),
      {
        transport: {
          interceptors: [
            repeating(config, {
              random: () => 0,
              wait: (_, signal) => {
                waiting.resolve();
                return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
              },
            }),
          ],
        },
      },
    );
    const posts = createClient(PostService, withDeadlinesAndErrors(transport, config, new AbortController().signal));
    const error = failure(posts.publishPost({ requestId: 'a' }, { timeoutMs: 50 }));
    await waiting.promise;
    expect((await error).code).toBe(Code.DeadlineExceeded);
  });
});
