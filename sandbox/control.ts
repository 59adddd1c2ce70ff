import { businessIdOf } from './business/business-id.ts';
import type { BusinessFamily } from './business/family.ts';
import { type BusinessScope, businessScopes, isBusinessScope } from './business/vocabulary.ts';
import type { Fault, FaultSpec } from './faults.ts';
import type { Hold, HoldMatch, Holds } from './holds.ts';
import { type Checks, listOf, notFound, oneOf, Refused, readPatch, refuse, text, whole } from './input.ts';
import { dayMs } from './insights/account-insights.ts';
import { type AccountInsights, type AccountTold, type DateRange, dayStart, type Told } from './insights/told.ts';
import type { VideoInsights } from './insights/video-insights.ts';
import type { VideoModel } from './insights/video-model.ts';
import { type Ledger, readLedger } from './ledger.ts';
import type { DraftEnding, Lifecycle } from './lifecycle.ts';
import type { OpenFamily } from './open/family.ts';
import { type TokenAnswer, tokenAnswer } from './open/token-answer.ts';
import { isScope, privacyLevels, type RemovalReason, removalReasons, type Scope, scopes } from './open/vocabulary.ts';
import type { BusinessAppPatch } from './sandbox.ts';
import { addCrowd, addVideo, type Crowd, checkPostable, type NewVideo } from './seeding.ts';
import {
  accountChecks,
  appChecks,
  businessChecks,
  calendarDate,
  crowdChecks,
  fittingModel,
  moment,
  newVideoChecks,
  settingChecks,
  videoModelChecks,
} from './settings.ts';
import {
  type Account,
  type App,
  type BusinessApp,
  type Family,
  ordinaryAccount,
  type Settings,
  type Time,
  type Video,
} from './state.ts';
import type { Pair } from './tokens.ts';
import { readTraffic, type Traffic } from './traffic.ts';
import type { World } from './world.ts';

export type VideoCounts = { viewCount: number; likeCount: number; commentCount: number; shareCount: number };
export type NewAccount = Partial<Account> & { username: string };

/** A video of an account, however it was posted. */
export type AccountVideo = {
  postId: string;
  /** Null: posted in the app. */
  publishId: string | null;
  openId: string;
  createTime: Time;
  caption: string;
  durationSeconds: number;
  public: boolean;
  deletedTime: Time | null;
  /** Whole, with what was not set; `pauses` as they were set. */
  model: Readonly<VideoModel>;
};

/** `at`: now unless said. Without `family`: the whole truth at that moment; with it, what this family then tells. */
export type InsightsQuestion = { at?: Time; family?: Family };

/** `asOf`: the moment that the numbers are of. */
export type VideoTruth = Told<Partial<VideoInsights>> & {
  postId: string;
  /** When somebody last viewed, liked, commented on or shared it by then; when it was posted, if nobody has. */
  activityTime: Time;
};
/** Dates are UTC. `days` are of the 60 days before `at` unless said, both dates included; more than 366 are refused. */
export type AccountQuestion = InsightsQuestion & { startDate?: string; endDate?: string };
export type AccountTruth = Told<Partial<AccountTold>> & { openId: string };
export type WholeVideoTruth = Omit<VideoTruth, 'values'> & { values: VideoInsights };
export type WholeAccountTruth = Omit<AccountTruth, 'values'> & { values: AccountInsights };

/** What a test may do to the sandbox. The same is served as JSON under `/_sandbox/`. Accounts are named by open_id or username. */
export type Control = {
  app(): App;
  changeApp(patch: Partial<App>): App;
  businessApp(): BusinessApp;
  changeBusinessApp(patch: BusinessAppPatch): BusinessApp;
  settings(): Settings;
  changeSettings(patch: Partial<Settings>): Settings;

  accounts(): Account[];
  addAccount(account: NewAccount): Account;
  changeAccount(account: string, patch: Partial<Omit<Account, 'openId'>>): Account;
  /** The user (or TikTok) withdraws the consent; tells the app by webhook. Reason 1 and the open app unless said. */
  disconnectAccount(account: string, reason?: RemovalReason, family?: Family): void;
  /** A token pair without the walk through the pages. All scopes of the app unless said. */
  issueTokens(account: string, scopes?: readonly Scope[]): TokenAnswer;
  /** The same of the Business family. */
  issueBusinessTokens(account: string, scopes?: readonly BusinessScope[]): Pair & { openId: string };
  /** What a person does on the consent page; all requested scopes unless said. */
  consent(consent: {
    authorizeUri: string;
    account: string;
    scopes?: readonly (Scope | BusinessScope)[];
  }): Promise<ConsentResult>;
  /** The same person clicks Cancel. Gives where the browser is sent. */
  denyConsent(authorizeUri: string): Promise<string>;

  faults(): Fault[];
  addFault(fault: FaultSpec): Fault;
  removeFault(faultId: string): void;
  clearFaults(): void;
  holds(): Hold[];
  /** Resolves when such a call is held: at once if one is already. */
  waitForHold(match?: HoldMatch): Promise<Hold>;
  /** Lets one call go on, or all; `drop` breaks its connection instead. Gives how many. */
  release(holdId?: string, how?: 'answer' | 'drop'): number;

  now(): number;
  /** Moves the sandbox's clock forward; what comes due by that happens before this returns. */
  advanceClock(milliseconds: number): number;

  ledger(): Ledger;
  /** How fast the apps called, after the call with the number `since`; of all that the ledger still has unless said. */
  traffic(since?: number): Traffic;
  /** Looks now and after every change, until `look` gives something other than undefined, null or false. */
  waitUntil<T>(look: (ledger: Ledger) => T | undefined | null | false, options?: { signal?: AbortSignal }): Promise<T>;

  expireUploadUrl(publishId: string): void;
  /** Ends processing now, also of a stuck one. */
  finishProcessing(publishId: string): void;
  /** The user posts the draft (again, if done before). One public post without a title unless said. */
  finishDraft(publishId: string, ending?: DraftEnding): void;
  /** The user makes the video public, or takes it out of public view. */
  setVideoPublic(postId: string, isPublic: boolean): void;
  /** All that ever were, deleted ones included, newest first. */
  videos(account: string): AccountVideo[];
  /** The user posts it in the app: no publish, no webhook. */
  addVideo(account: string, video?: NewVideo): AccountVideo;
  /** The same of many, which are all there or none. */
  addVideos(account: string, videos: readonly NewVideo[]): AccountVideo[];
  /** Many accounts with many videos each, in their order. */
  addCrowd(crowd: Crowd): { openId: string; username: string; postIds: string[] }[];
  /** It is no longer public, and never is again. Its past numbers stay in those of the account. */
  deleteVideo(postId: string): void;
  /** Changes how it does, from its first moment on: what was read before may not fit what is read now. */
  changeVideoModel(postId: string, model: Partial<VideoModel>): AccountVideo;
  /** The same in short: it has these at once and gets no more. */
  changeVideoCounts(postId: string, counts: Partial<VideoCounts>): void;
  /** What the model says, to compare with what a reader of the API made of it. Scopes are not looked at. */
  insights(postId: string, question?: { at?: Time }): WholeVideoTruth;
  insights(postId: string, question: InsightsQuestion): VideoTruth;
  /** The same of an account. */
  accountInsights(account: string, question?: Omit<AccountQuestion, 'family'>): WholeAccountTruth;
  accountInsights(account: string, question: AccountQuestion): AccountTruth;
  /** Sends a webhook of the ledger now, once more if need be. Gives the status that came back, null for none. */
  deliverWebhook(webhookId: string): Promise<number | null>;

  /** Back to the accounts, app and settings of the start. Held calls are dropped, faults and the ledger are gone. */
  reset(): Promise<void>;
};

/** `state` and `code` as they arrived at `redirectUri`, which has no query here. */
export type ConsentResult = { redirectUri: string; code: string; state: string; scopes: string[] };

type Parts = {
  world: World;
  families: { OPEN: OpenFamily; BUSINESS: BusinessFamily };
  lifecycle: Lifecycle;
  holds: Holds;
  findAccount: (name: string) => Account | undefined;
  /** Called with a look that gives true when it needs no more looks. */
  watch: (look: () => boolean) => () => void;
  reset: () => Promise<void>;
};

const endingChecks: Checks<DraftEnding> = {
  posts: whole(1, 20),
  title: text(0, 2200),
  privacyLevel: oneOf(...privacyLevels),
};
const count = whole(0, Number.MAX_SAFE_INTEGER);
const questionChecks: Checks<InsightsQuestion> = { at: moment, family: oneOf('OPEN', 'BUSINESS') };
const accountQuestionChecks: Checks<AccountQuestion> = {
  ...questionChecks,
  startDate: calendarDate,
  endDate: calendarDate,
};
const countChecks: Checks<VideoCounts> = {
  viewCount: count,
  likeCount: count,
  commentCount: count,
  shareCount: count,
};

export function controlOf({ world, families, lifecycle, holds, findAccount, watch, reset }: Parts): Control {
  const { state, clock, timeline, ids, faults, byAccount, insights } = world;
  const ledger = () => readLedger(state, clock.now());

  const needAccount = (name: string): Account =>
    findAccount(name) ?? notFound('account', name, 'GET /_sandbox/accounts lists them.');

  function change<T extends object>(target: T, checks: Checks<T>, patch: unknown, field: string): T {
    Object.assign(target, readPatch(checks, patch, field));
    world.changed();
    return { ...target };
  }

  function claimName(name: string, owner?: Account): void {
    const found = findAccount(name);
    if (!found || found === owner) return;
    throw new Refused(409, {
      field: 'account',
      seen: name,
      limit: 'must not be taken by another account',
      remedy: 'Choose another name, or PATCH that account.',
    });
  }

  const needVideo = (postId: string): Video =>
    state.videos.get(postId) ?? notFound('postId', postId, 'GET /_sandbox/accounts/{account}/videos lists them.');

  function described(video: Video): AccountVideo {
    const { postId, publishId, openId, createTime, title, deletedTime } = video;
    return {
      ...{ postId, publishId, openId, createTime, caption: title, deletedTime, public: video.public },
      durationSeconds: insights.duration(video),
      model: insights.model(video),
    };
  }

  function changeModel(postId: string, patch: Partial<VideoModel>): AccountVideo {
    const video = needVideo(postId);
    video.model = fittingModel({ ...video.model, ...readPatch(videoModelChecks, patch, 'model') }, 'model');
    world.changed();
    return described(video);
  }

  function readRange({ startDate, endDate }: AccountQuestion, at: Time): DateRange {
    const lastDay = endDate === undefined ? dayStart(at) - dayMs : Date.parse(endDate);
    const firstDay = startDate === undefined ? lastDay - 59 * dayMs : Date.parse(startDate);
    if (firstDay > lastDay || lastDay - firstDay > 366 * dayMs) {
      refuse('startDate', startDate, 'must be at most 366 days before endDate', 'Ask for fewer days.');
    }
    return { firstDay, lastDay };
  }

  function insightsAt(postId: string, question: InsightsQuestion): VideoTruth {
    const { at = clock.now(), family } = readPatch(questionChecks, question, 'question');
    const video = needVideo(postId);
    const truth = insights.truth(video, at);
    return { postId, ...truth, ...(family === undefined ? {} : insights.told(video, at, family)) };
  }

  function accountInsightsAt(name: string, question: AccountQuestion): AccountTruth {
    const checked = readPatch(accountQuestionChecks, question, 'question');
    const { at = clock.now(), family } = checked;
    const account = needAccount(name);
    const range = readRange(checked, at);
    return {
      openId: account.openId,
      ...(family === undefined
        ? insights.accountTruth(account, at, range)
        : insights.accountTold(account, at, family, range)),
    };
  }

  function createAccount(input: NewAccount): Account {
    const patch = readPatch(accountChecks, input, 'account');
    const username = patch.username ?? refuse('account.username', undefined, 'is needed', 'Choose a name.');
    const openId = patch.openId ?? `-000${ids.secret('open_id', 32)}`;
    claimName(openId);
    claimName(username);
    const account = { ...ordinaryAccount(openId, username), ...patch };
    state.accounts.set(openId, account);
    return account;
  }

  async function submit(authorizeUri: string, form: [string, string][]): Promise<URL> {
    const page = await fetch(authorizeUri, { redirect: 'manual' });
    const text = await page.text();
    if (page.status !== 200) {
      return refuse('authorizeUri', authorizeUri, 'must lead to the consent page', `It showed ${page.status}: ${text}`);
    }
    const answer = await fetch(authorizeUri, { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' });
    const location = answer.headers.get('location');
    const explanation = await answer.text();
    if (answer.status === 302 && location) return new URL(location);
    return refuse('consent', form, 'must be accepted by the page', `It showed ${answer.status}: ${explanation}`);
  }

  function checkedVideo(account: Account, input: NewVideo, field: string): NewVideo {
    const video = readPatch(newVideoChecks, input, field);
    if (video.model) fittingModel(video.model, `${field}.model`);
    checkPostable(account, clock.now(), video, field);
    return video;
  }

  return {
    app: () => structuredClone(state.app),
    changeApp: (patch) => change(state.app, appChecks, patch, 'app'),
    businessApp: () => structuredClone(state.business),
    changeBusinessApp: (patch) => structuredClone(change(state.business, businessChecks, patch, 'business')),
    settings: () => ({ ...state.settings }),
    changeSettings: (patch) => change(state.settings, settingChecks, patch, 'settings'),

    accounts: () => [...state.accounts.values()].map((account) => ({ ...account })),
    addAccount(input) {
      const account = createAccount(input);
      world.changed();
      return { ...account };
    },
    changeAccount(name, patch) {
      const account = needAccount(name);
      const { openId: _, ...checks } = accountChecks;
      const checked = readPatch(checks, patch, 'account');
      if (checked.username !== undefined) claimName(checked.username, account);
      return change(account, accountChecks, checked, 'account');
    },
    disconnectAccount(name, reason = 1, family = 'OPEN') {
      families[oneOf('OPEN', 'BUSINESS')(family, 'family')].tokens.endAccount(
        needAccount(name).openId,
        oneOf(...removalReasons)(reason, 'reason'),
      );
    },
    issueTokens(name, wanted = state.app.scopes) {
      const checked = listOf(oneOf(...scopes), scopes.length)(wanted, 'scopes');
      return tokenAnswer(families.OPEN.tokens.grant(needAccount(name).openId, checked));
    },
    issueBusinessTokens(name, wanted = state.business.scopes) {
      const { openId } = needAccount(name);
      const checked = listOf(oneOf(...businessScopes), businessScopes.length)(wanted, 'scopes');
      return { openId: businessIdOf(openId), ...families.BUSINESS.tokens.grant(openId, checked) };
    },
    async consent({ authorizeUri, account, scopes: ticked }) {
      const requested = (URL.parse(authorizeUri)?.searchParams.get('scope') ?? '')
        .split(',')
        .filter((word) => isScope(word) || isBusinessScope(word));
      const target = await submit(authorizeUri, [
        ['account', needAccount(account).openId],
        ['decision', 'grant'],
        ...(ticked ?? requested).map((scope): [string, string] => ['scope', scope]),
      ]);
      const read = (name: string) => target.searchParams.get(name) ?? '';
      const result = { code: read('code'), state: read('state'), scopes: read('scopes').split(',') };
      target.search = '';
      return { redirectUri: target.href, ...result };
    },
    denyConsent: async (authorizeUri) => (await submit(authorizeUri, [['decision', 'deny']])).href,

    faults: () => faults.list(),
    addFault: (fault) => faults.add(fault),
    removeFault: (faultId) => faults.remove(faultId),
    clearFaults: () => faults.clear(),
    holds: () => holds.list(),
    waitForHold: (match = {}) => holds.arrival(match),
    release: (holdId, how = 'answer') => holds.release(holdId, oneOf('answer', 'drop')(how, 'how')),

    now: () => clock.now(),
    advanceClock(milliseconds) {
      state.clockOffsetMs += whole(0, 10 * 365 * 86_400_000)(milliseconds, 'milliseconds');
      timeline.runDue();
      world.changed();
      return clock.now();
    },

    ledger,
    traffic: (since = 0) => readTraffic(state, whole(0, state.callCount)(since, 'since')),
    waitUntil(look, { signal } = {}) {
      return new Promise((resolve, reject) => {
        const stop = watch(() => {
          try {
            const seen = look(ledger());
            if (seen === undefined || seen === null || seen === false) return false;
            resolve(seen);
          } catch (error) {
            reject(error);
          }
          return true;
        });
        const abort = () => {
          stop();
          reject(signal?.reason);
        };
        if (signal?.aborted) abort();
        else signal?.addEventListener('abort', abort, { once: true });
      });
    },

    expireUploadUrl(publishId) {
      const source = state.publishes.get(publishId)?.source;
      if (source?.kind !== 'FILE_UPLOAD') return notFound('publishId', publishId, 'The ledger lists the inits.');
      source.plan.expiresTime = clock.now();
      world.changed();
    },
    finishProcessing: (publishId) => lifecycle.finishProcessing(publishId),
    finishDraft: (publishId, ending = {}) => lifecycle.finishDraft(publishId, readPatch(endingChecks, ending, 'draft')),
    setVideoPublic(postId, isPublic) {
      const video = needVideo(postId);
      if (video.deletedTime !== null) notFound('postId', postId, 'It was deleted.');
      lifecycle.setPublic(video, isPublic);
    },
    videos: (name) => byAccount.videos(needAccount(name).openId).toReversed().map(described),
    addVideo(name, input = {}) {
      const account = needAccount(name);
      const added = described(addVideo(world, account, checkedVideo(account, input, 'video')));
      world.changed();
      return added;
    },
    addVideos(name, inputs) {
      const account = needAccount(name);
      const videos = inputs.map((input, index) => checkedVideo(account, input, `videos[${index}]`));
      const added = videos.map((video) => described(addVideo(world, account, video)));
      world.changed();
      return added;
    },
    addCrowd(input) {
      const crowd = readPatch(crowdChecks, input, 'crowd');
      const { accounts = refuse('crowd.accounts', undefined, 'is needed', 'Say how many.'), account } = crowd;
      if (crowd.model) fittingModel(crowd.model, 'crowd.model');
      const added = addCrowd(world, { ...crowd, accounts }, (username) => createAccount({ username, ...account }));
      world.changed();
      return Array.from(added, ([{ openId, username }, videos]) => ({
        ...{ openId, username },
        postIds: videos.map(({ postId }) => postId),
      }));
    },
    deleteVideo(postId) {
      const video = needVideo(postId);
      lifecycle.setPublic(video, false);
      video.deletedTime ??= clock.now();
      world.changed();
    },
    changeVideoModel: changeModel,
    changeVideoCounts(postId, counts) {
      const { viewCount, likeCount, commentCount, shareCount } = readPatch(countChecks, counts, 'video');
      changeModel(postId, {
        halfLifeMs: 0,
        ...(viewCount === undefined ? {} : { finalViews: viewCount }),
        ...(likeCount === undefined ? {} : { finalLikes: likeCount }),
        ...(commentCount === undefined ? {} : { finalComments: commentCount }),
        ...(shareCount === undefined ? {} : { finalShares: shareCount }),
      });
    },
    // What the two answer without a family has all numbers: the declaration says so.
    insights: ((postId, question = {}) => insightsAt(postId, question)) as Control['insights'],
    accountInsights: ((name, question = {}) => accountInsightsAt(name, question)) as Control['accountInsights'],
    deliverWebhook: (webhookId) => world.webhooks.deliver(webhookId),
    reset,
  };
}
