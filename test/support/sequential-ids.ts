import type { Ids } from '../../src/application/ports/ids.ts';
import type { ConnectionId, PostId, VideoId } from '../../src/domain/ids.ts';

/** Ids that look like the real ones and count up from 1, or from where the test likes. */
export function sequentialIds(first = 1): Ids {
  let last = first - 1;
  const next = (prefix: string): string => {
    last += 1;
    return `${prefix}_${last.toString(36).padStart(26, '0')}`;
  };
  return {
    connectionId: () => next('conn') as ConnectionId,
    videoId: () => next('vid') as VideoId,
    postId: () => next('post') as PostId,
    unguessable: () => next('state'),
  };
}
