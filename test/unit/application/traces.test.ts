import { describe, expect, it } from 'vitest';
import { VideoStoreDown } from '../../../src/application/ports/video-store.ts';
import type { Post } from '../../../src/domain/post/post.ts';
import { aScheduledPost, later } from '../../support/builders.ts';
import { refuses } from '../../support/fake-tiktok.ts';
import type { RecordedSpan } from '../../support/recording-traces.ts';
import { World } from './world.ts';

const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** A post that came with a call of a caller's trace. */
const broughtBy = (world: World, traceparent: string, parts: Partial<Post> = {}) =>
  world.traces.span({ name: 'call', caller: { traceparent } }, async () => ({
    here: world.traces.here(),
    post: await world.givenPost((needed) => aScheduledPost({ ...needed, ...(parts as object) })),
  }));

const advances = ({ traces }: World) => traces.spans.filter(({ name }) => name === 'advance post');

describe('the traces of a post', () => {
  it('point back at the call that brought it, and tell each step from state to state', async () => {
    const world = new World();
    const { here, post } = await broughtBy(world, CALLER);
    await world.workUntilQuiet();
    const { id: postId, connectionId } = post;
    expect(advances(world)[0]).toMatchObject({
      cause: here,
      facts: {
        postId,
        connectionId,
        stateBefore: 'SCHEDULED',
        effect: 'ANNOUNCE',
        stateAfter: 'PROCESSING',
        attempt: 1,
      },
    });
    const after = advances(world).map(({ facts }) => facts.stateAfter);
    const before = advances(world).map(({ facts }) => facts.stateBefore);
    expect(before.slice(1)).toEqual(after.slice(0, -1));
    expect(after.at(-1)).toBe('PUBLISHED');
    expect(advances(world).map(({ facts }) => facts.failure)).toEqual(after.map(() => undefined));
  });

  it('tell why it waits and for how long, which is no failure', async () => {
    const world = new World();
    await broughtBy(world, CALLER);
    world.tiktok.next('announce', refuses({ code: 'UPSTREAM_RATE_LIMITED', retryTime: later(90) }));
    await world.work();
    const { facts } = advances(world)[0] as RecordedSpan;
    expect(facts).toMatchObject({ stateAfter: 'INITIALIZING', postError: 'UPSTREAM_RATE_LIMITED', waitSeconds: 90 });
    expect(facts).not.toHaveProperty('failure');
  });

  it('tell why it failed, once', async () => {
    const world = new World();
    await broughtBy(world, CALLER);
    world.tiktok.next('announce', refuses({ code: 'CONTENT_FLAGGED' }));
    await world.work();
    expect(advances(world).map(({ facts }) => facts)).toMatchObject([
      { stateAfter: 'FAILED', postError: 'CONTENT_FLAGGED', failure: 'CONTENT_FLAGGED' },
    ]);
  });

  it('tell of a lease that was lost, and no state that was not stored', async () => {
    const world = new World();
    await broughtBy(world, CALLER);
    world.tiktok.before('announce', async () => {
      world.clock.advance(61);
      await world.claim('another');
    });
    await world.work();
    const [advance] = advances(world);
    expect(advance?.facts.outcome).toBe('LEASE_LOST');
    expect(advance?.facts).not.toHaveProperty('stateAfter');
  });

  it('tell of a store that is away', async () => {
    const world = new World();
    await broughtBy(world, CALLER);
    const { reading } = world.store;
    world.store.reading = (id) => ({ ...reading(id), digest: () => Promise.reject(new VideoStoreDown('away')) });
    await world.work();
    expect(advances(world)[0]?.facts).toMatchObject({ outcome: 'STORE_DOWN', waitSeconds: 30 });
    expect(world.traces.spans.find(({ name }) => name === 'check video')?.facts.failure).toBe('VideoStoreDown');
  });

  it('tell of a post that is put off after its worker ended over it', async () => {
    const world = new World();
    await broughtBy(world, CALLER);
    await world.lapse(3);
    await world.work();
    const { outcome, waitSeconds } = advances(world)[0]?.facts ?? {};
    expect([outcome, Number(waitSeconds) > 0]).toEqual(['PUT_OFF', true]);
  });

  it('have the refresh of a token within them, with what came of it', async () => {
    const world = new World();
    const { post } = await broughtBy(world, CALLER);
    world.tiktok.next('announce', refuses({ code: 'ACCOUNT_SESSION_INVALID' }));
    await world.work();
    const refresh = world.traces.spans.find(({ name }) => name === 'refresh token');
    expect(refresh?.facts).toEqual({ connectionId: post.connectionId, apiFamily: 'OPEN', outcome: 'RENEWED' });
    expect(refresh?.parent).toBe(advances(world)[0]?.here);
  });
});
