import type {
  Announced,
  ChunkOutcome,
  CreatorInfo,
  GrantRefusal,
  ListedVideo,
  TikTok,
  TokenGrant,
} from '../../src/application/ports/tiktok.ts';
import { type Account, type ApiFamily, REQUESTED_SCOPES } from '../../src/domain/connection/connection.ts';
import type { ChunkPlan } from '../../src/domain/post/chunk-plan.ts';
import type { PublishStatus } from '../../src/domain/post/verdict.ts';
import type { PublishError } from '../../src/domain/publish-error.ts';
import { err, ok, type Result } from '../../src/domain/result.ts';
import { Secret } from '../../src/domain/secret.ts';

/** What each method answers. */
type Answers = {
  readonly exchange: Result<TokenGrant, GrantRefusal>;
  readonly refresh: Result<TokenGrant, GrantRefusal>;
  readonly revoke: Result<void, PublishError>;
  readonly readAccount: Result<Account, PublishError>;
  readonly readCreator: Result<CreatorInfo, PublishError>;
  readonly announce: Result<Announced, PublishError>;
  readonly sendChunk: ChunkOutcome;
  readonly readStatus: Result<PublishStatus, PublishError>;
  readonly listVideos: Result<readonly ListedVideo[], PublishError>;
};
type Method = keyof Answers;

/** How one call goes: it may do what TikTok would do, before or after, or answer something else. */
export type Twist<M extends Method> = (answer: () => Promise<Answers[M]>) => Promise<Answers[M]>;

/** Something that was announced. It is a post once every byte is there. */
export type Job = {
  readonly publishId: string;
  readonly caption: string;
  readonly plan: ChunkPlan;
  bytes: number;
  /** What its status says when every byte is there. */
  verdict: PublishStatus;
};

export const UNAVAILABLE: PublishError = { code: 'PLATFORM_UNAVAILABLE' };
const DEAD: PublishError = { code: 'ACCOUNT_SESSION_INVALID', tiktokCode: 'access_token_invalid' };
const INVALID_GRANT = err({ code: 'INVALID_GRANT', error: DEAD } as const);

/**
 * A TikTok in memory that keeps a ledger: tokens issued and spent, posts that became real. `next` decides how the next call of
 * a method goes; without it, everything goes well.
 */
export class FakeTikTok implements TikTok {
  readonly family: ApiFamily = 'OPEN';
  readonly sandbox = true;
  /** Every call, in order; chunks with their range. */
  readonly calls: string[] = [];
  readonly jobs: Job[] = [];
  readonly revoked: string[] = [];
  scopes: readonly string[] = REQUESTED_SCOPES.OPEN;
  account: Account = { openId: 'open-1', displayName: 'Acme', username: 'acme' };
  creator: CreatorInfo = {
    nickname: 'Acme',
    username: 'acme',
    privacyLevels: ['PUBLIC_TO_EVERYONE', 'SELF_ONLY'],
    commentAvailable: true,
    duetAvailable: true,
    stitchAvailable: true,
    maxVideoSeconds: 600,
  };
  listed: readonly ListedVideo[] = [];
  /** Whether a pair stays good after the next one was issued. */
  keepsOlderPairs = false;
  /** What becomes of everything announced from now on. */
  verdict: PublishStatus = { state: 'PUBLISHED', tiktokPostIds: ['7300000000000000001'] };

  readonly #twists = new Map<Method, unknown[]>();
  readonly #watchers = new Map<Method, () => unknown>();
  readonly #accessTokens = new Set<string>();
  readonly #refreshTokens = new Set<string>();
  readonly #deadAddresses = new Set<string>();
  #issued = 0;

  /** How the coming calls of a method go, one after the other. */
  next<M extends Method>(method: M, ...twists: readonly Twist<M>[]): void {
    this.#twists.set(method, [...(this.#twists.get(method) ?? []), ...twists]);
  }

  /** Is called, and waited for, before each call of a method. */
  before(method: Method, look: () => unknown): void {
    this.#watchers.set(method, look);
  }

  called(method: Method): number {
    return this.calls.filter((call) => call.split(' ')[0] === method).length;
  }

  /** Everything that became a post. */
  get posts(): readonly Job[] {
    return this.jobs.filter(({ bytes, plan, verdict }) => bytes === plan.sizeBytes && verdict.state !== 'FAILED');
  }

  /** A consent: the only pair that is good from now on. */
  issue({ scopes = this.scopes }: { readonly scopes?: readonly string[] } = {}): TokenGrant {
    this.#issued += 1;
    if (!this.keepsOlderPairs) this.kill('grant');
    this.#accessTokens.add(`act.${this.#issued}`);
    this.#refreshTokens.add(`rft.${this.#issued}`);
    return {
      openId: this.account.openId,
      accessToken: new Secret(`act.${this.#issued}`),
      refreshToken: new Secret(`rft.${this.#issued}`),
      accessSeconds: 86_400,
      refreshSeconds: 31_536_000,
      scopes,
    };
  }

  /** The person removes the app, or an access token dies before its time. */
  kill(what: 'access' | 'grant'): void {
    this.#accessTokens.clear();
    if (what === 'grant') this.#refreshTokens.clear();
  }

  /** The addresses handed out so far take no more bytes. */
  expireAddresses(): void {
    for (const { publishId } of this.jobs) this.#deadAddresses.add(publishId);
  }

  readonly authorization: TikTok['authorization'] = {
    authorizeUri: ({ state, scopes }) => `https://tiktok.example/authorize?state=${state}&scope=${scopes.join(',')}`,
    exchange: (code) =>
      this.#answer('exchange', '', async () => (code.startsWith('good') ? ok(this.issue()) : INVALID_GRANT)),
    refresh: (token) =>
      this.#answer('refresh', token.reveal(), async () =>
        this.#refreshTokens.has(token.reveal()) ? ok(this.issue()) : INVALID_GRANT,
      ),
    revoke: (token) =>
      this.#answer('revoke', token.reveal(), async () => {
        this.revoked.push(token.reveal());
        this.#accessTokens.delete(token.reveal());
        return ok(undefined);
      }),
    profileUri: (username) => `https://www.tiktok.com/@${username}`,
    readAccount: (token) =>
      this.#answer('readAccount', token.reveal(), async () => this.#with(token, async () => ok(this.account))),
  };

  readonly publishing: TikTok['publishing'] = {
    readCreator: (token) =>
      this.#answer('readCreator', token.reveal(), async () => this.#with(token, async () => ok(this.creator))),
    announce: (token, { caption, plan }) =>
      this.#answer('announce', token.reveal(), async () =>
        this.#with(token, async () => {
          const publishId = `v_pub_file~${this.jobs.length + 1}`;
          this.jobs.push({ publishId, caption, plan, bytes: 0, verdict: this.verdict });
          return ok({ publishId, uploadUrl: new Secret(`https://upload.example/${publishId}`), uploadSeconds: 3600 });
        }),
      ),
    sendChunk: ({ uploadUrl, chunk, bytes, signal }) =>
      this.#answer('sendChunk', `${chunk.start}-${chunk.endExclusive}`, async () => {
        if (signal.aborted) return { kind: 'NOT_ANSWERED', error: UNAVAILABLE };
        const job = this.jobs.find(({ publishId }) => uploadUrl.reveal().endsWith(publishId));
        if (job === undefined || this.#deadAddresses.has(job.publishId)) {
          return { kind: 'ADDRESS_DEAD', error: { code: 'PLATFORM_UNAVAILABLE', tiktokCode: '403' } };
        }
        for await (const _ of bytes);
        if (chunk.start !== job.bytes) return { kind: 'MISALIGNED', confirmedBytes: job.bytes };
        job.bytes = chunk.endExclusive;
        return job.bytes === job.plan.sizeBytes
          ? { kind: 'COMPLETE' }
          : { kind: 'ACCEPTED', confirmedBytes: job.bytes };
      }),
    readStatus: (token, publishId) =>
      this.#answer('readStatus', publishId, async () =>
        this.#with(token, async (): Promise<Answers['readStatus']> => {
          const job = this.jobs.find((known) => known.publishId === publishId);
          if (job === undefined) return err({ code: 'CONNECTOR_REQUEST_REJECTED', tiktokCode: 'invalid_publish_id' });
          return ok(job.bytes < job.plan.sizeBytes ? { state: 'WORKING', uploadedBytes: job.bytes } : job.verdict);
        }),
      ),
    listVideos: (token) => this.#answer('listVideos', '', async () => this.#with(token, async () => ok(this.listed))),
    shareUri: (username, tiktokPostId) => `https://www.tiktok.com/@${username}/video/${tiktokPostId}`,
  };

  async #with<T>(token: Secret, request: () => Promise<Result<T, PublishError>>): Promise<Result<T, PublishError>> {
    return this.#accessTokens.has(token.reveal()) ? request() : err(DEAD);
  }

  async #answer<M extends Method>(method: M, detail: string, answer: () => Promise<Answers[M]>): Promise<Answers[M]> {
    this.calls.push(`${method} ${detail}`.trim());
    await this.#watchers.get(method)?.();
    const twist = this.#twists.get(method)?.shift() as Twist<M> | undefined;
    return twist === undefined ? answer() : twist(answer);
  }
}

/** Answers this, and does nothing. */
export const answers =
  <T>(answer: T) =>
  async (): Promise<T> =>
    answer;

export const refuses = (error: PublishError) => answers(err(error));

/** The request never arrives, or is done and its answer is lost. */
export const lostBefore = refuses(UNAVAILABLE);
export const lostAfter = async (answer: () => Promise<unknown>) => {
  await answer();
  return err(UNAVAILABLE);
};
