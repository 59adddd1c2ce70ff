import type { Finding } from '../finding.ts';
import type { VideoSpec } from './video-spec.ts';

/** What a video must be like to be accepted. Ranges include both ends. */
export type VideoPolicy = {
  readonly containers: readonly string[];
  readonly videoCodecs: readonly string[];
  readonly minDurationSeconds: number;
  readonly maxDurationSeconds: number;
  /** This account's own limit, when known. The smaller of the two counts. */
  readonly accountMaxDurationSeconds?: number;
  readonly minFrameRate: number;
  readonly maxFrameRate: number;
  /** For each of the two sides, in pixels as displayed. */
  readonly minSide: number;
  /** For each of the two sides, in pixels as displayed. */
  readonly maxSide: number;
  readonly maxSizeBytes: number;
};

const GIB = 2 ** 30;

/**
 * TikTok's video requirements for the Content Posting API: containers, codecs, frame rate, sides, 4 GB, 10 minutes.
 * That page names no minimum length and says nothing about sound: 3 seconds is the Business API's figure, and sound is
 * our contract's rule.
 */
export const openVideoPolicy: VideoPolicy = {
  containers: ['mp4', 'mov', 'webm'],
  videoCodecs: ['h264', 'h265', 'vp8', 'vp9'],
  minDurationSeconds: 3,
  maxDurationSeconds: 600,
  minFrameRate: 23,
  maxFrameRate: 60,
  minSide: 360,
  maxSide: 4096,
  maxSizeBytes: 4 * GIB,
};

/** The Business API takes the same videos up to 1 GB. Its page names no codecs; we assume the open family's. */
export const businessVideoPolicy: VideoPolicy = { ...openVideoPolicy, maxSizeBytes: GIB };

/**
 * Sound is stored in packets of up to 0.13 s, so a video cut at exactly ten minutes ends a moment later. Nobody can cut
 * it shorter by that much, and TikTok gives its limits in whole seconds.
 */
const OVERHANG_SECONDS = 0.15;
/** Container clocks round: 3 seconds may be stored as 2.9997. */
const CLOCK_ROUNDING_SECONDS = 0.001;
/** A phone's "60 fps" averages anywhere between 59.9 and 60.1. */
const FRAME_RATE_ROUNDING = 0.1;
/** 1080 × 1920 scaled to other sizes is up to a few pixels off 9:16, because codecs want even sides. */
const ASPECT_TOLERANCE = 0.01;
const VERTICAL = 9 / 16;

/** Every finding at once, always in the order of the rules below. No error among them means: may be published. */
export function check(spec: VideoSpec, policy: VideoPolicy): readonly Finding[] {
  return rules.flatMap((rule) => rule(spec, policy) ?? []);
}

type Rule = (spec: VideoSpec, policy: VideoPolicy) => Finding | undefined;

const container: Rule = ({ container }, { containers }) =>
  containers.includes(container)
    ? undefined
    : {
        code: 'VIDEO_UNSUPPORTED_CONTAINER',
        severity: 'ERROR',
        field: 'spec.container',
        message: `TikTok does not take ${formatName(container)} files.`,
        remedy: 'Export the video again as MP4 with H.264 and upload that file.',
        observed: formatName(container),
        limit: oneOf(containers),
      };

const videoCodec: Rule = ({ videoCodec }, { videoCodecs }) =>
  videoCodecs.includes(videoCodec)
    ? undefined
    : {
        code: 'VIDEO_UNSUPPORTED_CODEC',
        severity: 'ERROR',
        field: 'spec.video_codec',
        message: `The picture is stored as ${formatName(videoCodec)}, which TikTok does not take.`,
        remedy: 'Export the video again with H.264 and upload that file.',
        observed: formatName(videoCodec),
        limit: oneOf(videoCodecs),
      };

const sound: Rule = ({ audioCodec }) =>
  audioCodec !== undefined
    ? undefined
    : {
        code: 'VIDEO_NO_AUDIO',
        severity: 'ERROR',
        field: 'spec.audio_codec',
        message: 'The video has no sound, and sound is required.',
        remedy: 'Add a sound track, a quiet one is enough, and upload the video again.',
        observed: 'no sound',
        limit: 'a sound track',
      };

const minDuration: Rule = ({ durationSeconds }, { minDurationSeconds }) =>
  durationSeconds >= minDurationSeconds - CLOCK_ROUNDING_SECONDS
    ? undefined
    : {
        code: 'VIDEO_TOO_SHORT',
        severity: 'ERROR',
        field: 'spec.duration',
        message: `The video is too short: it lasts ${rounded(durationSeconds)} s and must last at least ${minDurationSeconds} s.`,
        remedy: `Upload a version of at least ${minDurationSeconds} s.`,
        observed: `${rounded(durationSeconds)} s`,
        limit: `at least ${minDurationSeconds} s`,
      };

const maxDuration: Rule = ({ durationSeconds }, { maxDurationSeconds, accountMaxDurationSeconds }) => {
  const limit = Math.min(maxDurationSeconds, accountMaxDurationSeconds ?? Number.POSITIVE_INFINITY);
  if (durationSeconds <= limit + OVERHANG_SECONDS) return undefined;
  const whose = limit < maxDurationSeconds ? 'this TikTok account may post' : 'TikTok takes';
  return {
    code: 'VIDEO_TOO_LONG',
    severity: 'ERROR',
    field: 'spec.duration',
    message: `The video is too long: it lasts ${rounded(durationSeconds)} s and ${whose} at most ${limit} s.`,
    remedy: `Cut the video to ${limit} s or less and upload it again.`,
    observed: `${rounded(durationSeconds)} s`,
    limit: `at most ${limit} s`,
  };
};

const frameRate: Rule = ({ frameRate }, { minFrameRate, maxFrameRate }) =>
  frameRate >= minFrameRate - FRAME_RATE_ROUNDING && frameRate <= maxFrameRate + FRAME_RATE_ROUNDING
    ? undefined
    : {
        code: 'VIDEO_FRAME_RATE',
        severity: 'ERROR',
        field: 'spec.frame_rate',
        message: `The video shows ${rounded(frameRate)} frames per second; TikTok takes ${minFrameRate} to ${maxFrameRate}.`,
        remedy: 'Export the video again with 30 frames per second and upload that file.',
        observed: `${rounded(frameRate)} fps`,
        limit: `${minFrameRate} to ${maxFrameRate} fps`,
      };

const resolution: Rule = ({ width, height }, { minSide, maxSide }) => {
  const fits = (side: number) => side >= minSide && side <= maxSide;
  if (fits(width) && fits(height)) return undefined;
  return {
    code: 'VIDEO_RESOLUTION',
    severity: 'ERROR',
    field: fits(width) ? 'spec.height' : 'spec.width',
    message: `The picture is ${width} × ${height} pixels; each side must have ${minSide} to ${maxSide}.`,
    remedy: 'Export the video again with 1080 × 1920 pixels and upload that file.',
    observed: `${width} × ${height} px`,
    limit: `${minSide} to ${maxSide} px on each side`,
  };
};

const size: Rule = ({ sizeBytes }, { maxSizeBytes }) =>
  sizeBytes <= maxSizeBytes ? undefined : tooLarge(`${sizeBytes} bytes`, maxSizeBytes);

const vertical: Rule = ({ width, height }) =>
  Math.abs(width / height / VERTICAL - 1) <= ASPECT_TOLERANCE
    ? undefined
    : {
        code: 'VIDEO_NOT_VERTICAL',
        severity: 'WARNING',
        field: 'spec.width',
        message: 'The picture is not 9:16, so TikTok will not fill the screen with it.',
        remedy: 'You can publish it as it is; for a full screen, export it with 1080 × 1920 pixels.',
        observed: `${width} × ${height} px`,
        limit: '9:16, such as 1080 × 1920 px',
      };

const rules = [container, videoCodec, sound, minDuration, maxDuration, frameRate, resolution, size, vertical] as const;

/** For a file that was given up before all of it arrived: `observed` says how much we saw, with its unit. */
export const tooLarge = (observed: string, maxSizeBytes: number): Finding => ({
  code: 'VIDEO_TOO_LARGE',
  severity: 'ERROR',
  field: 'size_bytes',
  message: `The file is too large: TikTok takes at most ${maxSizeBytes / GIB} GB.`,
  remedy: 'Export the video again with a lower bit rate and upload that file.',
  observed,
  limit: `at most ${maxSizeBytes} bytes`,
});

const names: ReadonlyMap<string, string> = new Map([
  ['mp4', 'MP4'],
  ['mov', 'MOV'],
  ['webm', 'WebM'],
  ['mkv', 'Matroska (MKV)'],
  ['3gp', '3GP'],
  ['h264', 'H.264'],
  ['h265', 'H.265'],
  ['vp8', 'VP8'],
  ['vp9', 'VP9'],
  ['av1', 'AV1'],
  ['prores', 'ProRes'],
]);

const formatName = (name: string): string => names.get(name) ?? name;

const oneOf = (allowed: readonly string[]): string =>
  new Intl.ListFormat('en', { type: 'disjunction' }).format(allowed.map(formatName));

/** Three digits are finer than every tolerance above, so a refused value is never shown as the limit itself. */
const rounded = (value: number): number => Math.round(value * 1000) / 1000;
