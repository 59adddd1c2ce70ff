import { pullMark } from '../domain/post/mark.ts';
import type { ServedRange } from '../domain/post/media-evidence.ts';
import { liveAttempt } from '../domain/post/post.ts';
import type { Secret } from '../domain/secret.ts';
import type { ReadyVideo } from '../domain/video/video.ts';
import type { CheckBytes } from './check-bytes.ts';
import type { Marks } from './ports/marks.ts';
import type { MediaAddress, MediaAddresses } from './ports/media-addresses.ts';
import type { Posts } from './ports/posts.ts';
import type { VideoStore } from './ports/video-store.ts';
import type { Videos } from './ports/videos.ts';

/** What TikTok gets at the address of an attempt. */
export type MediaAnswer =
  /** Never was one, or is none any more: the same to whoever asks. */
  | { readonly kind: 'NOT_FOUND' }
  /** There was one, and it is closed for good. */
  | { readonly kind: 'GONE' }
  | {
      readonly kind: 'VIDEO';
      readonly video: ReadyVideo;
      /**
       * Noted piece by piece, each before it is given. Ends early, with an error, when the address is closed meanwhile,
       * and before its last byte when the stored bytes changed.
       */
      bytes(range: ServedRange): AsyncIterable<Uint8Array>;
    };

export type ServeMedia = (token: Secret) => Promise<MediaAnswer>;

/**
 * Small enough that a fetch which broke off shows as one, large enough that a big file costs few notes.
 */
const pieceBytes = (sizeBytes: number): number => Math.max(256 * 1024, Math.ceil(sizeBytes / 256));

export function serveMedia(needs: {
  readonly addresses: MediaAddresses;
  readonly marks: Marks;
  readonly posts: Posts;
  readonly videos: Videos;
  readonly store: VideoStore;
  readonly checkBytes: CheckBytes;
}): ServeMedia {
  const { addresses, marks, posts, videos, store, checkBytes } = needs;

  return async (token) => {
    const address = await addresses.find(token);
    if (address === undefined) return { kind: 'NOT_FOUND' };
    if (!address.open) return { kind: 'GONE' };
    const video = await videos.find(address.videoId);
    if (video?.state !== 'READY') return { kind: 'GONE' };
    return { kind: 'VIDEO', video, bytes: (range) => noted(token, address, video, range) };
  };

  async function* noted(
    token: Secret,
    address: MediaAddress,
    video: ReadyVideo,
    range: ServedRange,
  ): AsyncIterable<Uint8Array> {
    const reading = store.reading(video.id);
    const piece = pieceBytes(video.sizeBytes);
    for (let start = range.start; start < range.endExclusive; start += piece) {
      const part = { start, endExclusive: Math.min(start + piece, range.endExclusive) };
      const last = part.endExclusive === video.sizeBytes;
      if (last && (await checkBytes(video, reading)) !== undefined)
        throw new Error('the stored bytes are not those that came');
      if (!(await addresses.note(token, part))) throw new Error('the address was closed while it was read');
      if (last) await markFetched(address);
      // Who answers with them may read ahead.
      for await (const bytes of reading.bytes(part)) yield new Uint8Array(bytes);
    }
  }

  /** Without its last byte nobody can post the video: this is known also when the record is a restored backup, whose notes end early. */
  async function markFetched({ postId, attemptNumber }: MediaAddress): Promise<void> {
    const post = (await posts.find(postId))?.post;
    const attempt = post && liveAttempt(post);
    if (post === undefined || attempt?.number !== attemptNumber) throw new Error('the attempt ended while it was read');
    await marks.leave(post, pullMark('FETCHED', attempt));
  }
}
