import { isError } from '../domain/finding.ts';
import type { PostId, WorkspaceId } from '../domain/ids.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { checkWindow, couldBePlace, pageRequest, pageTokenInvalid, pageTokenOf } from './field-checks.ts';
import type { Connections } from './ports/connections.ts';
import type { Posts } from './ports/posts.ts';
import type { Snapshot, SnapshotFilter, VideoKey, VideoMetrics } from './ports/video-metrics.ts';
import type { Refusal } from './refusal.ts';

/** By the post that it became of, or as TikTok names it. */
export type VideoName = { readonly postId: PostId } | VideoKey;

/** Oldest first. Empty while nothing was collected of a post. `nextPageToken` is empty on the last page. */
export type ListPostMetricSnapshots = (input: {
  readonly video: VideoName;
  readonly workspaceId?: WorkspaceId;
  readonly filter: SnapshotFilter;
  readonly pageSize: number;
  readonly pageToken: string;
}) => Promise<Result<{ readonly items: readonly Snapshot[]; readonly nextPageToken: string }, Refusal>>;

export function listPostMetricSnapshots(needs: {
  readonly posts: Posts;
  readonly connections: Connections;
  readonly videoMetrics: VideoMetrics;
}): ListPostMetricSnapshots {
  const { posts, connections, videoMetrics } = needs;

  /** Undefined for a post that nothing was collected of. */
  async function find(name: VideoName, workspaceId?: WorkspaceId): Promise<Result<VideoKey | undefined, Refusal>> {
    if ('postId' in name) {
      const step = await posts.find(name.postId, workspaceId);
      if (step === undefined) return err({ code: 'NOT_FOUND', resource: 'post', id: name.postId });
      return ok(await videoMetrics.findByPost(name.postId));
    }
    const connection = await connections.find(name.connectionId, workspaceId);
    if (connection === undefined) return err({ code: 'NOT_FOUND', resource: 'connection', id: name.connectionId });
    const video = await videoMetrics.find(name);
    return video === undefined ? err({ code: 'NOT_FOUND', resource: 'video', id: name.tiktokPostId }) : ok(video);
  }

  return async ({ video: name, workspaceId, filter, pageToken, ...request }) => {
    const scope = scopeOf(name, filter);
    const { page, findings } = pageRequest({ scope, pageToken, ...request }, couldBePlace);
    const wrong = [...findings, ...checkWindow(['time_from', filter.from], ['time_before', filter.before])];
    if (wrong.some(isError)) return err({ code: 'INVALID', findings: wrong });
    const video = await find(name, workspaceId);
    if (!video.ok) return video;
    if (video.value === undefined) return ok({ items: [], nextPageToken: '' });
    const { connectionId, tiktokPostId } = video.value;
    const listed = await videoMetrics.snapshots({ connectionId, tiktokPostId }, filter, page);
    return listed === undefined
      ? err({ code: 'INVALID', findings: [pageTokenInvalid(pageToken)] })
      : ok({ items: listed.items, nextPageToken: pageTokenOf(scope, listed.next) });
  };
}

/** A place in the history of one video is none in another's, nor between other steps. */
const scopeOf = (name: VideoName, { interval }: SnapshotFilter): string =>
  JSON.stringify([interval, 'postId' in name ? name.postId : [name.connectionId, name.tiktokPostId]]);
