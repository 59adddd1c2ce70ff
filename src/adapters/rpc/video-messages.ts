import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Video } from '../../domain/video/video.ts';
import type { VideoSpec } from '../../domain/video/video-spec.ts';
import * as pb from './gen/glowtify/tiktok/v1/video_pb.js';
import { findingMessage } from './publish-error-messages.ts';

export const VIDEO_STATES = {
  IMPORTING: pb.VideoState.IMPORTING,
  READY: pb.VideoState.READY,
  REJECTED: pb.VideoState.REJECTED,
} satisfies Record<Video['state'], pb.VideoState>;

export const VIDEO_STATE_OF = {
  [pb.VideoState.UNSPECIFIED]: undefined,
  [pb.VideoState.IMPORTING]: 'IMPORTING',
  [pb.VideoState.READY]: 'READY',
  [pb.VideoState.REJECTED]: 'REJECTED',
} as const satisfies Record<pb.VideoState, Video['state'] | undefined>;

/** The address of an import is not shown: it may hold secrets in its query. */
export const videoMessage = (video: Video): pb.Video =>
  create(pb.VideoSchema, {
    videoId: video.id,
    workspaceId: video.workspaceId,
    state: VIDEO_STATES[video.state],
    createTime: timestampFromDate(video.createTime),
    fileName: video.fileName ?? '',
    ...(video.state === 'IMPORTING' ? {} : judged(video)),
  });

const judged = ({ spec, findings, sizeBytes, sha256 }: Exclude<Video, { readonly state: 'IMPORTING' }>) => ({
  findings: findings.map(findingMessage),
  sizeBytes: BigInt(sizeBytes ?? 0),
  sha256: sha256 ?? '',
  ...(spec === undefined ? {} : { spec: specMessage(spec) }),
});

const specMessage = (spec: VideoSpec): pb.VideoSpec =>
  create(pb.VideoSpecSchema, {
    container: spec.container,
    videoCodec: spec.videoCodec,
    audioCodec: spec.audioCodec ?? '',
    width: Math.round(spec.width),
    height: Math.round(spec.height),
    rotation: spec.rotation,
    frameRate: spec.frameRate,
    duration: durationFromMs(Math.round(spec.durationSeconds * 1000)),
    bitRate: BigInt(Math.round(spec.bitRate)),
  });
