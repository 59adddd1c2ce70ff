import { describe, expect, it } from 'vitest';
import type { VideoId, WorkspaceId } from '../../../src/domain/ids.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { type ImportingVideo, judge, reject } from '../../../src/domain/video/video.ts';
import { openVideoPolicy, tooLarge } from '../../../src/domain/video/video-policy.ts';
import type { VideoSpec } from '../../../src/domain/video/video-spec.ts';

const importing: ImportingVideo = {
  state: 'IMPORTING',
  id: 'vid_01' as VideoId,
  workspaceId: 'ws_a' as WorkspaceId,
  fileName: 'summer.mp4',
  createTime: new Date('2026-11-22T10:00:00Z'),
};
const file = { sizeBytes: 1000, sha256: 'ab'.repeat(32) };
const good: VideoSpec = {
  container: 'mp4',
  videoCodec: 'h264',
  audioCodec: 'aac',
  width: 1080,
  height: 1920,
  rotation: 0,
  frameRate: 30,
  durationSeconds: 20,
  bitRate: 400,
  sizeBytes: 1000,
};

describe('a video', () => {
  it('is ready when nothing is wrong with it', () => {
    expect(judge(importing, file, ok(good), openVideoPolicy)).toEqual({
      ...importing,
      ...file,
      state: 'READY',
      spec: good,
      findings: [],
    });
  });

  it('is ready with a warning', () => {
    const landscape = { ...good, width: 1920, height: 1080 };
    expect(judge(importing, file, ok(landscape), openVideoPolicy)).toMatchObject({
      state: 'READY',
      findings: [{ code: 'VIDEO_NOT_VERTICAL' }],
    });
  });

  it('is rejected with everything that is wrong, warnings too', () => {
    const bad = { ...good, width: 1920, height: 1080, durationSeconds: 1 };
    expect(judge(importing, file, ok(bad), openVideoPolicy)).toMatchObject({
      state: 'REJECTED',
      spec: bad,
      findings: [{ code: 'VIDEO_TOO_SHORT' }, { code: 'VIDEO_NOT_VERTICAL' }],
    });
  });

  it('is rejected without a spec when it could not be read', () => {
    const finding = tooLarge('5 GB', 1);
    const rejected = judge(importing, file, err(finding), openVideoPolicy);
    expect(rejected).toEqual({ ...importing, ...file, state: 'REJECTED', findings: [finding] });
  });

  it('is rejected without a size when its bytes never came', () => {
    const finding = tooLarge('5 GB', 1);
    expect(reject(importing, finding)).toEqual({ ...importing, state: 'REJECTED', findings: [finding] });
  });
});
