import type { ConnectionId, PostId, VideoId } from '../../domain/ids.ts';

/** New ids: a type prefix and a body that sorts by time of creation and can't be guessed. */
export interface Ids {
  connectionId(): ConnectionId;
  videoId(): VideoId;
  postId(): PostId;
  /** 256 random bits as URL-safe text, for OAuth state. */
  unguessable(): string;
}
