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

export interface Videos {
  /** With `workspaceId`, a video of another workspace is not found. */
  find(id: VideoId, workspaceId?: WorkspaceId): Promise<Video | undefined>;
  /** Newest first. */
  list(
    filter: { readonly workspaceId: WorkspaceId; readonly states: readonly Video['state'][] },
    page: PageRequest,
  ): Promise<Page<Video>>;
  /** Stores an uploaded and judged video. */
  add(video: Video): Promise<void>;
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
  /** Stores what became of an import. False when the lease was lost: nothing was stored. */
  finishImport(lease: ImportLease, video: Video): Promise<boolean>;
  /** Lets go; it is tried again after `seconds`, with one failure more on its count. What lapsed before is forgotten. */
  postponeImport(lease: ImportLease, seconds: number): Promise<void>;
  /** Lets go of a suspect for so long: what it lapsed is not forgotten. */
  restImport(lease: ImportLease, seconds: number): Promise<void>;
  /** Lets go of what its worker did not end, for no fault of either: it is due at once. What lapsed before is forgotten. */
  releaseImport(lease: ImportLease): Promise<void>;
  /** When the next import comes due. Undefined when none waits. A suspect that is due already waits for the next look. */
  earliestImport(): Promise<Date | undefined>;
}
