import { isHidden, type VideoFacts } from '../domain/analytics/availability.ts';
import { dayOf } from '../domain/analytics/collection.ts';
import type { Post } from '../domain/post/post.ts';
import { err, ok, type Result } from '../domain/result.ts';
import {
  accountFacts,
  type DetailedPostMetrics,
  detailedMetricsOfVideo,
  metricsOfNoVideo,
} from './explained-metrics.ts';
import type { PostName } from './get-post.ts';
import type { AccountMetrics } from './ports/account-metrics.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Posts } from './ports/posts.ts';
import type { VideoMetrics } from './ports/video-metrics.ts';
import type { Refusal } from './refusal.ts';

/** Answers for every post: one that has no numbers says of each why. */
export type GetPostMetrics = (input: PostName) => Promise<Result<DetailedPostMetrics, Refusal>>;

export function getPostMetrics(needs: {
  readonly posts: Posts;
  readonly connections: Connections;
  readonly videoMetrics: VideoMetrics;
  readonly accountMetrics: AccountMetrics;
  readonly clock: Clock;
}): GetPostMetrics {
  const { posts, connections, videoMetrics, accountMetrics, clock } = needs;
  return async ({ postId, workspaceId }) => {
    const post = (await posts.find(postId, workspaceId))?.post;
    if (post === undefined) return err({ code: 'NOT_FOUND', resource: 'post', id: postId });
    const now = clock.now();
    const today = dayOf(now);
    const [connection, account, video] = await Promise.all([
      connections.find(post.connectionId),
      accountMetrics.find(post.connectionId, today, today),
      videoMetrics.findByPost(postId),
    ]);
    if (connection === undefined) throw new Error(`the connection of post ${postId} is gone`);
    const facts = accountFacts(connection, account, now);
    if (video !== undefined) return ok(detailedMetricsOfVideo(video, facts));
    const [tiktokPostId] = post.state === 'PUBLISHED' ? post.tiktokPostIds : [];
    return ok(
      metricsOfNoVideo(
        { postId, connectionId: post.connectionId, ...(tiktokPostId === undefined ? {} : { tiktokPostId }) },
        { ...facts, ...factsOf(post) },
      ),
    );
  };
}

/** What the post itself tells while TikTok was never asked for its numbers. */
const factsOf = (post: Post): Pick<VideoFacts, 'published' | 'hidden' | 'publishTime'> =>
  post.state === 'PUBLISHED'
    ? { published: true, hidden: isHidden(post), publishTime: post.publishTime }
    : { published: false, hidden: false };
