import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/application/ports/clock.ts';
import { type PostQueue, SUSPECT_LAPSES } from '../../../src/application/ports/post-queue.ts';
import type { Posts } from '../../../src/application/ports/posts.ts';
import type { Upcoming } from '../../../src/application/ports/upcoming.ts';
import type { Videos } from '../../../src/application/ports/videos.ts';
import { aHeldPost, anImportingVideo, aReadyVideo, aRequest, aScheduledPost, later } from '../../support/builders.ts';

export type UpcomingStores = {
  readonly upcoming: Upcoming;
  /** Of the same store, as the rest. */
  readonly posts: Posts;
  readonly queue: PostQueue;
  readonly videos: Videos;
  /** The store's own time, roughly: leases and due times are measured in it. */
  readonly clock: Clock;
};

/** What every store tells an engine of the work ahead. `make` gives an empty one. */
export function upcomingContract(name: string, make: () => Promise<UpcomingStores>): void {
  const CLAIM = { owner: 'worker', limit: 10, leaseSeconds: 600 };
  const near = (time: Date) =>
    expect.toSatisfy((seen: Date) => Math.abs(seen.getTime() - time.getTime()) < 60_000, `about ${time.toISOString()}`);

  async function post({ posts, videos }: UpcomingStores, nextActionTime?: Date): Promise<void> {
    const video = aReadyVideo();
    await videos.add(video);
    const given =
      nextActionTime === undefined
        ? { post: aHeldPost({ videoId: video.id }) }
        : { post: aScheduledPost({ videoId: video.id }), nextActionTime };
    expect((await posts.add(given, aRequest())).ok).toBe(true);
  }

  describe(`Upcoming, as ${name}`, () => {
    it('is nothing where nothing waits for a moment', async () => {
      const stores = await make();
      await post(stores);
      expect(await stores.upcoming.look()).toEqual({});
    });

    it('is the earliest post, due once its moment has come', async () => {
      const stores = await make();
      const now = stores.clock.now();
      await post(stores, later(7200, now));
      await post(stores, later(3600, now));
      expect(await stores.upcoming.look()).toEqual({ posts: { time: later(3600, now), isDue: false } });
      await post(stores, later(-60, now));
      expect(await stores.upcoming.look()).toEqual({ posts: { time: later(-60, now), isDue: true } });
    });

    it('is the end of the lease of what somebody holds', async () => {
      const stores = await make();
      const now = stores.clock.now();
      await post(stores, later(-60, now));
      await stores.videos.addImport(anImportingVideo(), aRequest());
      expect(await stores.upcoming.look()).toMatchObject({ posts: { isDue: true }, imports: { isDue: true } });
      await stores.queue.claim(CLAIM);
      await stores.videos.claimImports(CLAIM);
      const held = { time: near(later(600, now)), isDue: false };
      expect(await stores.upcoming.look()).toEqual({ posts: held, imports: held });
    });

    it('tells of an import that waits although no post does, and of one that ends its workers too', async () => {
      const stores = await make();
      await stores.videos.addImport(anImportingVideo(), aRequest());
      for (let lapse = 0; lapse <= SUSPECT_LAPSES; lapse += 1) {
        expect(await stores.videos.claimImports({ owner: `dead ${lapse}`, limit: 1, leaseSeconds: 0 })).toHaveLength(1);
      }
      expect(await stores.upcoming.look()).toEqual({ imports: { time: near(stores.clock.now()), isDue: true } });
    });
  });
}
