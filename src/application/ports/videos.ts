import type { VideoId, WorkspaceId } from '../../domain/ids.ts';
import type { Result } from '../../domain/result.ts';
import type { ImportingVideo, Video } from '../../domain/video/video.ts';
import type { Page, PageRequest } from './page.ts';
import type { RequestIdReused, RequestKey } from './request-key.ts';

/** The right to fetch one video. */
export type ImportLease = {
  readonly video: ImportingVideo;
  readonly owner: string;
  readonly fence: number;
  /** Tries before this one that came to nothing for a known reason. */
  readonly failures: number;
  /** Leases in a row that ended without their worker letting go. */
  readonly lapses: number;
  /** The latest of them ended right before this claim. */
  readonly lapsed: boolean;
};

/** Nothing more fits into what a workspace may store. */
export type WorkspaceFull = {
  readonly code: 'WORKSPACE_QUOTA_EXCEEDED';
  readonly usedBytes: number;
  readonly limitBytes: number;
};

export interface Videos {
  /** With `workspaceId`, a video of another workspace is not found. */
  find(id: VideoId, workspaceId?: WorkspaceId): Promise<Video | undefined>;
  /** Newest first. */
  list(
    filter: { readonly workspaceId: WorkspaceId; readonly states: readonly Video['state'][] },
    page: PageRequest,
  ): Promise<Page<Video>>;
  /** How many bytes the workspace's READY videos have together. */
  usedBytes(workspaceId: WorkspaceId): Promise<number>;
  /** Stores an uploaded and judged video, unless the workspace then had more than `limitBytes`, whoever adds to it at once. */
  add(video: Video, limitBytes?: number): Promise<Result<void, WorkspaceFull>>;
  /** Stores a video to fetch, due at once, or gives back what `key` made before. */
  addImport(
    video: ImportingVideo,
    key: RequestKey,
  ): Promise<Result<{ readonly video: Video; readonly replayed: boolean }, RequestIdReused>>;
  /**
   * Removes the record, unless a post that may still go out needs the video. The look and the removal are one: a post accepted
   * at the same time either finds the video or keeps it.
   */
  remove(id: VideoId, workspaceId?: WorkspaceId): Promise<'REMOVED' | 'NOT_FOUND' | 'IN_USE'>;
  /**
   * Takes up to `limit` due imports that nobody holds, earliest first. Of those that lapsed `SUSPECT_LAPSES` times an owner holds
   * one at a time, so that it takes no other with it.
   */
  claimImports(request: {
    readonly owner: string;
    readonly limit: number;
    readonly leaseSeconds: number;
  }): Promise<readonly ImportLease[]>;
  renewImport(lease: ImportLease, leaseSeconds: number): Promise<boolean>;
  /**
   * Stores what became of an import, under the same limit as `add`. False when the lease was lost. Nothing was stored then, nor when
   * the workspace is full.
   */
  finishImport(lease: ImportLease, video: Video, limitBytes?: number): Promise<boolean | WorkspaceFull>;
  /** Lets go; it is tried again after `seconds`, with one failure more on its count. What lapsed before is forgotten. */
  postponeImport(lease: ImportLease, seconds: number): Promise<void>;
  /** Lets go of a suspect for so long: what it lapsed is not forgotten. */
  restImport(lease: ImportLease, seconds: number): Promise<void>;
  /** Lets go of what its worker did not end, for no fault of either: it is due at once. What lapsed before is forgotten. */
  releaseImport(lease: ImportLease): Promise<void>;
  /** When the next import comes due. Undefined when none waits. A suspect that is due already waits for the next look. */
  earliestImport(): Promise<Date | undefined>;
}
