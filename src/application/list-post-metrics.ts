import type { Connection } from '../domain/connection/connection.ts';
import { isError } from '../domain/finding.ts';
import type { ConnectionId } from '../domain/ids.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { accountFacts, metricsOfVideo, type PostMetrics } from './explained-metrics.ts';
import {
  checkConnectionIds,
  checkWindow,
  couldBePlace,
  pageRequest,
  pageTokenInvalid,
  pageTokenOf,
  requireText,
} from './field-checks.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { MeasuredVideoFilter, VideoMetrics } from './ports/video-metrics.ts';
import type { Refusal } from './refusal.ts';

/** Newest video first. `nextPageToken` is empty on the last page. */
export type ListPostMetrics = (input: {
  readonly filter: MeasuredVideoFilter;
  readonly pageSize: number;
  readonly pageToken: string;
}) => Promise<Result<{ readonly items: readonly PostMetrics[]; readonly nextPageToken: string }, Refusal>>;

export function listPostMetrics(needs: {
  readonly connections: Connections;
  readonly videoMetrics: VideoMetrics;
  readonly clock: Clock;
}): ListPostMetrics {
  const { connections, videoMetrics, clock } = needs;

  async function each(ids: Iterable<ConnectionId>): Promise<ReadonlyMap<ConnectionId, Connection>> {
    const found = await Promise.all(Array.from(new Set(ids), (id) => connections.find(id)));
    return new Map(found.flatMap((connection) => (connection === undefined ? [] : [[connection.id, connection]])));
  }

  return async ({ filter, pageToken, ...request }) => {
    const { workspaceId, connectionIds, publishedFrom, publishedBefore } = filter;
    const { page, findings } = pageRequest({ scope: workspaceId, pageToken, ...request }, couldBePlace);
    const wrong = [
      ...requireText('workspace_id', workspaceId, 200),
      ...findings,
      ...checkConnectionIds(connectionIds),
      ...checkWindow(['publish_time_from', publishedFrom], ['publish_time_before', publishedBefore]),
    ];
    if (wrong.some(isError)) return err({ code: 'INVALID', findings: wrong });
    const listed = await videoMetrics.list(filter, page);
    if (listed === undefined) return err({ code: 'INVALID', findings: [pageTokenInvalid(pageToken)] });

    const accounts = await each(listed.items.map(({ connectionId }) => connectionId));
    const now = clock.now();
    const items = listed.items.map((video) => {
      const connection = accounts.get(video.connectionId);
      if (connection === undefined) throw new Error(`the connection of video ${video.tiktokPostId} is gone`);
      return metricsOfVideo(video, accountFacts(connection, undefined, now));
    });
    return ok({ items, nextPageToken: pageTokenOf(workspaceId, listed.next) });
  };
}
