import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, createRouterTransport, type HandlerContext } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { type Post, type PostSchema, PostState } from '../../../clients/typescript/gen/glowtify/tiktok/v1/post_pb.js';
import {
  type PostEventSchema,
  PostService,
  type WatchPostsRequest,
} from '../../../clients/typescript/gen/glowtify/tiktok/v1/post_service_pb.js';
import { ErrorInfoSchema } from '../../../clients/typescript/gen/google/rpc/error_details_pb.js';
import { publishAndWatch } from '../../../clients/typescript/src/publish-and-watch.ts';
import { readServiceConfig } from '../../../clients/typescript/src/service-config.ts';
import { withDeadlinesAndErrors } from '../../../clients/typescript/src/transport.ts';
import { type WatchOptions, watchPosts } from '../../../clients/typescript/src/watch-posts.ts';

type Stored = MessageInitShape<typeof PostSchema>;
type Event = MessageInitShape<typeof PostEventSchema>;
/** What one opening of the stream gives before it ends as `end` says. */
type Stream = { readonly events?: readonly Event[]; readonly end: ConnectError | 'OK' | 'OPEN' };

const broken = new ConnectError('the way broke', Code.Unavailable);
const expired = new ConnectError('expired', Code.Unauthenticated, undefined, [
  {
    desc: ErrorInfoSchema,
    value: create(ErrorInfoSchema, { reason: 'CREDENTIALS_EXPIRED', domain: 'tiktok.glowtify' }),
  },
]);

function serving(streams: readonly Stream[], stored: () => Stored = () => ({})) {
  const left = [...streams];
  const asked: WatchPostsRequest[] = [];
  const ended = Promise.withResolvers<void>();
  const pauses: number[] = [];
  async function* watch(request: WatchPostsRequest, { signal }: HandlerContext) {
    asked.push(request);
    signal.addEventListener('abort', () => ended.resolve(), { once: true });
    const stream = left.shift();
    if (stream === undefined) throw new ConnectError('nobody expected this', Code.Internal);
    for (const event of stream.events ?? []) yield { event };
    if (stream.end === 'OK') return;
    if (stream.end !== 'OPEN') throw stream.end;
    await ended.promise;
  }
  const transport = createRouterTransport((router) => {
    router.service(PostService, {
      watchPosts: watch,
      getPost: () => ({ post: stored() }),
      publishPost: ({ validateOnly }) => ({
        post: validateOnly ? {} : { postId: 'post_01', etag: '1', workspaceId: 'ws_a', updateTime: timestampFromMs(1) },
      }),
    });
  });
  const posts = createClient(
    PostService,
    withDeadlinesAndErrors(transport, readServiceConfig(), new AbortController().signal),
  );
  const surroundings = { random: () => 0.5, wait: async (milliseconds: number) => void pauses.push(milliseconds) };
  return {
    watch: (filter: { resumeToken?: string } = {}, options: WatchOptions = {}) =>
      watchPosts(posts, surroundings, { workspaceId: 'ws_a', ...filter }, options),
    publish: (request: { validateOnly?: boolean } = {}) => publishAndWatch(posts, surroundings, request),
    asked,
    pauses,
    ended: ended.promise,
  };
}

/** The tokens of the events, and `FRESH`, up to so many. */
async function steps(watch: ReturnType<typeof watchPosts>, count: number): Promise<readonly string[]> {
  const seen: string[] = [];
  for await (const step of watch) {
    seen.push(step.kind === 'FRESH' ? 'FRESH' : step.event.resumeToken);
    if (seen.length === count) break;
  }
  return seen;
}

const event = (resumeToken: string, post: Event['post'] = {}): Event => ({ resumeToken, post });
const tokens = (asked: readonly WatchPostsRequest[]) => asked.map(({ resumeToken }) => resumeToken);

describe('watchPosts of the TypeScript client', () => {
  it('goes on after the last event when the stream breaks or ends', async () => {
    const { watch, asked } = serving([
      { events: [event('1'), event('2')], end: broken },
      { events: [event('3')], end: 'OK' },
      { events: [event('4')], end: 'OPEN' },
    ]);
    expect(await steps(watch(), 5)).toEqual(['FRESH', '1', '2', '3', '4']);
    expect(tokens(asked)).toEqual(['', '2', '3']);
  });

  it('tells that something may have been missed when it broke before any event', async () => {
    const { watch } = serving([{ end: broken }, { events: [event('1')], end: 'OPEN' }]);
    expect(await steps(watch(), 3)).toEqual(['FRESH', 'FRESH', '1']);
  });

  it('is never fresh with a token of its own', async () => {
    const { watch, asked } = serving([{ end: broken }, { events: [event('8')], end: 'OPEN' }]);
    expect(await steps(watch({ resumeToken: '7' }), 1)).toEqual(['8']);
    expect(tokens(asked)).toEqual(['7', '7']);
  });

  it('gives the event again that was not handled to its end', async () => {
    const { watch, asked } = serving([
      { events: [event('1'), event('2')], end: 'OPEN' },
      { events: [event('2')], end: 'OPEN' },
    ]);
    let stored = '';
    await expect(
      (async () => {
        for await (const step of watch()) {
          if (step.kind === 'FRESH') continue;
          if (step.event.resumeToken === '2') throw new Error('the database is down');
          stored = step.event.resumeToken;
        }
      })(),
    ).rejects.toThrow('the database is down');
    expect(await steps(watch({ resumeToken: stored }), 1)).toEqual(['2']);
    expect(tokens(asked)).toEqual(['', '1']);
  });

  it('waits longer each time, up to half a minute, and shortly again after an event', async () => {
    const { watch, pauses } = serving([
      ...Array.from({ length: 8 }, () => ({ end: broken })),
      { events: [event('1')], end: broken },
      { events: [event('2')], end: 'OPEN' },
    ]);
    await steps(watch({ resumeToken: '0' }), 2);
    expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 250]);
  });

  it('takes a new token once when the old one expired, and gives up when that one is refused, too', async () => {
    const { watch, asked } = serving([{ events: [event('1')], end: expired }, { end: expired }]);
    await expect(steps(watch(), 9)).rejects.toMatchObject({ reason: 'CREDENTIALS_EXPIRED' });
    expect(tokens(asked)).toEqual(['', '1']);
  });

  it('throws what waiting can not mend', async () => {
    const { watch } = serving([{ end: new ConnectError('no such token', Code.InvalidArgument) }]);
    await expect(steps(watch(), 9)).rejects.toMatchObject({ code: Code.InvalidArgument });
  });

  it('ends its stream when the loop is left, and when the signal says so', async () => {
    const left = serving([{ events: [event('1')], end: 'OPEN' }]);
    await steps(left.watch(), 2);
    await left.ended;

    const told = serving([{ events: [event('1')], end: 'OPEN' }]);
    const ending = new AbortController();
    for await (const step of told.watch({}, { signal: ending.signal })) {
      if (step.kind === 'EVENT') ending.abort();
    }
    await told.ended;
    expect(told.pauses).toEqual([]);
  });
});

describe('publishAndWatch of the TypeScript client', () => {
  const post = (etag: string, state: PostState, updatedMs: number) => ({
    etag,
    state,
    updateTime: timestampFromMs(updatedMs),
    postId: 'post_01',
  });
  const stored = (etag: string, state: PostState, updatedMs: number) => () => post(etag, state, updatedMs);

  async function etags(posts: AsyncGenerator<Post>): Promise<readonly string[]> {
    const seen: string[] = [];
    for await (const { etag } of posts) seen.push(etag);
    return seen;
  }

  it('tells each change once, skips what is older than what was read, and ends at rest', async () => {
    const events = [
      event('a', post('2', PostState.PUBLISHING, 2)),
      event('b', post('3', PostState.PUBLISHING, 3)),
      event('c', post('4', PostState.PUBLISHED, 4)),
    ];
    const { publish, ended } = serving([{ events, end: 'OPEN' }], stored('3', PostState.PUBLISHING, 3));
    expect(await etags(publish())).toEqual(['1', '3', '4']);
    await ended;
  });

  it.each([
    PostState.PUBLISHED,
    PostState.IN_CREATOR_INBOX,
    PostState.FAILED,
    PostState.UNCONFIRMED,
    PostState.CANCELLED,
  ])('ends with state %i, also when it came before the watch was open', async (state) => {
    const { publish } = serving(
      [{ events: [event('a', post('1', PostState.SCHEDULED, 1))], end: 'OPEN' }],
      stored('9', state, 9),
    );
    expect(await etags(publish())).toEqual(['1', '9']);
  });

  it('watches nothing with validate_only', async () => {
    const { publish, asked } = serving([]);
    expect(await etags(publish({ validateOnly: true }))).toEqual(['']);
    expect(asked).toEqual([]);
  });
});
