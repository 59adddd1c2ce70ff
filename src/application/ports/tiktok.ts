import type { AccountReading, Day, VideoReading } from '../../domain/analytics/reading.ts';
import type { Account, ApiFamily } from '../../domain/connection/connection.ts';
import type { Chunk, ChunkPlan } from '../../domain/post/chunk-plan.ts';
import type { ListedVideo } from '../../domain/post/match.ts';
import type { PostSettings, PrivacyLevel } from '../../domain/post/settings.ts';
import type { PublishStatus } from '../../domain/post/verdict.ts';
import type { PublishError } from '../../domain/publish-error.ts';
import type { Result } from '../../domain/result.ts';
import type { Secret } from '../../domain/secret.ts';

/**
 * TikTok, as far as one API family offers it. Every method asks TikTok once and never retries or waits by itself. A refusal,
 * and an answer that did not arrive (`PLATFORM_UNAVAILABLE`), is a value; only a bug throws.
 */
export interface TikTok {
  readonly family: ApiFamily;
  readonly authorization: Authorization;
  readonly publishing: Publishing;
  readonly insights: Insights;
  readonly quotas: Quotas;
  /** What TikTok counts for the app as a whole, whichever account a call is for: all of them hold, the shortest first. */
  readonly appQuotas: readonly Quota[];
  /** Direct posts of one account. Absent: only TikTok knows how many, and tells when there were too many. */
  readonly postQuota?: Quota;
  /** True when this is the bundled sandbox, and nothing reaches TikTok. */
  readonly sandbox: boolean;
}

/** At most so many calls in any window of this length. */
export type Quota = { readonly calls: number; readonly windowSeconds: number };

/** What TikTok counts for each account. */
export type Quotas = Readonly<Record<'ANNOUNCE' | 'READ_CREATOR' | 'READ_STATUS', Quota>>;

/** Tokens as TikTok's answer gave them. Lifetimes are TikTok's `expires_in`, never constants. */
export type TokenGrant = {
  readonly openId: string;
  /** All that calls as the account need, in the family's own writing: it is only ever handed back to the family. */
  readonly accessToken: Secret;
  readonly refreshToken: Secret;
  /** From the moment of the answer. */
  readonly accessSeconds: number;
  readonly refreshSeconds: number;
  readonly scopes: readonly string[];
};

/** Why TikTok gave no tokens. */
export type GrantRefusal =
  /** The code or refresh token is dead (OAuth `invalid_grant`). The only answer that proves it. */
  | { readonly code: 'INVALID_GRANT'; readonly error: PublishError }
  /** Our own credentials, request or the platform is at fault; says nothing about the grant. A refresh token that was sent may be spent all the same. */
  | { readonly code: 'NOT_ANSWERED'; readonly error: PublishError };

export interface Authorization {
  /** TikTok's consent page, always shown (`disable_auto_auth=1`) so that another account can be chosen. */
  authorizeUri(request: { readonly state: string; readonly scopes: readonly string[] }): string;
  /** `state` is that of the consent the code is said to come from: where the platform can tell, a code of another consent is INVALID_GRANT. */
  exchange(code: string, state?: string): Promise<Result<TokenGrant, GrantRefusal>>;
  /** Spends the token. When the answer is lost, the old token may be dead and the new one is unknown. */
  refresh(refreshToken: Secret): Promise<Result<TokenGrant, GrantRefusal>>;
  /** Repeating is harmless: a token that is already dead counts as revoked. */
  revoke(accessToken: Secret): Promise<Result<void, PublishError>>;
  /** Asks only for what the scopes allow. */
  readAccount(accessToken: Secret, scopes: readonly string[]): Promise<Result<Account, PublishError>>;
  /** Where the account can be seen. */
  profileUri(username: string): string;
}

/** What an account may publish at this moment. */
export type CreatorInfo = {
  /** Name and handle are absent where TikTok tells them only with the account (the Business family). */
  readonly nickname?: string;
  readonly username?: string;
  readonly avatarUri?: string;
  readonly privacyLevels: readonly PrivacyLevel[];
  readonly commentAvailable: boolean;
  readonly duetAvailable: boolean;
  readonly stitchAvailable: boolean;
  readonly maxVideoSeconds: number;
};

/** TikTok's answer to an announcement. */
export type Announced = {
  readonly publishId: string;
  readonly uploadUrl: Secret;
  /** How long the address takes bytes, from the moment of the answer (open-api §4.2: one hour). */
  readonly uploadSeconds: number;
};

/** What became of a chunk. */
export type ChunkOutcome =
  /** Accepted, more to come. `confirmedBytes` counts from the start of the file. */
  | { readonly kind: 'ACCEPTED'; readonly confirmedBytes: number }
  /** Every byte is there: the post begins. */
  | { readonly kind: 'COMPLETE' }
  /** TikTok stands elsewhere (416): go on at `confirmedBytes`; undefined when it did not say where. */
  | { readonly kind: 'MISALIGNED'; readonly confirmedBytes: number | undefined }
  /** The address is expired or unknown (403, 404, 405): no more bytes through it. */
  | { readonly kind: 'ADDRESS_DEAD'; readonly error: PublishError }
  /** Refused as malformed (400): the same again would be refused again. */
  | { readonly kind: 'REFUSED'; readonly error: PublishError }
  /** No answer, or 5xx or 429: it may or may not have arrived; the same chunk may be sent again. */
  | { readonly kind: 'NOT_ANSWERED'; readonly error: PublishError };

export type { ListedVideo };

/** Our way of getting the bytes to TikTok: we send them. */
export interface Uploads {
  /**
   * Announces a post and gets an address for its bytes. Repeating announces another one. When the answer is lost nothing can
   * be posted by it: nobody has its address.
   */
  announce(
    accessToken: Secret,
    post: { readonly caption: string; readonly settings: PostSettings; readonly plan: ChunkPlan },
  ): Promise<Result<Announced, PublishError>>;
  /** Sends one chunk with bounded memory. `contentType` is the file's (`video/mp4`, `video/quicktime`, `video/webm`). */
  sendChunk(request: {
    readonly uploadUrl: Secret;
    readonly plan: ChunkPlan;
    readonly chunk: Chunk;
    readonly contentType: string;
    readonly bytes: AsyncIterable<Uint8Array>;
    readonly signal: AbortSignal;
  }): Promise<ChunkOutcome>;
}

/** Where TikTok only fetches, there is no way to send bytes (the Business family). */
export interface Publishing extends Partial<Uploads> {
  readCreator(accessToken: Secret): Promise<Result<CreatorInfo, PublishError>>;
  /**
   * Tells TikTok where to fetch a post's video, which is all it needs to publish it: when the answer is lost, TikTok may publish
   * it all the same, and repeating may publish it twice. `mediaUrl` is for TikTok only.
   */
  announcePull(
    accessToken: Secret,
    post: { readonly caption: string; readonly settings: PostSettings; readonly mediaUrl: Secret },
  ): Promise<Result<{ readonly publishId: string }, PublishError>>;
  /** The status that decides. How often it may be asked, `Quotas` tell. */
  readStatus(accessToken: Secret, publishId: string): Promise<Result<PublishStatus, PublishError>>;
  /** Those of `tiktokPostIds` that everyone can see at this moment. At most 20. */
  publicAmong(accessToken: Secret, tiktokPostIds: readonly string[]): Promise<Result<readonly string[], PublishError>>;
  /** Public posts only, newest first, at most 20 that were created before `before`. Absence proves nothing. */
  listVideos(accessToken: Secret, before: Date): Promise<Result<readonly ListedVideo[], PublishError>>;
  /** Where a post can be seen. */
  shareUri(username: string, tiktokPostId: string): string;
}

/** A page of what an account has. `olderThan` is where the next one begins, always earlier than this one did; absent on the last. */
export type VideoPage = { readonly videos: readonly VideoReading[]; readonly olderThan?: Date };

/**
 * Reads numbers; repeating changes nothing. Only what `scopes` allow is asked for, because one field without its scope may fail the
 * whole call; when they allow nothing of it, the answer is ACCOUNT_SCOPE_MISSING and TikTok is not asked. What TikTok left out,
 * wrote in a way that is not documented, or counts beyond what a number holds to the last digit (2^53), is absent.
 */
export interface Insights {
  /**
   * Public videos, newest first, at most 20 that were created before `before`. A page may be short or empty and not the last one.
   * Photo posts are among them: the open family does not tell them apart.
   */
  listVideos(accessToken: Secret, scopes: readonly string[], before: Date): Promise<Result<VideoPage, PublishError>>;
  /** Those of `tiktokPostIds`, at most 20, that are the account's and public, in any order. TikTok refuses more. */
  readVideos(
    accessToken: Secret,
    scopes: readonly string[],
    tiktokPostIds: readonly string[],
  ): Promise<Result<readonly VideoReading[], PublishError>>;
  /**
   * The account now, and its days from `from` to `until`, both included. The Business family knows the 60 days before today and leaves
   * out the others, the open one knows none.
   */
  readAccount(
    accessToken: Secret,
    scopes: readonly string[],
    from: Day,
    until: Day,
  ): Promise<Result<AccountReading, PublishError>>;
}
