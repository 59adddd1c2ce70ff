import { type GetAccountMetrics, getAccountMetrics } from '../../src/application/get-account-metrics.ts';
import { type GetPostMetrics, getPostMetrics } from '../../src/application/get-post-metrics.ts';
import {
  type ListPostMetricSnapshots,
  listPostMetricSnapshots,
} from '../../src/application/list-post-metric-snapshots.ts';
import { type ListPostMetrics, listPostMetrics } from '../../src/application/list-post-metrics.ts';
import type { Posts } from '../../src/application/ports/posts.ts';
import type { VideoNumbers, VideoReading } from '../../src/domain/analytics/reading.ts';
import { type Active, type Connection, REQUESTED_SCOPES } from '../../src/domain/connection/connection.ts';
import type { Post, Published } from '../../src/domain/post/post.ts';
import { anAccount, anActiveConnection, aPublishedPost, aReadyVideo, aRequest, later } from './builders.ts';
import { type FixedClock, fixedClock } from './fixed-clock.ts';
import { inMemoryConnections } from './in-memory-connections.ts';
import { type InMemoryMetrics, inMemoryMetrics } from './in-memory-metrics.ts';
import { inMemoryPosts } from './in-memory-posts.ts';
import { inMemoryVideos } from './in-memory-videos.ts';

export const DAY = 86_400;

/** All that is read back of videos and accounts, in memory. It is 10:00 on Sunday, the 22nd of November 2026. */
export type AnalyticsWorld = {
  readonly clock: FixedClock;
  readonly connections: ReturnType<typeof inMemoryConnections>;
  readonly posts: Posts;
  readonly metrics: InMemoryMetrics;
  readonly useCases: {
    readonly getPostMetrics: GetPostMetrics;
    readonly listPostMetrics: ListPostMetrics;
    readonly listPostMetricSnapshots: ListPostMetricSnapshots;
    readonly getAccountMetrics: GetAccountMetrics;
  };
  /** A Business account of the Business family, where nothing else is said. */
  givenConnection(parts?: Partial<Active>): Promise<Active>;
  givenPost<P extends Post>(build: (parts: Pick<Post, 'connectionId' | 'videoId'>) => P, of?: Connection): Promise<P>;
  /** A post that became this video, and a video that TikTok told these numbers of, an hour ago. */
  givenMeasuredPost(
    of: Connection,
    reading?: Partial<VideoReading>,
  ): Promise<{ readonly post: Published; readonly reading: VideoReading }>;
};

/** Ids as TikTok has them: more digits than a JavaScript number can hold. */
let videos = 7_551_234_567_890_123_456n;
export function aVideoReading(parts: Partial<VideoReading> = {}): VideoReading {
  videos += 1n;
  return {
    tiktokPostId: String(videos),
    createTime: later(-10 * DAY),
    caption: 'Summer sale #sun',
    numbers: { views: 1 },
    curves: {},
    breakdowns: {},
    ...parts,
  };
}

export function analyticsWorld(): AnalyticsWorld {
  const clock = fixedClock();
  const connections = inMemoryConnections({ clock });
  const uploads = inMemoryVideos({ clock });
  const { posts } = inMemoryPosts({ clock, videos: uploads, connections });
  const metrics = inMemoryMetrics({ clock, connections, posts });
  const needs = { ...metrics, clock, connections, posts };

  const world: AnalyticsWorld = {
    clock,
    connections,
    posts,
    metrics,
    useCases: {
      getPostMetrics: getPostMetrics(needs),
      listPostMetrics: listPostMetrics(needs),
      listPostMetricSnapshots: listPostMetricSnapshots(needs),
      getAccountMetrics: getAccountMetrics(needs),
    },
    async givenConnection(parts = {}) {
      const connection = anActiveConnection({
        apiFamily: 'BUSINESS',
        grantedScopes: REQUESTED_SCOPES.BUSINESS,
        account: anAccount({ accountType: 'BUSINESS', followerCount: 5_000 }),
        ...parts,
      });
      await connections.add(connection);
      return connection;
    },
    async givenPost(build, of) {
      const { id: connectionId, workspaceId } = of ?? (await world.givenConnection());
      const video = aReadyVideo();
      await uploads.add(video);
      const post = { ...build({ connectionId, videoId: video.id }), workspaceId };
      const added = await posts.add({ post }, aRequest());
      if (!added.ok) throw new Error(`not added: ${added.error.code}`);
      return post;
    },
    async givenMeasuredPost(of, parts) {
      const reading = aVideoReading(parts);
      const published = { tiktokPostIds: [reading.tiktokPostId], publishTime: reading.createTime };
      const post = await world.givenPost((place) => aPublishedPost({ ...place, ...published }), of);
      metrics.given(of, { time: later(-3600, clock.now()), readings: [reading] });
      return { post, reading };
    },
  };
  return world;
}

/** Each with the numbers that TikTok told then. */
export function givenHistory(
  { metrics }: Pick<AnalyticsWorld, 'metrics'>,
  of: Connection,
  reading: VideoReading,
  moments: readonly (readonly [time: string, numbers: VideoNumbers])[],
): void {
  for (const [time, numbers] of moments) {
    metrics.given(of, { time: new Date(time), readings: [{ ...reading, numbers }] });
  }
}
