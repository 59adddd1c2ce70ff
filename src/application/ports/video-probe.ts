import type { Finding } from '../../domain/finding.ts';
import type { Result } from '../../domain/result.ts';
import type { VideoSpec } from '../../domain/video/video-spec.ts';
import type { RandomAccess } from './random-access.ts';

export interface VideoProbe {
  /**
   * Reads what kind of video this is, not whether it may be published. Refuses with `NOT_A_VIDEO`, `VIDEO_CORRUPT` or
   * `VIDEO_UNSUPPORTED_CONTAINER` when it can't tell. Safe on hostile files: time, memory and bytes read are bounded.
   * Throws only when `file` does.
   */
  probe(file: RandomAccess): Promise<Result<VideoSpec, Finding>>;
}
