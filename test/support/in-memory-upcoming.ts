import type { Clock } from '../../src/application/ports/clock.ts';
import type { PostQueue } from '../../src/application/ports/post-queue.ts';
import type { Upcoming } from '../../src/application/ports/upcoming.ts';
import type { InMemoryVideos } from './in-memory-videos.ts';

/** Reads the fakes of both kinds of work. */
export const inMemoryUpcoming = (stores: {
  readonly queue: Pick<PostQueue, 'earliest'>;
  readonly videos: Pick<InMemoryVideos, 'firstImport'>;
  readonly clock: Clock;
}): Upcoming => ({
  async look() {
    const now = stores.clock.now();
    const [post, video] = [await stores.queue.earliest(), stores.videos.firstImport()];
    return {
      ...(post === undefined ? {} : { posts: { time: post, isDue: post <= now } }),
      ...(video === undefined ? {} : { imports: { time: video, isDue: video <= now } }),
    };
  },
});
