import { type Finding, isError } from '../finding.ts';
import type { VideoId, WorkspaceId } from '../ids.ts';
import type { Result } from '../result.ts';
import { check, type VideoPolicy } from './video-policy.ts';
import type { VideoSpec } from './video-spec.ts';

type Common = {
  readonly id: VideoId;
  readonly workspaceId: WorkspaceId;
  /** What the sender called it. Shown to people, never used as a path. */
  readonly fileName?: string;
  readonly createTime: Date;
  /** The caller's own id for an import; an upload has none. */
  readonly requestId?: string;
  /** Where an import takes its bytes from. May hold secrets in its query: never log it. */
  readonly sourceUri?: string;
};

/** What the store holds: bytes and their SHA-256 in lower-case hex. */
export type StoredFile = { readonly sizeBytes: number; readonly sha256: string };

/** At least one: a rejection always has something to show. */
export type Findings = readonly [Finding, ...Finding[]];

/** Its bytes are on the way, or are here and not yet judged. Uploads start here as well as imports. */
export type ImportingVideo = Common & { readonly state: 'IMPORTING' };
/** May be published. `findings` holds warnings only. */
export type ReadyVideo = Common &
  StoredFile & { readonly state: 'READY'; readonly spec: VideoSpec; readonly findings: readonly Finding[] };
/**
 * Will never be published. `findings` holds at least one error. Size and hash are missing when the bytes never arrived,
 * the spec when they could not be read as a video.
 */
export type RejectedVideo = Common &
  Partial<StoredFile> & {
    readonly state: 'REJECTED';
    readonly spec?: VideoSpec;
    readonly findings: Findings;
  };

export type Video = ImportingVideo | ReadyVideo | RejectedVideo;

/** Gives the verdict over bytes that are in the store. */
export function judge(
  video: ImportingVideo,
  file: StoredFile,
  probed: Result<VideoSpec, Finding>,
  policy: VideoPolicy,
): ReadyVideo | RejectedVideo {
  const stored = { ...video, sizeBytes: file.sizeBytes, sha256: file.sha256 };
  if (!probed.ok) return { ...stored, state: 'REJECTED', findings: [probed.error] };

  const spec = probed.value;
  const findings = check(spec, policy);
  const [first, ...others] = findings;
  return first !== undefined && findings.some(isError)
    ? { ...stored, state: 'REJECTED', spec, findings: [first, ...others] }
    : { ...stored, state: 'READY', spec, findings };
}

/** For bytes that will never arrive: the address was refused, the file was too large, the other side said no. */
export const reject = (video: ImportingVideo, reason: Finding): RejectedVideo => ({
  ...video,
  state: 'REJECTED',
  findings: [reason],
});

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  webm: 'video/webm',
};

/** As HTTP names it. */
export function contentTypeOf(video: ReadyVideo): string {
  const contentType = CONTENT_TYPES[video.spec.container];
  if (contentType === undefined) throw new Error(`video ${video.id} is ${video.spec.container}, which is never READY`);
  return contentType;
}
