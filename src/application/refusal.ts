import type { ConnectionState } from '../domain/connection/connection.ts';
import type { Finding } from '../domain/finding.ts';
import type { WrongState } from '../domain/post/post.ts';
import type { PublishError } from '../domain/publish-error.ts';
import type { RequestIdReused } from './ports/request-key.ts';
import type { WorkspaceFull } from './ports/videos.ts';

/** Why a use case said no. Each one reaches the caller as a typed error; the codes are sent, so never rename one. */
export type Refusal =
  /** Not there, or of another workspace: the answer is the same. */
  | {
      readonly code: 'NOT_FOUND';
      readonly resource: 'connection' | 'video' | 'post' | 'workspace';
      readonly id: string;
    }
  /** The request itself is wrong. At least one finding is an error. */
  | { readonly code: 'INVALID'; readonly findings: readonly Finding[] }
  | RequestIdReused
  /** The OAuth state is unknown, used or expired. */
  | { readonly code: 'STATE_INVALID' }
  /** The person denied the consent, or TikTok ended it (`error` of the callback). */
  | { readonly code: 'AUTHORIZATION_DENIED'; readonly tiktokCode: string }
  /** A reconnect ended with another TikTok account than it was begun for. */
  | { readonly code: 'RECONNECT_OTHER_ACCOUNT'; readonly expected: string; readonly observed: string }
  | { readonly code: 'CONNECTION_DISCONNECTED'; readonly state: ConnectionState; readonly id: string }
  | { readonly code: 'ETAG_MISMATCH'; readonly observed: string; readonly current: string }
  | { readonly code: 'VIDEO_IN_USE'; readonly id: string }
  | { readonly code: 'STORAGE_FULL' }
  | WorkspaceFull
  | (WrongState & { readonly id: string })
  /** TikTok, or our standing with it, said no. `consentSpent`: to the code of a consent, which nobody can use a second time. */
  | { readonly code: 'TIKTOK_REFUSED'; readonly error: PublishError; readonly consentSpent?: true };
