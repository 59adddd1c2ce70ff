import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  businessVideoPolicy,
  check,
  openVideoPolicy,
  tooLarge,
  type VideoPolicy,
} from '../../../src/domain/video/video-policy.ts';
import type { VideoSpec } from '../../../src/domain/video/video-spec.ts';

const aSpec = (parts: Partial<VideoSpec> = {}): VideoSpec => ({
  container: 'mp4',
  videoCodec: 'h264',
  audioCodec: 'aac',
  width: 1080,
  height: 1920,
  rotation: 0,
  frameRate: 30,
  durationSeconds: 20,
  bitRate: 4_000_000,
  sizeBytes: 10_000_000,
  ...parts,
});

const withoutSound = (): VideoSpec => {
  const { audioCodec: _, ...spec } = aSpec();
  return spec;
};

const codes = (spec: VideoSpec, policy: VideoPolicy = openVideoPolicy) => check(spec, policy).map(({ code }) => code);

describe('check', () => {
  it.each<[string, Partial<VideoSpec>]>([
    ['an ordinary vertical MP4', {}],
    ['a MOV', { container: 'mov' }],
    ['a WebM', { container: 'webm', videoCodec: 'vp9', audioCodec: 'opus' }],
    ['H.265', { videoCodec: 'h265' }],
    ['VP8', { videoCodec: 'vp8' }],
    ['exactly 3 seconds', { durationSeconds: 3 }],
    ['3 seconds as a container clock rounds them', { durationSeconds: 2.9995 }],
    ['exactly 10 minutes', { durationSeconds: 600 }],
    ['10 minutes and the rest of a sound packet', { durationSeconds: 600.04 }],
    ['23.976 fps', { frameRate: 24000 / 1001 }],
    ['29.97 fps', { frameRate: 30000 / 1001 }],
    ['59.94 fps', { frameRate: 60000 / 1001 }],
    ['23 fps', { frameRate: 23 }],
    ['60 fps', { frameRate: 60 }],
    ["a phone's 60 fps", { frameRate: 60.03 }],
    ['the smallest picture', { width: 360, height: 640 }],
    ['the tallest picture', { width: 2304, height: 4096 }],
    ['9:16 with even sides', { width: 406, height: 720 }],
    ['exactly 4 GB', { sizeBytes: 4_294_967_296 }],
  ])('has nothing against %s', (_, parts) => {
    expect(codes(aSpec(parts))).toEqual([]);
  });

  it.each<[Partial<VideoSpec>, object]>([
    [
      { container: 'mkv' },
      {
        code: 'VIDEO_UNSUPPORTED_CONTAINER',
        field: 'spec.container',
        observed: 'Matroska (MKV)',
        limit: 'MP4, MOV, or WebM',
      },
    ],
    [{ container: 'ogg' }, { code: 'VIDEO_UNSUPPORTED_CONTAINER', observed: 'ogg' }],
    [
      { videoCodec: 'av1' },
      {
        code: 'VIDEO_UNSUPPORTED_CODEC',
        field: 'spec.video_codec',
        observed: 'AV1',
        limit: 'H.264, H.265, VP8, or VP9',
      },
    ],
    [{ videoCodec: 'constructor' }, { code: 'VIDEO_UNSUPPORTED_CODEC', observed: 'constructor' }],
    [
      { durationSeconds: 2.9 },
      { code: 'VIDEO_TOO_SHORT', field: 'spec.duration', observed: '2.9 s', limit: 'at least 3 s' },
    ],
    [{ durationSeconds: 2.998 }, { code: 'VIDEO_TOO_SHORT', observed: '2.998 s' }],
    [
      { durationSeconds: 601 },
      { code: 'VIDEO_TOO_LONG', field: 'spec.duration', observed: '601 s', limit: 'at most 600 s' },
    ],
    [{ durationSeconds: 600.2 }, { code: 'VIDEO_TOO_LONG', observed: '600.2 s' }],
    [
      { frameRate: 15 },
      { code: 'VIDEO_FRAME_RATE', field: 'spec.frame_rate', observed: '15 fps', limit: '23 to 60 fps' },
    ],
    [{ frameRate: 22.8 }, { code: 'VIDEO_FRAME_RATE', observed: '22.8 fps' }],
    [{ frameRate: 60.2 }, { code: 'VIDEO_FRAME_RATE' }],
    [
      { width: 359, height: 638 },
      { code: 'VIDEO_RESOLUTION', field: 'spec.width', observed: '359 × 638 px', limit: '360 to 4096 px on each side' },
    ],
    [
      { width: 2305, height: 4098 },
      { code: 'VIDEO_RESOLUTION', field: 'spec.height' },
    ],
    [
      { sizeBytes: 4_294_967_297 },
      { code: 'VIDEO_TOO_LARGE', field: 'size_bytes', observed: '4294967297 bytes', limit: 'at most 4294967296 bytes' },
    ],
  ])('refuses %j', (parts, finding) => {
    expect(check(aSpec(parts), openVideoPolicy)).toEqual([expect.objectContaining({ severity: 'ERROR', ...finding })]);
  });

  it('refuses a video without sound', () => {
    expect(check(withoutSound(), openVideoPolicy)).toEqual([
      {
        code: 'VIDEO_NO_AUDIO',
        severity: 'ERROR',
        field: 'spec.audio_codec',
        message: 'The video has no sound, and sound is required.',
        remedy: 'Add a sound track, a quiet one is enough, and upload the video again.',
        observed: 'no sound',
        limit: 'a sound track',
      },
    ]);
  });

  it.each([
    [1920, 1080],
    [1080, 1080],
    [1080, 1350],
  ])('only warns of %i × %i', (width, height) => {
    expect(check(aSpec({ width, height }), openVideoPolicy)).toEqual([
      expect.objectContaining({ code: 'VIDEO_NOT_VERTICAL', severity: 'WARNING', observed: `${width} × ${height} px` }),
    ]);
  });

  it('tells everything at once, in one order', () => {
    const { audioCodec: _, ...awful } = aSpec({
      container: 'avi',
      videoCodec: 'mp4v',
      width: 320,
      height: 240,
      frameRate: 12,
      durationSeconds: 1,
      sizeBytes: 5e9,
    });
    expect(codes(awful)).toEqual([
      'VIDEO_UNSUPPORTED_CONTAINER',
      'VIDEO_UNSUPPORTED_CODEC',
      'VIDEO_NO_AUDIO',
      'VIDEO_TOO_SHORT',
      'VIDEO_FRAME_RATE',
      'VIDEO_RESOLUTION',
      'VIDEO_TOO_LARGE',
      'VIDEO_NOT_VERTICAL',
    ]);
  });

  it("applies the account's own limit when it is the smaller one", () => {
    const ofAccount = (accountMaxDurationSeconds: number) => ({ ...openVideoPolicy, accountMaxDurationSeconds });
    const spec = aSpec({ durationSeconds: 200 });
    expect(check(spec, ofAccount(180))).toEqual([
      expect.objectContaining({
        code: 'VIDEO_TOO_LONG',
        message: 'The video is too long: it lasts 200 s and this TikTok account may post at most 180 s.',
        limit: 'at most 180 s',
      }),
    ]);
    expect(codes(spec, ofAccount(3600))).toEqual([]);
    expect(codes(aSpec({ durationSeconds: 700 }), ofAccount(3600))).toEqual(['VIDEO_TOO_LONG']);
  });

  it('takes up to 1 GB in the business family', () => {
    expect(codes(aSpec({ sizeBytes: 2 ** 30 }), businessVideoPolicy)).toEqual([]);
    expect(codes(aSpec({ sizeBytes: 2 ** 30 + 1 }), businessVideoPolicy)).toEqual(['VIDEO_TOO_LARGE']);
  });

  it('names the limit of a file that was given up', () => {
    expect(tooLarge('more than 4294967296 bytes', openVideoPolicy.maxSizeBytes)).toMatchObject({
      code: 'VIDEO_TOO_LARGE',
      message: 'The file is too large: TikTok takes at most 4 GB.',
    });
  });

  it('never shows a refused length as the limit itself', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 2.99899, noNaN: true }), (durationSeconds) => {
        expect(Number.parseFloat(check(aSpec({ durationSeconds }), openVideoPolicy)[0]?.observed ?? '')).toBeLessThan(
          3,
        );
      }),
    );
    fc.assert(
      fc.property(fc.double({ min: 600.151, max: 40_000, noNaN: true }), (durationSeconds) => {
        expect(
          Number.parseFloat(check(aSpec({ durationSeconds }), openVideoPolicy)[0]?.observed ?? ''),
        ).toBeGreaterThan(600);
      }),
    );
  });

  it('never warns of a picture scaled from 9:16 to even sides', () => {
    fc.assert(
      fc.property(fc.integer({ min: 90, max: 576 }), (quarter) => {
        const width = quarter * 4;
        const height = 2 * Math.round((width * 16) / 9 / 2);
        expect(codes(aSpec({ width, height })).includes('VIDEO_NOT_VERTICAL')).toBe(false);
      }),
    );
  });
});
