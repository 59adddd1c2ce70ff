import type { PostId } from '../domain/ids.ts';
import type { WrongState } from '../domain/post/post.ts';
import type { RequestIdReused } from './ports/request-key.ts';
import type { Refusal } from './refusal.ts';

/** Names the post in what the domain or the store refused. */
export function refusalOf(
  error:
    | WrongState
    | { readonly code: 'NOT_FOUND' }
    | RequestIdReused
    | Extract<Refusal, { readonly code: 'ETAG_MISMATCH' }>,
  id: PostId,
): Refusal {
  switch (error.code) {
    case 'NOT_FOUND':
      return { code: 'NOT_FOUND', resource: 'post', id };
    case 'REQUEST_ID_REUSED':
    case 'ETAG_MISMATCH':
      return error;
    case 'POST_ALREADY_SENT':
    case 'POST_ALREADY_STARTED':
    case 'POST_ENDED':
    case 'POST_NOT_SENT':
    case 'POST_NOT_RETRYABLE':
    case 'DUPLICATE_RISK_NOT_ACCEPTED':
      return { ...error, id };
  }
}
