import type { Finding } from '../../domain/finding.ts';

const USABLE = 'MP4, MOV or WebM with a picture';

export const notAVideo = (observed: string): Finding => ({
  code: 'NOT_A_VIDEO',
  severity: 'ERROR',
  field: 'spec.container',
  message: `This file is not a video: it holds ${observed}.`,
  remedy: 'Choose the video file itself, best an MP4, and upload that.',
  observed,
  limit: USABLE,
});

export const unsupportedContainer = (observed: string): Finding => ({
  code: 'VIDEO_UNSUPPORTED_CONTAINER',
  severity: 'ERROR',
  field: 'spec.container',
  message: `TikTok does not take this kind of video file: ${observed}.`,
  remedy: 'Export the video again as MP4 with H.264 and upload that file.',
  observed,
  limit: 'MP4, MOV or WebM',
});

export const corrupt = (observed: string): Finding => ({
  code: 'VIDEO_CORRUPT',
  severity: 'ERROR',
  field: 'spec',
  message: `The video file is damaged or incomplete: ${observed}.`,
  remedy: 'Check that the video plays on your computer, export it again if not, and upload it once more.',
  observed,
  limit: 'a complete, playable file',
});
