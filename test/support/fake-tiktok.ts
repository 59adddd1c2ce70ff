import type { TracedCall } from '../../src/application/ports/call-trace.ts';
import type { Clock } from '../../src/application/ports/clock.ts';
import type {
  Announced,
  ChunkOutcome,
  CreatorInfo,
  GrantRefusal,
  ListedVideo,
  Quota,
  Quotas,
  TikTok,
  TokenGrant,
  Uploads,
  VideoPage,
} from '../../src/application/ports/tiktok.ts';
import {
  type AccountReading,
  type Day,
  VIDEO_BREAKDOWNS,
  VIDEO_CURVES,
  type VideoMetric,
  type VideoReading,
} from '../../src/domain/analytics/reading.ts';
import { type Account, type ApiFamily, REQUESTED_SCOPES } from '../../src/domain/connection/connection.ts';
import type { ChunkPlan } from '../../src/domain/post/chunk-plan.ts';
import type { PostSettings } from '../../src/domain/post/settings.ts';
import type { PublishStatus } from '../../src/domain/post/verdict.ts';
import type { PublishError } from '../../src/domain/publish-error.ts';
import { err, ok, type Result } from '../../src/domain/result.ts';
import { Secret } from '../../src/domain/secret.ts';
import { fixedClock } from './fixed-clock.ts';

/** What each method answers. */
type Answers = {
  readonly exchange: Result<TokenGrant, GrantRefusal>;
  readonly refresh: Result<TokenGrant, GrantRefusal>;
  readonly revoke: Result<void, PublishError>;
  readonly readAccount: Result<Account, PublishError>;
  readonly readCreator: Result<CreatorInfo, PublishError>;
  readonly announce: Result<Announced, PublishError>;
  readonly announcePull: Result<{ readonly publishId: string }, PublishError>;
  readonly sendChunk: ChunkOutcome;
  readonly readStatus: Result<PublishStatus, PublishError>;
  readonly publicAmong: Result<readonly string[], PublishError>;
  readonly listVideos: Result<readonly ListedVideo[], PublishError>;
  readonly listInsights: Result<VideoPage, PublishError>;
  readonly readInsights: Result<readonly VideoReading[], PublishError>;
  readonly readAccountInsights: Result<AccountReading, PublishError>;
};
type Method = keyof Answers;

/** How one call goes: it may do what TikTok would do, before or after, or answer something else. */
export type Twist<M extends Method> = (answer: () => Promise<Answers[M]>) => Promise<Answers[M]>;

/** Something that was announced. It is a post once every byte is there. */
export type Job = {
  readonly publishId: string;
  readonly caption: string;
  readonly settings: PostSettings;
  readonly plan: ChunkPlan;
  readonly announceTime: Date;
  bytes: number;
  /** When every byte was there. */
  completeTime?: Date;
  /** What its status says when every byte is there. */
  verdict: PublishStatus;
};

export const UNAVAILABLE: PublishError = { code: 'PLATFORM_UNAVAILABLE' };
const DEAD: PublishError = { code: 'ACCOUNT_SESSION_INVALID', tiktokCode: 'access_token_invalid' };
const INVALID_PARAMS: PublishError = { code: 'CONNECTOR_REQUEST_REJECTED', tiktokCode: 'invalid_params' };
const NOBODY_WATCHED = { views: 0, likes: 0, comments: 0, shares: 0 };
const INVALID_GRANT = err({ code: 'INVALID_GRANT', error: DEAD } as const);
const ACCESS_SECONDS = 86_400;
const REFRESH_SECONDS = 31_536_000;
const UPLOAD_SECONDS = 3600;
const SCOPE_OF: Readonly<Partial<Record<keyof Account, string>>> = {
  username: 'user.info.profile',
  verified: 'user.info.profile',
  followerCount: 'user.info.stats',
  followingCount: 'user.info.stats',
  likesCount: 'user.info.stats',
  videoCount: 'user.info.stats',
};
/** Everything else of a video is told with `video.list`. */
const NEEDS_VIDEO_INSIGHTS: ReadonlySet<string> = new Set([
  'totalWatchSeconds',
  'averageWatchSeconds',
  'fullWatchRate',
  'newFollowers',
  'profileViews',
  ...VIDEO_CURVES,
  ...VIDEO_BREAKDOWNS,
] satisfies readonly VideoMetric[]);
const MAX_ASKED = 20;
const DAY_MS = 86_400_000;
const MAX_DAYS_BACK = 60;

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
  /** What the account's list holds. Unless said: what became public here. */
  listed: readonly ListedVideo[] | undefined;
  /** What is counted of the account's videos. Unless said: what became public here, and nobody watched yet. */
  videoReadings: readonly VideoReading[] | undefined;
  /** How many videos a page has at most: 0 to 20. Of 0, each goes back by a day. */
  pageSize = MAX_ASKED;
  /** What is counted of the account. `days` may be any: told are those of the last 60 that are asked for. */
  accountReading: AccountReading = {
    numbers: { followers: 1200, following: 80, totalLikes: 5400, videoCount: 12 },
    days: [],
    breakdowns: {},
  };
  /** Ids of posts that not everyone can see any more. */
  readonly hidden = new Set<string>();
  /** As of TikTok's documentation, a minute and two seconds. */
  quotas: Quotas = {
    ANNOUNCE: { calls: 6, windowSeconds: 62 },
    READ_CREATOR: { calls: 20, windowSeconds: 62 },
    READ_STATUS: { calls: 30, windowSeconds: 62 },
  };
  appQuotas: readonly Quota[] = [];
  postQuota?: Quota;
  /** Whether a pair stays good after the next one was issued. */
  keepsOlderPairs = false;
  /** What becomes of everything announced from now on. Unless said: what the post's settings ask for. */
  verdict: PublishStatus | undefined;

  readonly #twists = new Map<Method, unknown[]>();
  readonly #watchers = new Map<Method, () => unknown>();
  readonly #clock: Clock;
  readonly #heard: (call: Pick<TracedCall, 'endpoint' | 'code'>) => void;
  /** Without scopes once they are exchanged. */
  readonly #codes = new Map<string, readonly string[] | undefined>();
  /** Live tokens, each with the pair it came in and its end. */
  readonly #accessTokens = new Map<string, { readonly pair: TokenGrant; readonly endTime: Date }>();
  readonly #refreshTokens = new Map<string, { readonly pair: TokenGrant; readonly endTime: Date }>();
  readonly #deadAddresses = new Set<string>();
  #issued = 0;

  /** Lifetimes count on `clock`, which stands still unless one is given. `heard` is told of each call when it ended. */
  constructor({
    clock = fixedClock(),
    heard = () => {},
  }: { readonly clock?: Clock; readonly heard?: (call: Pick<TracedCall, 'endpoint' | 'code'>) => void } = {}) {
    this.#clock = clock;
    this.#heard = heard;
  }

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

  /** A person says yes. Gives a code for one exchange; `good` stands for a new one each time. */
  consent(scopes: readonly string[] = this.scopes): string {
    const code = `code.${this.#codes.size + 1}`;
    this.#codes.set(code, scopes);
    return code;
  }

  /** A consent: the only pair that is good from now on. */
  issue({ scopes = this.scopes }: { readonly scopes?: readonly string[] } = {}): TokenGrant {
    this.#issued += 1;
    if (!this.keepsOlderPairs) this.kill('grant');
    const pair: TokenGrant = {
      openId: this.account.openId,
      accessToken: new Secret(`act.${this.#issued}`),
      refreshToken: new Secret(`rft.${this.#issued}`),
      accessSeconds: ACCESS_SECONDS,
      refreshSeconds: REFRESH_SECONDS,
      scopes: [...scopes],
    };
    this.#accessTokens.set(pair.accessToken.reveal(), { pair, endTime: this.#in(ACCESS_SECONDS) });
    this.#refreshTokens.set(pair.refreshToken.reveal(), { pair, endTime: this.#in(REFRESH_SECONDS) });
    return pair;
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
    authorizeUri: ({ state, scopes }) =>
      `https://tiktok.example/authorize?state=${encodeURIComponent(state)}&scope=${scopes.join(',')}`,
    exchange: (code) =>
      this.#answer('exchange', '', async () => {
        if (code === 'good') return ok(this.issue());
        const scopes = this.#codes.get(code);
        this.#codes.set(code, undefined);
        return scopes === undefined ? INVALID_GRANT : ok(this.issue({ scopes }));
      }),
    refresh: (token) =>
      this.#answer('refresh', token.reveal(), async () => {
        const live = this.#live(this.#refreshTokens, token);
        return live === undefined ? INVALID_GRANT : ok(this.issue({ scopes: live.pair.scopes }));
      }),
    revoke: (token) =>
      this.#answer('revoke', token.reveal(), async () => {
        this.revoked.push(token.reveal());
        const pair = this.#accessTokens.get(token.reveal())?.pair;
        this.#accessTokens.delete(token.reveal());
        if (pair !== undefined) this.#refreshTokens.delete(pair.refreshToken.reveal());
        return ok(undefined);
      }),
    profileUri: (username) => `https://www.tiktok.com/@${username}`,
    readAccount: (token, scopes) =>
      this.#answer('readAccount', token.reveal(), async () =>
        this.#with(token, async () => ok(describedWithin(this.account, scopes))),
      ),
  };

  readonly publishing: TikTok['publishing'] & Uploads = {
    readCreator: (token) =>
      this.#answer('readCreator', token.reveal(), async () => this.#with(token, async () => ok(this.creator))),
    announce: (token, { caption, settings, plan }) =>
      this.#answer('announce', token.reveal(), async () =>
        this.#with(token, async () => {
          const { publishId } = this.#announced(caption, settings, plan);
          const uploadUrl = new Secret(`https://upload.example/${publishId}`);
          return ok({ publishId, uploadUrl, uploadSeconds: UPLOAD_SECONDS });
        }),
      ),
    /** Fetches the video in that moment. */
    announcePull: (token, { caption, settings }) =>
      this.#answer('announcePull', token.reveal(), async () =>
        this.#with(token, async () => {
          const job = this.#announced(caption, settings, { sizeBytes: 1, chunkBytes: 1, chunkCount: 1 });
          job.bytes = job.plan.sizeBytes;
          job.completeTime = this.#clock.now();
          return ok({ publishId: job.publishId });
        }),
      ),
    sendChunk: ({ uploadUrl, chunk, bytes, signal }) =>
      this.#answer('sendChunk', `${chunk.start}-${chunk.endExclusive}`, async () => {
        if (signal.aborted) return { kind: 'NOT_ANSWERED', error: UNAVAILABLE };
        const job = this.jobs.find(({ publishId }) => uploadUrl.reveal() === `https://upload.example/${publishId}`);
        if (job === undefined || this.#deadAddresses.has(job.publishId) || this.#isOver(job.announceTime)) {
          return { kind: 'ADDRESS_DEAD', error: { code: 'PLATFORM_UNAVAILABLE', tiktokCode: '403' } };
        }
        for await (const _ of bytes);
        if (signal.aborted) return { kind: 'NOT_ANSWERED', error: UNAVAILABLE };
        if (chunk.start !== job.bytes) return { kind: 'MISALIGNED', confirmedBytes: job.bytes };
        job.bytes = chunk.endExclusive;
        if (job.bytes < job.plan.sizeBytes) return { kind: 'ACCEPTED', confirmedBytes: job.bytes };
        job.completeTime = this.#clock.now();
        return { kind: 'COMPLETE' };
      }),
    readStatus: (token, publishId) =>
      this.#answer('readStatus', publishId, async () =>
        this.#with(token, async (): Promise<Answers['readStatus']> => {
          const job = this.jobs.find((known) => known.publishId === publishId);
          if (job === undefined) return err({ code: 'CONNECTOR_REQUEST_REJECTED', tiktokCode: 'invalid_publish_id' });
          return ok(job.bytes < job.plan.sizeBytes ? { state: 'WORKING', uploadedBytes: job.bytes } : job.verdict);
        }),
      ),
    publicAmong: (token, tiktokPostIds) =>
      this.#answer('publicAmong', tiktokPostIds.join(' '), async () =>
        this.#with(token, async () => {
          const shown = this.#publicVideos().map(({ tiktokPostId }) => tiktokPostId);
          return ok(tiktokPostIds.filter((id) => shown.includes(id)));
        }),
      ),
    listVideos: (token, before) =>
      this.#answer('listVideos', '', async () =>
        this.#with(token, async () => {
          const earlier = this.#publicVideos().filter(({ createTime }) => createTime < before);
          return ok(this.listed ?? earlier.slice(0, 20));
        }),
      ),
    shareUri: (username, tiktokPostId) => `https://www.tiktok.com/@${username}/video/${tiktokPostId}`,
  };

  readonly insights: TikTok['insights'] = {
    listVideos: (token, scopes, before) =>
      within(scopes, ['video.list'], () =>
        this.#answer('listInsights', before.toISOString(), async () =>
          this.#with(token, async () => {
            const earlier = this.#videoReadings(scopes).filter(({ createTime }) => createTime < before);
            const videos = earlier.slice(0, this.pageSize);
            if (videos.length === earlier.length) return ok({ videos });
            return ok({ videos, olderThan: videos.at(-1)?.createTime ?? new Date(before.getTime() - DAY_MS) });
          }),
        ),
      ),
    readVideos: async (token, scopes, tiktokPostIds) => {
      if (tiktokPostIds.length === 0) return ok([]);
      return within(scopes, ['video.list'], () =>
        this.#answer('readInsights', tiktokPostIds.join(' '), async () =>
          this.#with(token, async () => {
            if (tiktokPostIds.length > MAX_ASKED) return err(INVALID_PARAMS);
            return ok(this.#videoReadings(scopes).filter(({ tiktokPostId }) => tiktokPostIds.includes(tiktokPostId)));
          }),
        ),
      );
    },
    readAccount: (token, scopes, from, until) =>
      within(scopes, ['user.info.stats', 'user.insights'], () =>
        this.#answer('readAccountInsights', `${from} ${until}`, async () =>
          this.#with(token, async () => ok(this.#accountReading(scopes, from, until))),
        ),
      ),
  };

  #announced(caption: string, settings: PostSettings, plan: ChunkPlan): Job {
    const number = this.jobs.length + 1;
    const publishId = `v_pub_file~${number}`;
    const verdict = this.verdict ?? outcomeOf(settings, number);
    const job: Job = {
      publishId,
      caption,
      settings,
      plan: { ...plan },
      announceTime: this.#clock.now(),
      bytes: 0,
      verdict,
    };
    this.jobs.push(job);
    return job;
  }

  /** Newest first. */
  #publicVideos(): readonly ListedVideo[] {
    return this.jobs
      .flatMap(({ caption, completeTime, verdict }) =>
        completeTime === undefined || verdict.state !== 'PUBLISHED'
          ? []
          : verdict.tiktokPostIds.map((tiktokPostId) => ({
              tiktokPostId,
              createTime: completeTime,
              caption: caption.slice(0, 150),
              durationSeconds: 15,
            })),
      )
      .filter(({ tiktokPostId }) => !this.hidden.has(tiktokPostId))
      .toSorted((left, right) => right.createTime.getTime() - left.createTime.getTime());
  }

  /** Newest first, as far as the scopes go. */
  #videoReadings(scopes: readonly string[]): readonly VideoReading[] {
    const readings =
      this.videoReadings?.filter(({ tiktokPostId }) => !this.hidden.has(tiktokPostId)) ??
      this.#publicVideos().map((video) => ({ ...video, numbers: NOBODY_WATCHED, curves: {}, breakdowns: {} }));
    const told = <T extends object>(metrics: T): T =>
      Object.fromEntries(
        Object.entries(metrics).filter(
          ([metric]) => scopes.includes('video.insights') || !NEEDS_VIDEO_INSIGHTS.has(metric),
        ),
      ) as T;
    return structuredClone(readings)
      .map((reading) => ({
        ...reading,
        numbers: told(reading.numbers),
        curves: told(reading.curves),
        breakdowns: told(reading.breakdowns),
      }))
      .toSorted((left, right) => right.createTime.getTime() - left.createTime.getTime());
  }

  #accountReading(scopes: readonly string[], from: Day, until: Day): AccountReading {
    const { numbers, days, breakdowns } = structuredClone(this.accountReading);
    const insights = scopes.includes('user.insights');
    const [earliest, today] = [this.#daysBack(MAX_DAYS_BACK), this.#daysBack(0)];
    const told = days.filter(({ date }) => date >= from && date <= until && date >= earliest && date < today);
    return {
      numbers: scopes.includes('user.info.stats') ? numbers : {},
      days: insights ? told.toSorted((left, right) => left.date.localeCompare(right.date)) : [],
      breakdowns: insights ? breakdowns : {},
    };
  }

  #daysBack(days: number): Day {
    return this.#in(-days * 86_400)
      .toISOString()
      .slice(0, 10);
  }

  #in(seconds: number): Date {
    return new Date(this.#clock.now().getTime() + seconds * 1000);
  }

  #isOver(announceTime: Date): boolean {
    return this.#clock.now().getTime() >= announceTime.getTime() + UPLOAD_SECONDS * 1000;
  }

  #live<T extends { readonly endTime: Date }>(tokens: ReadonlyMap<string, T>, token: Secret): T | undefined {
    const found = tokens.get(token.reveal());
    return found !== undefined && this.#clock.now() < found.endTime ? found : undefined;
  }

  async #with<T>(token: Secret, request: () => Promise<Result<T, PublishError>>): Promise<Result<T, PublishError>> {
    return this.#live(this.#accessTokens, token) === undefined ? err(DEAD) : request();
  }

  async #answer<M extends Method>(method: M, detail: string, answer: () => Promise<Answers[M]>): Promise<Answers[M]> {
    this.calls.push(`${method} ${detail}`.trim());
    await this.#watchers.get(method)?.();
    const twist = this.#twists.get(method)?.shift() as Twist<M> | undefined;
    const answered = await (twist === undefined ? answer() : twist(answer));
    this.#heard({ endpoint: method, code: codeOf(answered) });
    return answered;
  }
}

/** One of `scopes` is enough. Without any TikTok is not asked. */
const within = async <T>(
  granted: readonly string[],
  scopes: readonly string[],
  ask: () => Promise<Result<T, PublishError>>,
): Promise<Result<T, PublishError>> =>
  scopes.some((scope) => granted.includes(scope)) ? ask() : err({ code: 'ACCOUNT_SCOPE_MISSING', scopes });

/** TikTok's word for how a call ended. */
function codeOf(answer: ChunkOutcome | Result<unknown, PublishError | GrantRefusal>): string {
  if ('kind' in answer) return answer.kind;
  if (answer.ok) return 'ok';
  const error = 'error' in answer.error ? answer.error.error : answer.error;
  return error.tiktokCode ?? error.code;
}

/** What TikTok makes of a post it has nothing against: only a public one gets an id. */
function outcomeOf({ draft, privacyLevel }: PostSettings, number: number): PublishStatus {
  if (draft) return { state: 'IN_CREATOR_INBOX' };
  const tiktokPostIds =
    privacyLevel === 'PUBLIC_TO_EVERYONE' ? [String(7_300_000_000_000_000_000n + BigInt(number))] : [];
  return { state: 'PUBLISHED', tiktokPostIds };
}

const describedWithin = (account: Account, scopes: readonly string[]): Account =>
  Object.fromEntries(
    Object.entries(account).filter(([field]) => {
      const scope = SCOPE_OF[field as keyof Account];
      return scope === undefined || scopes.includes(scope);
    }),
  ) as Account;

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
