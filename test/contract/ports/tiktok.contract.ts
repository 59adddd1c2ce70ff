import { describe, expect, it } from 'vitest';
import type { ChunkOutcome, TikTok, TokenGrant, Uploads, VideoPage } from '../../../src/application/ports/tiktok.ts';
import { VIDEO_NUMBERS, type VideoReading } from '../../../src/domain/analytics/reading.ts';
import { REQUESTED_SCOPES } from '../../../src/domain/connection/connection.ts';
import { type ChunkPlan, chunkAt } from '../../../src/domain/post/chunk-plan.ts';
import type { PostSettings, PrivacyLevel } from '../../../src/domain/post/settings.ts';
import type { Result } from '../../../src/domain/result.ts';
import { Secret } from '../../../src/domain/secret.ts';

export type TikTokCall =
  | 'exchange'
  | 'refresh'
  | 'revoke'
  | 'readAccount'
  | 'readCreator'
  | 'announce'
  | 'announcePull'
  | 'sendChunk'
  | 'readStatus'
  | 'publicAmong'
  | 'listVideos'
  | 'listInsights'
  | 'readInsights'
  | 'readAccountInsights';

/** In what the families of TikTok differ. */
export type Traits = {
  /** How bytes get there. */
  readonly transfer: 'UPLOAD' | 'PULL';
  readonly privacyLevels: readonly PrivacyLevel[];
  /** Whether drafts are among what we ask permission for. */
  readonly drafts: boolean;
  /** How much of a caption its list shows. Absent: all of it. */
  readonly listedCaption?: number;
};

export const OPEN_TRAITS: Traits = {
  transfer: 'UPLOAD',
  privacyLevels: ['PUBLIC_TO_EVERYONE', 'SELF_ONLY'],
  drafts: true,
  listedCaption: 150,
};

/** What there is beyond the port: the person, the moderators, the network and the time. */
export type OtherSide = {
  /** Whether a refresh kills the token it spends. */
  readonly rotates: boolean;
  /** The person says yes on the page at this address and leaves only these permissions on. Gives what comes back to us. */
  consent(authorizeUri: string, scopes?: readonly string[]): Promise<{ readonly code: string; readonly state: string }>;
  /** The person removes the app from the account. */
  removeApp(): void;
  /** Moderators will refuse the next post for its content. */
  flagNext(): void;
  /** Where TikTok can fetch these bytes, as often as it likes. Only where it fetches. */
  host?(bytes: Buffer): Promise<Secret>;
  /** Resolves when TikTok has fetched all there is. */
  fetched?(publishId: string): Promise<unknown>;
  /** Processing and moderation of a post that has every byte are over. */
  finish(publishId: string): void;
  /** The public posts that this one became, as TikTok knows them. */
  publicIds(publishId: string): readonly string[];
  /** The creator takes the post out of public view, or shows it again. */
  show(tiktokPostId: string, isPublic: boolean): void;
  /** The next such call is lost on its way, or is done and its answer is lost. */
  loseNext(call: TikTokCall, what: 'REQUEST' | 'ANSWER'): void;
  /** How often such a call arrived, or was lost on its way. */
  asked(call: TikTokCall): number;
  now(): Date;
  passTime(seconds: number): void;
};

const twoChunks: ChunkPlan = { sizeBytes: 10_485_761, chunkBytes: 5_242_880, chunkCount: 2 };
const oneChunk: ChunkPlan = { sizeBytes: 1000, chunkBytes: 1000, chunkCount: 1 };
const file = Buffer.alloc(twoChunks.sizeBytes, 'glow');
file.write('ftypisom', 4, 'latin1');

const settings: PostSettings = {
  privacyLevel: 'PUBLIC_TO_EVERYONE',
  allowComment: true,
  allowDuet: true,
  allowStitch: true,
  yourBrand: false,
  brandedContent: false,
  aiGenerated: false,
  draft: false,
};

const UNAVAILABLE = { code: 'PLATFORM_UNAVAILABLE' };

function got<T>(result: Result<T, unknown>): T {
  if (result.ok) return result.value;
  throw new Error('refused', { cause: result.error });
}

type Upload = { readonly uploadUrl: Secret; readonly plan: ChunkPlan };
type Sending = { readonly signal?: AbortSignal; readonly bytes?: (whole: Buffer) => AsyncIterable<Uint8Array> };

/** What every TikTok does. `make` gives one with an account that may post a lot, and its other side. */
export function tiktokContract(
  name: string,
  make: () => Promise<{ readonly tiktok: TikTok; readonly other: OtherSide }>,
  traits: Traits = OPEN_TRAITS,
): void {
  const uploads = traits.transfer === 'UPLOAD';
  const onlyMine = traits.privacyLevels.includes('SELF_ONLY');

  async function connected(scopes?: readonly string[]) {
    const { tiktok, other } = await make();
    const { authorization, publishing, insights } = tiktok;
    /** Only asked for where the traits say that it is there. */
    const sender = publishing as Uploads;

    async function consent(only = scopes): Promise<TokenGrant> {
      const requested = REQUESTED_SCOPES[tiktok.family];
      const { code } = await other.consent(authorization.authorizeUri({ state: 's', scopes: requested }), only);
      return got(await authorization.exchange(code));
    }

    const send = ({ uploadUrl, plan }: Upload, from: number, { signal, bytes = pieces }: Sending = {}) => {
      const chunk = chunkAt(plan, from);
      if (chunk === undefined) throw new Error('every byte is behind');
      return sender.sendChunk({
        uploadUrl,
        plan,
        chunk,
        contentType: 'video/mp4',
        bytes: bytes(file.subarray(chunk.start, chunk.endExclusive)),
        signal: signal ?? new AbortController().signal,
      });
    };

    type Wish = { caption?: string; settings?: Partial<PostSettings> };
    const announce = async (plan: ChunkPlan, wish: Wish = {}) => {
      const post = { caption: wish.caption ?? '', settings: { ...settings, ...wish.settings }, plan };
      return { plan, ...got(await sender.announce(grant.accessToken, post)) };
    };

    /** Tells TikTok of a post, in the family's way, and gives what came of it. */
    async function tell(token: Secret, wish: Wish = {}): Promise<Result<{ readonly publishId: string }, unknown>> {
      const post = { caption: wish.caption ?? '', settings: { ...settings, ...wish.settings } };
      if (uploads) return sender.announce(token, { ...post, plan: oneChunk });
      const mediaUrl = await other.host?.(file.subarray(0, oneChunk.sizeBytes));
      if (mediaUrl === undefined) throw new Error('there is nothing to fetch from');
      return publishing.announcePull(token, { ...post, mediaUrl });
    }

    /** A post that has every byte. */
    const sent = async (wish?: Wish): Promise<{ readonly publishId: string }> => {
      if (!uploads) {
        const pulled = got(await tell(grant.accessToken, wish));
        await other.fetched?.(pulled.publishId);
        return pulled;
      }
      const post = await announce(oneChunk, wish);
      expect(await send(post, 0)).toEqual({ kind: 'COMPLETE' });
      return post;
    };

    const statusOf = async ({ publishId }: { readonly publishId: string }) =>
      got(await publishing.readStatus(grant.accessToken, publishId));

    const listed = async (before = new Date(other.now().getTime() + 1000)) =>
      got(await publishing.listVideos(grant.accessToken, before));

    /** Posts that many videos that everyone can see, a minute after each other. Gives their ids, newest first. */
    const posted = async (count: number): Promise<readonly string[]> => {
      const ids: string[] = [];
      for (let number = 1; number <= count; number += 1) {
        const { publishId } = await sent({ caption: `${number}` });
        other.finish(publishId);
        ids.unshift(...other.publicIds(publishId));
        other.passTime(60);
      }
      return ids;
    };

    /** Waits until TikTok has counted, which outlasts an access token. Gives the next one. */
    const counted = async (): Promise<Secret> => {
      other.passTime(3 * 86_400);
      return got(await authorization.refresh(grant.refreshToken)).accessToken;
    };

    /** Every page, from the newest video on. */
    const pages = async (token = grant.accessToken): Promise<readonly (readonly VideoReading[])[]> => {
      const read: (readonly VideoReading[])[] = [];
      let before: Date | undefined = new Date(other.now().getTime() + 1000);
      while (before !== undefined) {
        const page: VideoPage = got(await insights.listVideos(token, grant.scopes, before));
        read.push(page.videos);
        before = page.olderThan;
      }
      return read;
    };

    const grant = await consent();
    const asking = { consent, announce, tell, send, sent, posted, counted, statusOf, listed, pages };
    return { tiktok, other, authorization, publishing, insights, grant, ...asking };
  }
  type Connected = Awaited<ReturnType<typeof connected>>;

  describe(`TikTok, as ${name}`, () => {
    describe('a consent', () => {
      it('sends the person to a page that gives our state back as it was', async () => {
        const { tiktok, other } = await make();
        const scopes = REQUESTED_SCOPES[tiktok.family];
        const authorizeUri = tiktok.authorization.authorizeUri({ state: 's=1&scope=x#%41+é', scopes });
        expect(await other.consent(authorizeUri)).toMatchObject({ state: 's=1&scope=x#%41+é' });
      });

      it('gives tokens with lifetimes, and every permission that was asked for', async () => {
        const { tiktok, grant } = await connected();
        expect(grant.accessSeconds).toBeGreaterThan(0);
        expect(grant.refreshSeconds).toBeGreaterThan(grant.accessSeconds);
        expect(grant.scopes.toSorted()).toEqual(REQUESTED_SCOPES[tiktok.family].toSorted());
        expect(grant.accessToken.reveal()).not.toBe(grant.refreshToken.reveal());
      });

      it('gives the permissions that the person left on, and no others', async () => {
        const { grant } = await connected(['user.info.basic', 'video.publish']);
        expect(grant.scopes.toSorted()).toEqual(['user.info.basic', 'video.publish']);
      });

      it('is worth tokens once', async () => {
        const { tiktok, other } = await make();
        const scopes = REQUESTED_SCOPES[tiktok.family];
        const { code } = await other.consent(tiktok.authorization.authorizeUri({ state: 's', scopes }));
        expect(await tiktok.authorization.exchange(code)).toMatchObject({ ok: true });
        expect(await tiktok.authorization.exchange(code)).toMatchObject({ error: { code: 'INVALID_GRANT' } });
      });

      it('is worth tokens once for twenty who come at once', async () => {
        const { tiktok, other } = await make();
        const scopes = REQUESTED_SCOPES[tiktok.family];
        const { code } = await other.consent(tiktok.authorization.authorizeUri({ state: 's', scopes }));
        const outcomes = await Promise.all(Array.from({ length: 20 }, () => tiktok.authorization.exchange(code)));
        expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
      });

      it('can not be made up', async () => {
        const { tiktok } = await make();
        expect(await tiktok.authorization.exchange('made.up')).toMatchObject({ error: { code: 'INVALID_GRANT' } });
      });

      it('after the app was removed connects the same account anew', async () => {
        const { other, publishing, grant, consent } = await connected();
        other.removeApp();
        const fresh = await consent();
        expect(fresh.openId).toBe(grant.openId);
        expect(await publishing.readCreator(fresh.accessToken)).toMatchObject({ ok: true });
        expect(await publishing.readCreator(grant.accessToken)).toMatchObject({ ok: false });
      });
    });

    describe('a refresh', () => {
      it('gives a pair that works, for the same account and permissions', async () => {
        const { authorization, publishing, grant } = await connected(['user.info.basic', 'video.publish']);
        const child = got(await authorization.refresh(grant.refreshToken));
        expect(child.openId).toBe(grant.openId);
        expect(child.scopes.toSorted()).toEqual(grant.scopes.toSorted());
        expect(child.accessToken.reveal()).not.toBe(grant.accessToken.reveal());
        expect(child.accessSeconds).toBeGreaterThan(0);
        expect(child.refreshSeconds).toBeGreaterThan(child.accessSeconds);
        expect(await publishing.readCreator(child.accessToken)).toMatchObject({ ok: true });
        expect(await authorization.refresh(child.refreshToken)).toMatchObject({ ok: true });
      });

      it('spends its token where TikTok rotates them, and nowhere else', async () => {
        const { other, authorization, grant } = await connected();
        got(await authorization.refresh(grant.refreshToken));
        const again = await authorization.refresh(grant.refreshToken);
        expect(again).toMatchObject(other.rotates ? { error: { code: 'INVALID_GRANT' } } : { ok: true });
      });

      it('has one winner where TikTok rotates tokens, and twenty winners elsewhere', async () => {
        const { other, authorization, grant } = await connected();
        const outcomes = await Promise.all(Array.from({ length: 20 }, () => authorization.refresh(grant.refreshToken)));
        expect(outcomes.filter(({ ok }) => ok)).toHaveLength(other.rotates ? 1 : 20);
      });

      it('brings access back when its lifetime is over', async () => {
        const { other, authorization, publishing, grant } = await connected();
        other.passTime(grant.accessSeconds - 60);
        expect(await publishing.readCreator(grant.accessToken)).toMatchObject({ ok: true });
        other.passTime(60);
        expect(await publishing.readCreator(grant.accessToken)).toMatchObject({ ok: false });
        const child = got(await authorization.refresh(grant.refreshToken));
        expect(await publishing.readCreator(child.accessToken)).toMatchObject({ ok: true });
      });

      it('comes too late when the lifetime of its token is over', async () => {
        const { other, authorization, grant } = await connected();
        other.passTime(grant.refreshSeconds);
        expect(await authorization.refresh(grant.refreshToken)).toMatchObject({ error: { code: 'INVALID_GRANT' } });
      });

      it('is refused for a token that was made up, or whose app was removed', async () => {
        const { other, authorization, grant } = await connected();
        expect(await authorization.refresh(new Secret('made.up'))).toMatchObject({ error: { code: 'INVALID_GRANT' } });
        other.removeApp();
        expect(await authorization.refresh(grant.refreshToken)).toMatchObject({ error: { code: 'INVALID_GRANT' } });
      });
    });

    describe('a revoked pair', () => {
      it('is dead, both tokens', async () => {
        const { authorization, publishing, grant } = await connected();
        expect(await authorization.revoke(grant.accessToken)).toEqual({ ok: true, value: undefined });
        expect(await publishing.readCreator(grant.accessToken)).toMatchObject({ ok: false });
        expect(await authorization.refresh(grant.refreshToken)).toMatchObject({ error: { code: 'INVALID_GRANT' } });
      });

      it('is revoked again without harm, as is one that never was', async () => {
        const { authorization, grant } = await connected();
        for (const token of [grant.accessToken, grant.accessToken, new Secret('made.up')]) {
          expect(await authorization.revoke(token)).toEqual({ ok: true, value: undefined });
        }
      });
    });

    describe.each<[string, (world: Connected) => unknown]>([
      ['was revoked', ({ authorization, grant }) => authorization.revoke(grant.accessToken)],
      ['is of an app that the person removed', ({ other }) => other.removeApp()],
      ['has run out', ({ other, grant }) => other.passTime(grant.accessSeconds)],
      ['was made up', () => undefined],
    ])('an access token that %s', (why, end) => {
      it('opens nothing', async () => {
        const world = await connected();
        const { authorization, publishing, insights, grant } = world;
        const { publishId } = got(await world.tell(grant.accessToken));
        await end(world);
        const token = why === 'was made up' ? new Secret('made.up') : grant.accessToken;
        const calls = {
          readAccount: await authorization.readAccount(token, grant.scopes),
          readCreator: await publishing.readCreator(token),
          announce: await world.tell(token),
          announceDraft: await world.tell(token, { settings: { draft: true } }),
          readStatus: await publishing.readStatus(token, publishId),
          publicAmong: await publishing.publicAmong(token, ['7']),
          listVideos: await publishing.listVideos(token, world.other.now()),
          listInsights: await insights.listVideos(token, grant.scopes, world.other.now()),
          readInsights: await insights.readVideos(token, grant.scopes, ['7']),
          readAccountInsights: await insights.readAccount(token, grant.scopes, '2026-11-01', '2026-11-21'),
        };
        for (const [call, outcome] of Object.entries(calls)) {
          expect(outcome, call).toMatchObject({ ok: false, error: { code: 'ACCOUNT_SESSION_INVALID' } });
        }
      });
    });

    describe('an account', () => {
      it('is the one that consented, with its handle and counts', async () => {
        const { authorization, grant } = await connected();
        const account = got(await authorization.readAccount(grant.accessToken, grant.scopes));
        expect(account).toMatchObject({ openId: grant.openId, displayName: expect.stringMatching(/./) });
        expect(account).toMatchObject({
          username: expect.stringMatching(/^[^@]+$/),
          followerCount: expect.any(Number),
        });
      });

      it('is described as far as the permissions go', async () => {
        const { authorization, grant } = await connected(['user.info.basic', 'video.publish']);
        const account = got(await authorization.readAccount(grant.accessToken, grant.scopes));
        expect(account).toMatchObject({ openId: grant.openId });
        expect(account).not.toHaveProperty('username');
        expect(account).not.toHaveProperty('followerCount');
      });

      it('says what it may publish at this moment', async () => {
        const { authorization, publishing, grant } = await connected();
        const { username, displayName } = got(await authorization.readAccount(grant.accessToken, grant.scopes));
        const creator = got(await publishing.readCreator(grant.accessToken));
        expect(creator).toMatchObject({
          privacyLevels: expect.arrayContaining([...traits.privacyLevels]),
          commentAvailable: expect.any(Boolean),
          duetAvailable: expect.any(Boolean),
          stitchAvailable: expect.any(Boolean),
        });
        expect(creator.maxVideoSeconds).toBeGreaterThan(0);
        expect([undefined, username]).toContain(creator.username);
        expect([undefined, displayName]).toContain(creator.nickname);
      });

      it('can be seen at TikTok, and its posts too', async () => {
        const { tiktok } = await make();
        const id = '7300000000000000001';
        expect(tiktok.authorization.profileUri('glow.bakery')).toBe('https://www.tiktok.com/@glow.bakery');
        expect(tiktok.publishing.shareUri('glow.bakery', id)).toBe(`https://www.tiktok.com/@glow.bakery/video/${id}`);
      });
    });

    describe.skipIf(!uploads)('an announcement', () => {
      it('gives an id and an address with a lifetime, others each time', async () => {
        const { announce } = await connected();
        const [first, second] = [await announce(oneChunk), await announce(oneChunk)];
        expect(first.publishId).not.toBe(second.publishId);
        expect(first.uploadUrl.reveal()).not.toBe(second.uploadUrl.reveal());
        expect(first.uploadSeconds).toBeGreaterThan(0);
      });

      it('is no post until every byte is there', async () => {
        const { announce, statusOf, listed } = await connected();
        const post = await announce(oneChunk);
        expect(await statusOf(post)).toEqual({ state: 'WORKING', uploadedBytes: 0 });
        expect(await listed()).toEqual([]);
      });
    });

    describe.skipIf(uploads)('a video that TikTok fetches', () => {
      it('can not be sent to it', async () => {
        const { publishing } = (await make()).tiktok;
        expect(publishing).not.toHaveProperty('announce');
        expect(publishing).not.toHaveProperty('sendChunk');
      });

      it('has an id of its own each time it is announced, and is no post until it was fetched', async () => {
        const { tell, statusOf, listed, grant } = await connected();
        const [first, second] = [got(await tell(grant.accessToken)), got(await tell(grant.accessToken))];
        expect(first.publishId).not.toBe(second.publishId);
        expect(await statusOf(first)).toEqual({ state: 'WORKING' });
        expect(await listed()).toEqual([]);
      });

      it('becomes a post when the answer to its announcement was lost', async () => {
        const { other, tell, listed, grant } = await connected();
        other.loseNext('announcePull', 'ANSWER');
        expect(await tell(grant.accessToken)).toEqual({ ok: false, error: UNAVAILABLE });
        const publishId = await other.fetched?.('');
        other.finish(String(publishId));
        expect(await listed()).toHaveLength(1);
      });
    });

    describe.skipIf(!uploads)('an upload', () => {
      const ACCEPTED: ChunkOutcome = { kind: 'ACCEPTED', confirmedBytes: twoChunks.chunkBytes };

      it('goes chunk by chunk until every byte is there', async () => {
        const { announce, send, statusOf } = await connected();
        const post = await announce(twoChunks);
        expect(await send(post, 0)).toEqual(ACCEPTED);
        expect(await statusOf(post)).toEqual({ state: 'WORKING', uploadedBytes: twoChunks.chunkBytes });
        expect(await send(post, twoChunks.chunkBytes)).toEqual({ kind: 'COMPLETE' });
      });

      it('does not skip a chunk', async () => {
        const { announce, send, statusOf } = await connected();
        const post = await announce(twoChunks);
        const skipping = await send(post, twoChunks.chunkBytes);
        expect(skipping).toMatchObject({ kind: 'MISALIGNED' });
        // TikTok need not say that it stands at the beginning.
        expect([0, undefined]).toContain(skipping.kind === 'MISALIGNED' ? skipping.confirmedBytes : NaN);
        expect(await statusOf(post)).toEqual({ state: 'WORKING', uploadedBytes: 0 });
        expect(await send(post, 0)).toEqual(ACCEPTED);
      });

      it('does not take a chunk twice, says where it stands and goes on there', async () => {
        const { announce, send } = await connected();
        const post = await announce(twoChunks);
        await send(post, 0);
        expect(await send(post, 0)).toEqual({ kind: 'MISALIGNED', confirmedBytes: twoChunks.chunkBytes });
        expect(await send(post, twoChunks.chunkBytes)).toEqual({ kind: 'COMPLETE' });
        expect(await send(post, 0)).toEqual({ kind: 'MISALIGNED', confirmedBytes: twoChunks.sizeBytes });
      });

      it('ends with the lifetime of its address', async () => {
        const { other, announce, send, statusOf } = await connected();
        const post = await announce(twoChunks);
        other.passTime(post.uploadSeconds - 60);
        expect(await send(post, 0)).toEqual(ACCEPTED);
        other.passTime(60);
        expect(await send(post, twoChunks.chunkBytes)).toMatchObject({ kind: 'ADDRESS_DEAD', error: UNAVAILABLE });
        expect(await statusOf(post)).toEqual({ state: 'WORKING', uploadedBytes: twoChunks.chunkBytes });
      });

      it('has no use for an address that TikTok did not give', async () => {
        const { announce, send } = await connected();
        const post = await announce(oneChunk);
        const elsewhere = { ...post, uploadUrl: new Secret(`${post.uploadUrl.reveal()}x`) };
        expect(await send(elsewhere, 0)).toMatchObject({ kind: 'ADDRESS_DEAD', error: UNAVAILABLE });
      });

      it('that is called off in the middle of a chunk is not answered, and the chunk can be sent again', async () => {
        const { announce, send } = await connected();
        const post = await announce(twoChunks);
        const calling = new AbortController();
        const bytes = async function* (whole: Buffer) {
          yield whole.subarray(0, 100_000);
          calling.abort(new Error('enough'));
          yield whole.subarray(100_000);
        };
        const outcome = await send(post, 0, { signal: calling.signal, bytes });
        expect(outcome).toMatchObject({ kind: 'NOT_ANSWERED', error: UNAVAILABLE });
        expect(await send(post, 0)).toEqual(ACCEPTED);
      });

      it('that was called off before it began is not answered', async () => {
        const { announce, send, statusOf } = await connected();
        const post = await announce(oneChunk);
        expect(await send(post, 0, { signal: AbortSignal.abort() })).toMatchObject({ kind: 'NOT_ANSWERED' });
        expect(await statusOf(post)).toEqual({ state: 'WORKING', uploadedBytes: 0 });
      });

      it('throws what reading the file throws, and TikTok counts none of that chunk', async () => {
        const { announce, send } = await connected();
        const post = await announce(twoChunks);
        const cause = new Error('the disk is gone');
        const bytes = async function* (whole: Buffer) {
          yield whole.subarray(0, 100_000);
          throw cause;
        };
        await expect(send(post, 0, { bytes })).rejects.toBe(cause);
        expect(await send(post, 0)).toEqual(ACCEPTED);
      });
    });

    describe('a post', () => {
      it('that everyone may see is published, with its id digit for digit', async () => {
        const { other, sent, statusOf } = await connected();
        const post = await sent();
        other.finish(post.publishId);
        const ids = other.publicIds(post.publishId);
        expect(ids).toHaveLength(1);
        expect(Number.isSafeInteger(Number(ids[0]))).toBe(false);
        expect(await statusOf(post)).toEqual({ state: 'PUBLISHED', tiktokPostIds: ids });
      });

      it.skipIf(!onlyMine)('that only its creator may see is published without an id', async () => {
        const { other, sent, statusOf } = await connected();
        const post = await sent({ settings: { privacyLevel: 'SELF_ONLY' } });
        other.finish(post.publishId);
        expect(await statusOf(post)).toEqual({ state: 'PUBLISHED', tiktokPostIds: [] });
      });

      it.skipIf(!traits.drafts)('that is a draft reaches the inbox of the creator', async () => {
        const { other, sent, statusOf } = await connected();
        const post = await sent({ settings: { draft: true } });
        other.finish(post.publishId);
        expect(await statusOf(post)).toEqual({ state: 'IN_CREATOR_INBOX' });
      });

      it('that moderators refuse has failed, and says why', async () => {
        const { other, sent, statusOf, listed } = await connected();
        other.flagNext();
        const [refused, fine] = [await sent(), await sent()];
        for (const { publishId } of [refused, fine]) other.finish(publishId);
        expect(await statusOf(refused)).toMatchObject({ state: 'FAILED', error: { code: 'CONTENT_FLAGGED' } });
        expect(await statusOf(fine)).toMatchObject({ state: 'PUBLISHED' });
        expect(await listed()).toHaveLength(1);
      });

      it('that nobody announced has no status: a refusal, and no trouble with the session or the platform', async () => {
        const { publishing, grant } = await connected();
        const status = await publishing.readStatus(grant.accessToken, 'v_pub_file~v2-1.7000000000000000000');
        expect(status).toMatchObject({ ok: false, error: { code: 'CONNECTOR_REQUEST_REJECTED' } });
      });
    });

    describe('the list of videos', () => {
      it('is empty for an account that has none', async () => {
        const { listed } = await connected();
        expect(await listed()).toEqual([]);
      });

      it('shows public posts only, newest first', async () => {
        const { other, sent, listed } = await connected();
        const wishes = [
          { caption: 'first' },
          ...(onlyMine ? [{ caption: 'mine', settings: { privacyLevel: 'SELF_ONLY' } as const }] : []),
          ...(traits.drafts ? [{ caption: 'draft', settings: { draft: true } }] : []),
          { caption: 'second' },
        ];
        const start = other.now();
        const ids: string[] = [];
        for (const wish of wishes) {
          const { publishId } = await sent(wish);
          other.finish(publishId);
          ids.unshift(...other.publicIds(publishId));
          other.passTime(60);
        }
        const videos = await listed();
        expect(videos).toMatchObject([{ caption: 'second' }, { caption: 'first' }]);
        expect(videos.map(({ tiktokPostId }) => tiktokPostId)).toEqual(ids);
        for (const { createTime, durationSeconds } of videos) {
          expect(createTime.getTime()).toBeGreaterThan(start.getTime() - 1000);
          expect(createTime.getTime()).toBeLessThanOrEqual(other.now().getTime());
          expect(durationSeconds ?? 0).toBeGreaterThanOrEqual(0);
        }
      });

      it('begins before a moment, and goes no further back than twenty', async () => {
        const { other, sent, listed } = await connected();
        for (let number = 1; number <= 22; number += 1) {
          const { publishId } = await sent({ caption: `${number}` });
          other.finish(publishId);
          other.passTime(60);
        }
        const from = (newest: number) => Array.from({ length: 20 }, (_, index) => `${newest - index}`);
        const captions = async (before?: Date) => (await listed(before)).map(({ caption }) => caption);
        expect(await captions()).toEqual(from(22));
        expect(await captions(new Date(other.now().getTime() - 90_000))).toEqual(from(21));
      });

      it('shows as much of a caption as it shows', async () => {
        const { other, sent, listed } = await connected();
        const caption = `${'x'.repeat(150)}y`;
        const { publishId } = await sent({ caption });
        other.finish(publishId);
        expect((await listed()).map((video) => video.caption)).toEqual([caption.slice(0, traits.listedCaption)]);
      });
    });

    describe('what everyone can see', () => {
      it('is told of the posts that are asked about, in that order, and of no other', async () => {
        const { other, publishing, grant, sent } = await connected();
        const ids: string[] = [];
        for (const caption of ['first', 'second', 'third']) {
          const { publishId } = await sent({ caption });
          other.finish(publishId);
          ids.push(...other.publicIds(publishId));
        }
        const [first = '', second = '', third = ''] = ids;
        const shown = async (asked: readonly string[]) => got(await publishing.publicAmong(grant.accessToken, asked));
        expect(await shown([third, first])).toEqual([third, first]);
        expect(await shown(['7999999999999999999', second])).toEqual([second]);
        expect(await shown(['7999999999999999999'])).toEqual([]);
        other.show(second, false);
        expect(await shown([first, second])).toEqual([first]);
        other.show(second, true);
        expect(await shown([first, second])).toEqual([first, second]);
      });
    });

    describe('the numbers of videos', () => {
      it('are of public posts only, newest first, and say which posts', async () => {
        const { other, sent, listed, pages, posted } = await connected();
        const ids = [...(await posted(2))];
        if (onlyMine) {
          const { publishId } = await sent({ settings: { privacyLevel: 'SELF_ONLY' } });
          other.finish(publishId);
        }
        const [videos = [], ...more] = await pages();
        expect(more).toEqual([]);
        expect(videos.map(({ tiktokPostId }) => tiktokPostId)).toEqual(ids);
        expect(videos.map(({ caption }) => caption)).toEqual(['2', '1']);
        const createTimes = (await listed()).map(({ createTime }) => createTime);
        expect(videos.map(({ createTime }) => createTime)).toEqual(createTimes);
      });

      it('are whole or measured, and never below 0', async () => {
        const { pages, posted, counted } = await connected();
        await posted(1);
        const [[video] = []] = await pages(await counted());
        const numbers = Object.entries(video?.numbers ?? {});
        expect(numbers.length).toBeGreaterThan(0);
        for (const [name, value] of numbers) {
          expect(VIDEO_NUMBERS).toContain(name);
          expect(value, name).toBeGreaterThanOrEqual(0);
        }
      });

      it('are none for an account without videos', async () => {
        const { insights, grant, other } = await connected();
        expect(await insights.listVideos(grant.accessToken, grant.scopes, other.now())).toEqual({
          ok: true,
          value: { videos: [] },
        });
      });

      it('come in pages of twenty at most, and every video is on one of them', async () => {
        const { insights, grant, other, pages, posted } = await connected();
        const ids = await posted(22);
        const read = await pages();
        expect(read.length).toBeGreaterThan(1);
        for (const page of read) expect(page.length).toBeLessThanOrEqual(20);
        expect(read.flat().map(({ tiktokPostId }) => tiktokPostId)).toEqual(ids);

        const before = new Date(other.now().getTime() - 20.5 * 60_000);
        const { videos, ...rest } = got(await insights.listVideos(grant.accessToken, grant.scopes, before));
        expect(videos.map(({ tiktokPostId }) => tiktokPostId)).toEqual(ids.slice(20));
        expect(rest).toEqual({});
      });

      it('are told of the videos that are asked about, and of no other', async () => {
        const { other, insights, grant, posted } = await connected();
        const [third = '', second = '', first = ''] = await posted(3);
        const told = async (ids: readonly string[]) =>
          got(await insights.readVideos(grant.accessToken, grant.scopes, ids))
            .map(({ tiktokPostId }) => tiktokPostId)
            .toSorted();
        expect(await told([third, first])).toEqual([third, first].toSorted());
        expect(await told(['7999999999999999999', second])).toEqual([second]);
        expect(await told(['7999999999999999999'])).toEqual([]);
        other.show(second, false);
        expect(await told([first, second])).toEqual([first]);
        other.show(second, true);
        expect(await told([first, second])).toEqual([first, second].toSorted());
      });

      it('are the same, asked for by id or in the list', async () => {
        const { insights, grant, pages, posted, counted } = await connected();
        const ids = await posted(2);
        const token = await counted();
        const byId = got(await insights.readVideos(token, grant.scopes, ids));
        expect(byId.toSorted((left, right) => right.createTime.getTime() - left.createTime.getTime())).toEqual(
          (await pages(token)).flat(),
        );
      });

      it('are asked for of some videos: none is no question, and more than twenty are refused', async () => {
        const { other, insights, grant } = await connected();
        expect(await insights.readVideos(grant.accessToken, grant.scopes, [])).toEqual({ ok: true, value: [] });
        expect(other.asked('readInsights')).toBe(0);
        const many = Array.from({ length: 21 }, (_, index) => String(7_999_999_999_999_999_000n + BigInt(index)));
        expect(await insights.readVideos(grant.accessToken, grant.scopes, many)).toMatchObject({
          error: { code: 'CONNECTOR_REQUEST_REJECTED' },
        });
      });

      it('are told as far as the permissions go', async () => {
        const { posted, counted, pages } = await connected(['user.info.basic', 'video.publish', 'video.list']);
        const ids = await posted(1);
        const [[video] = []] = await pages(await counted());
        expect(video?.tiktokPostId).toBe(ids[0]);
        expect(video?.numbers).not.toHaveProperty('averageWatchSeconds');
        expect([video?.curves, video?.breakdowns]).toEqual([{}, {}]);
      });

      it('need the permission to list: TikTok is not asked without', async () => {
        const { other, insights, grant } = await connected(['user.info.basic', 'user.info.stats', 'video.publish']);
        const missing = { ok: false, error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.list'] } };
        expect(await insights.listVideos(grant.accessToken, grant.scopes, other.now())).toEqual(missing);
        expect(await insights.readVideos(grant.accessToken, grant.scopes, ['7'])).toEqual(missing);
        expect(other.asked('listInsights') + other.asked('readInsights')).toBe(0);
      });
    });

    describe('the numbers of an account', () => {
      it('are those of this moment', async () => {
        const { authorization, other, insights, grant } = await connected();
        const { followerCount } = got(await authorization.readAccount(grant.accessToken, grant.scopes));
        const week = [daysBefore(other, 7), daysBefore(other, 1)] as const;
        const reading = got(await insights.readAccount(grant.accessToken, grant.scopes, ...week));
        expect(reading.numbers).toEqual({
          followers: followerCount,
          following: expect.any(Number),
          totalLikes: expect.any(Number),
          videoCount: expect.any(Number),
        });
      });

      it('are asked for of any days, the future, long ago and none', async () => {
        const { other, insights, grant } = await connected();
        for (const [from, until] of [
          [400, 1],
          [60, 60],
          [3, -3],
          [400, 300],
          [-3, -5],
          [1, 7],
        ] as const) {
          const days = [daysBefore(other, from), daysBefore(other, until)] as const;
          const reading = await insights.readAccount(grant.accessToken, grant.scopes, ...days);
          expect(reading, `${days}`).toMatchObject({ ok: true, value: { numbers: { followers: expect.any(Number) } } });
        }
      });

      it('need a permission: TikTok is not asked without', async () => {
        const { other, insights, grant } = await connected(['user.info.basic', 'video.publish', 'video.list']);
        const before = other.asked('readAccountInsights');
        const week = [daysBefore(other, 7), daysBefore(other, 1)] as const;
        expect(await insights.readAccount(grant.accessToken, grant.scopes, ...week)).toMatchObject({
          error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: expect.arrayContaining(['user.info.stats']) },
        });
        expect(other.asked('readAccountInsights')).toBe(before);
      });
    });

    describe.each(['REQUEST', 'ANSWER'] as const)('a network that loses the %s', (what) => {
      it.each<[TikTokCall, (world: Connected) => Promise<unknown>]>([
        ['revoke', ({ authorization, grant }) => authorization.revoke(grant.accessToken)],
        ['readAccount', ({ authorization, grant }) => authorization.readAccount(grant.accessToken, grant.scopes)],
        ['readCreator', ({ publishing, grant }) => publishing.readCreator(grant.accessToken)],
        [uploads ? 'announce' : 'announcePull', ({ tell, grant }) => tell(grant.accessToken)],
        ['readStatus', ({ publishing, grant }) => publishing.readStatus(grant.accessToken, 'v_pub_file~1')],
        ['publicAmong', ({ publishing, grant }) => publishing.publicAmong(grant.accessToken, ['7'])],
        ['listVideos', ({ publishing, grant, other }) => publishing.listVideos(grant.accessToken, other.now())],
        [
          'listInsights',
          ({ insights, grant, other }) => insights.listVideos(grant.accessToken, grant.scopes, other.now()),
        ],
        ['readInsights', ({ insights, grant }) => insights.readVideos(grant.accessToken, grant.scopes, ['7'])],
        [
          'readAccountInsights',
          ({ insights, grant, other }) =>
            insights.readAccount(grant.accessToken, grant.scopes, daysBefore(other, 7), daysBefore(other, 1)),
        ],
      ])('makes the platform unavailable to %s, which asks once', async (call, ask) => {
        const world = await connected();
        const before = world.other.asked(call);
        world.other.loseNext(call, what);
        expect(await ask(world)).toEqual({ ok: false, error: UNAVAILABLE });
        expect(world.other.asked(call)).toBe(before + 1);
      });

      it('proves nothing about a code', async () => {
        const { tiktok, other } = await make();
        const scopes = REQUESTED_SCOPES[tiktok.family];
        const { code } = await other.consent(tiktok.authorization.authorizeUri({ state: 's', scopes }));
        other.loseNext('exchange', what);
        expect(await tiktok.authorization.exchange(code)).toEqual({
          ok: false,
          error: { code: 'NOT_ANSWERED', error: UNAVAILABLE },
        });
        expect(other.asked('exchange')).toBe(1);
        expect((await tiktok.authorization.exchange(code)).ok).toBe(what === 'REQUEST');
      });

      it('proves nothing about a refresh token, which may be spent', async () => {
        const { other, authorization, grant } = await connected();
        const before = other.asked('refresh');
        other.loseNext('refresh', what);
        expect(await authorization.refresh(grant.refreshToken)).toEqual({
          ok: false,
          error: { code: 'NOT_ANSWERED', error: UNAVAILABLE },
        });
        expect(other.asked('refresh')).toBe(before + 1);
        expect((await authorization.refresh(grant.refreshToken)).ok).toBe(what === 'REQUEST' || !other.rotates);
      });

      it.skipIf(!uploads)(
        'leaves open whether a chunk arrived: sent again it is taken, or TikTok says where it stands',
        async () => {
          const { other, announce, send } = await connected();
          const post = await announce(twoChunks);
          other.loseNext('sendChunk', what);
          expect(await send(post, 0)).toMatchObject({ kind: 'NOT_ANSWERED', error: UNAVAILABLE });
          expect(other.asked('sendChunk')).toBe(1);
          expect(await send(post, 0)).toEqual({
            kind: what === 'REQUEST' ? 'ACCEPTED' : 'MISALIGNED',
            confirmedBytes: twoChunks.chunkBytes,
          });
        },
      );
    });

    it.skipIf(!uploads)('posts nothing by an announcement whose answer was lost', async () => {
      const { other, tell, grant, listed } = await connected();
      other.loseNext('announce', 'ANSWER');
      await tell(grant.accessToken);
      other.passTime(3600);
      expect(await listed()).toEqual([]);
    });
  });
}

/** A day in UTC, so many before this one. */
const daysBefore = (other: OtherSide, days: number): string =>
  new Date(other.now().getTime() - days * 86_400_000).toISOString().slice(0, 10);

async function* pieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 1_000_000) yield bytes.subarray(start, start + 1_000_000);
}
