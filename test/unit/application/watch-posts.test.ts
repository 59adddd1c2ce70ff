import { describe, expect, it, onTestFinished } from 'vitest';
import type { EventFilter, PostEvent } from '../../../src/application/ports/post-events.ts';
import { watchPosts } from '../../../src/application/watch-posts.ts';
import type { Post } from '../../../src/domain/post/post.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { aRequest, aScheduledPost, WORKSPACE } from '../../support/builders.ts';
import { World } from './world.ts';

const ALL: EventFilter = { workspaceId: WORKSPACE, connectionIds: [], postIds: [] };

async function watch(world: World, resumeToken = '', filter = ALL) {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const outcome = await watchPosts(world)({ filter, resumeToken, signal: abort.signal });
  if (!outcome.ok) throw new Error(`refused: ${outcome.error.code}`);
  const iterator = outcome.value[Symbol.asyncIterator]();
  return {
    abort: () => abort.abort(),
    next: () => iterator.next(),
    async take(count: number): Promise<readonly PostEvent[]> {
      const events: PostEvent[] = [];
      while (events.length < count) {
        const { value, done } = await iterator.next();
        if (done === true) break;
        events.push(value);
      }
      return events;
    },
  };
}

async function add(world: World): Promise<Post> {
  const { id: videoId } = await world.givenVideo();
  const post = aScheduledPost({ videoId });
  await world.posts.add({ post }, aRequest());
  return post;
}

const idsOf = (events: readonly PostEvent[]) => events.map(({ step }) => step.post.id);

describe('watching posts', () => {
  it('tells what happens from now on, also while it waits', async () => {
    const world = new World();
    await add(world);
    const stream = await watch(world);
    const first = stream.take(1);
    const post = await add(world);
    expect(idsOf(await first)).toEqual([post.id]);
    const second = stream.take(2);
    const others = [await add(world), await add(world)];
    expect(idsOf(await second)).toEqual(others.map(({ id }) => id));
  });

  it('goes on behind the event it was left at', async () => {
    const world = new World();
    const stream = await watch(world);
    const posts = [await add(world), await add(world), await add(world)];
    const [first] = await stream.take(1);
    stream.abort();
    const again = await watch(world, first?.cursor);
    expect(idsOf(await again.take(2))).toEqual(posts.slice(1).map(({ id }) => id));
  });

  it('tells each change of a post in order, with the state before', async () => {
    const world = new World();
    const stream = await watch(world);
    const post = await world.givenPost(aScheduledPost);
    await world.workUntilQuiet();
    const events = await stream.take(5);
    expect(events.map(({ step }) => step.post.version)).toEqual([1, 2, 3, 4, 5]);
    expect(events.map(({ previousState }) => previousState).slice(0, 2)).toEqual([undefined, 'SCHEDULED']);
    expect(events.at(-1)?.step.post).toMatchObject({ id: post.id, state: 'PUBLISHED' });
  });

  it('tells more than one batch', async () => {
    const world = new World();
    const start = await world.events.end();
    for (let index = 0; index < 401; index += 1) await add(world);
    expect(await (await watch(world, start)).take(401)).toHaveLength(401);
  });

  it('finds what is asked for behind any number of others', async () => {
    const world = new World();
    const start = await world.events.end();
    for (let index = 0; index < 250; index += 1) await add(world);
    const post = await add(world);
    const stream = await watch(world, start, { ...ALL, postIds: [post.id] });
    expect(idsOf(await stream.take(1))).toEqual([post.id]);
  });

  it('ends when its caller leaves, also while it waits', async () => {
    const world = new World();
    const stream = await watch(world);
    const next = stream.next();
    await new Promise(setImmediate);
    stream.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  it('lets go of the outbox when it ends', async () => {
    const world = new World();
    const { events } = world;
    let listening = 0;
    world.events = {
      ...events,
      subscribe: (of, listener) => {
        listening += 1;
        const off = events.subscribe(of, listener);
        return () => {
          listening -= 1;
          off();
        };
      },
    };
    const stream = await watch(world);
    const next = stream.next();
    await new Promise(setImmediate);
    expect(listening).toBe(1);
    stream.abort();
    await next;
    expect(listening).toBe(0);
  });

  it('refuses a token that is none of ours, and no workspace', async () => {
    const world = new World();
    const { signal } = new AbortController();
    const open = watchPosts(world);
    expect(await open({ filter: ALL, resumeToken: 'x', signal })).toMatchObject(
      err({ code: 'INVALID', findings: [{ field: 'resume_token' }] }),
    );
    const nowhere = { ...ALL, workspaceId: '' as typeof WORKSPACE };
    expect(await open({ filter: nowhere, resumeToken: '', signal })).toMatchObject(
      err({ code: 'INVALID', findings: [{ field: 'workspace_id' }] }),
    );
    expect(await open({ filter: ALL, resumeToken: '', signal })).toMatchObject(ok({}));
  });
});
