import type { ServiceImpl } from '@connectrpc/connect';
import { invalid, optionalText } from '../../application/field-checks.ts';
import type { VideoName } from '../../application/list-post-metric-snapshots.ts';
import type { ConnectionId, PostId, WorkspaceId } from '../../domain/ids.ts';
import {
  accountMetricsMessage,
  detailedPostMetricsMessage,
  postMetricsMessage,
  SNAPSHOT_INTERVAL_OF,
  snapshotMessage,
} from './analytics-messages.ts';
import type {
  AnalyticsService,
  ListPostMetricSnapshotsRequest,
} from './gen/glowtify/tiktok/v1/analytics_service_pb.js';
import { checkIds, checkName, ID_LIMIT, type Read, readEnum, readTime } from './request-fields.ts';
import type { RpcNeeds } from './rpc-needs.ts';
import { refusals } from './to-connect-error.ts';

export function analyticsService({ useCases, clock }: RpcNeeds): ServiceImpl<typeof AnalyticsService> {
  const { accept, refuse } = refusals(clock);
  const within = (workspaceId: string) => (workspaceId === '' ? {} : { workspaceId: workspaceId as WorkspaceId });

  return {
    async getPostMetrics({ postId, workspaceId }) {
      refuse(checkName('post_id', postId, workspaceId));
      const metrics = accept(await useCases.getPostMetrics({ postId: postId as PostId, ...within(workspaceId) }));
      return { metrics: detailedPostMetricsMessage(metrics) };
    },

    async listPostMetrics({ workspaceId, connectionIds, pageSize, pageToken, ...request }) {
      const from = readTime('publish_time_from', request.publishTimeFrom);
      const before = readTime('publish_time_before', request.publishTimeBefore);
      refuse([...checkIds('connection_ids', connectionIds), ...from.findings, ...before.findings]);
      const page = accept(
        await useCases.listPostMetrics({
          filter: {
            workspaceId: workspaceId as WorkspaceId,
            connectionIds: connectionIds as ConnectionId[],
            ...(from.value === undefined ? {} : { publishedFrom: from.value }),
            ...(before.value === undefined ? {} : { publishedBefore: before.value }),
          },
          pageSize,
          pageToken,
        }),
      );
      return { postMetrics: page.items.map(postMetricsMessage), nextPageToken: page.nextPageToken };
    },

    async listPostMetricSnapshots(request) {
      const { workspaceId, pageSize, pageToken } = request;
      const video = readVideo(request);
      const from = readTime('time_from', request.timeFrom);
      const before = readTime('time_before', request.timeBefore);
      const interval = readEnum('interval', request.interval, SNAPSHOT_INTERVAL_OF);
      refuse([
        ...optionalText('workspace_id', workspaceId, ID_LIMIT),
        ...video.findings,
        ...from.findings,
        ...before.findings,
        ...interval.findings,
      ]);
      const page = accept(
        await useCases.listPostMetricSnapshots({
          video: video.value,
          ...within(workspaceId),
          filter: {
            interval: interval.value ?? 'STORED',
            ...(from.value === undefined ? {} : { from: from.value }),
            ...(before.value === undefined ? {} : { before: before.value }),
          },
          pageSize,
          pageToken,
        }),
      );
      return { snapshots: page.items.map(snapshotMessage), nextPageToken: page.nextPageToken };
    },

    async getAccountMetrics({ connectionId, workspaceId, startDate, endDate }) {
      refuse(checkName('connection_id', connectionId, workspaceId));
      const account = accept(
        await useCases.getAccountMetrics({
          connectionId: connectionId as ConnectionId,
          ...within(workspaceId),
          ...(startDate === '' ? {} : { startDate }),
          ...(endDate === '' ? {} : { endDate }),
        }),
      );
      return { metrics: accountMetricsMessage(account) };
    },
  };
}

/** Either by its post or as TikTok names it: both at once could name two. */
function readVideo(request: ListPostMetricSnapshotsRequest): Read<VideoName> {
  const { postId, connectionId, tiktokPostId } = request;
  if (connectionId === '' && tiktokPostId === '') {
    return { value: { postId: postId as PostId }, findings: checkName('post_id', postId, '') };
  }
  return {
    value: { connectionId: connectionId as ConnectionId, tiktokPostId },
    findings: [
      ...checkName('connection_id', connectionId, ''),
      ...checkName('tiktok_post_id', tiktokPostId, ''),
      ...(postId === ''
        ? []
        : [
            invalid(
              'post_id',
              'post_id beside connection_id or tiktok_post_id',
              'post_id, or connection_id and tiktok_post_id',
              'Name the video in one of the two ways.',
            ),
          ]),
    ],
  };
}
