import type { PostId, VideoId } from '../../domain/ids.ts';
import type { MediaEvidence, ServedRange } from '../../domain/post/media-evidence.ts';
import type { Secret } from '../../domain/secret.ts';

/** The attempt that an address is for. */
export type MediaOwner = { readonly postId: PostId; readonly attemptNumber: number };

export type MediaAddress = MediaOwner & { readonly videoId: VideoId };

/**
 * Where TikTok fetches a video: one address for each attempt, which nobody can guess, and a record of what was fetched there. The
 * record is the witness when TikTok's answer is lost.
 */
export interface MediaAddresses {
  /** Opens the address of an attempt; one that it had before is closed. Nothing is served before this returns. */
  open(address: MediaAddress, token: Secret): Promise<void>;
  /** Whose address this is; `open` false when nothing is served there any more. Undefined for a token that is nobody's. */
  find(token: Secret): Promise<(MediaAddress & { readonly open: boolean }) | undefined>;
  /** Notes that these bytes are about to be sent. False when the address is closed, or its attempt ended: send nothing. */
  note(token: Secret, range: ServedRange): Promise<boolean>;
  /** Nothing is served from here on, and nothing is noted. Repeating changes nothing. */
  close(owner: MediaOwner): Promise<void>;
  /** Everything that was noted for the attempt. */
  evidence(owner: MediaOwner): Promise<MediaEvidence>;
}
