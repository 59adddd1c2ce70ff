import { createHash } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type SandboxOptions, startSandbox } from '../../../sandbox/sandbox.ts';
import { openTikTok } from '../../../src/adapters/tiktok/open/open-tiktok.ts';
import type { Uploads } from '../../../src/application/ports/tiktok.ts';
import { REQUESTED_SCOPES } from '../../../src/domain/connection/connection.ts';
import { type ChunkPlan, chunkAt } from '../../../src/domain/post/chunk-plan.ts';
import type { PostSettings } from '../../../src/domain/post/settings.ts';
import type { Result } from '../../../src/domain/result.ts';
import { Secret } from '../../../src/domain/secret.ts';

const plan: ChunkPlan = { sizeBytes: 16_000_001, chunkBytes: 5_333_333, chunkCount: 3 };
const settings: PostSettings = {
  privacyLevel: 'PUBLIC_TO_EVERYONE',
  allowComment: true,
  allowDuet: true,
  allowStitch: false,
  coverMilliseconds: 500,
  yourBrand: false,
  brandedContent: false,
  aiGenerated: false,
  draft: false,
};
const file = Buffer.alloc(plan.sizeBytes, 'glow');
file.write('ftypisom', 4, 'latin1');

const REDIRECT_URI = 'http://127.0.0.1:8080/oauth/tiktok/callback';

async function connectedTo(options: SandboxOptions, pkce = false) {
  const sandbox = await startSandbox(options);
  onTestFinished(() => sandbox.close());
  const tiktok = openTikTok({
    clientKey: sandbox.clientKey,
    clientSecret: new Secret(sandbox.clientSecret),
    redirectUri: REDIRECT_URI,
    openApiUrl: sandbox.openApiUrl,
    authorizeUrl: sandbox.authorizeUrl,
    uploadOrigins: [sandbox.origin],
    sandbox: true,
    pkce,
  });
  onTestFinished(() => tiktok.close());
  return { sandbox, tiktok };
}

function got<T>(result: Result<T, unknown>): T {
  if (result.ok) return result.value;
  throw new Error('refused', { cause: result.error });
}

const sender = (publishing: Uploads, uploadUrl: Secret) => (from: number) => {
  const chunk = chunkAt(plan, from);
  if (chunk === undefined) throw new Error('every byte is behind');
  async function* bytes() {
    yield file.subarray(from, chunk?.endExclusive);
  }
  const { signal } = new AbortController();
  return publishing.sendChunk({ uploadUrl, plan, chunk, contentType: 'video/mp4', bytes: bytes(), signal });
};

describe('The open API family, before the sandbox', () => {
  it('TEN-05 takes a code only with the state of its own consent, with PKCE', async () => {
    const { sandbox, tiktok } = await connectedTo({ pkceRequired: true }, true);
    const { authorization } = tiktok;
    const consentTo = (state: string) =>
      sandbox.control.consent({
        authorizeUri: authorization.authorizeUri({ state, scopes: REQUESTED_SCOPES.OPEN }),
        account: 'glow.bakery',
      });
    const theirs = await consentTo('theirs');
    const ours = await consentTo('ours');
    expect(await authorization.exchange(theirs.code, 'ours')).toMatchObject({
      error: { code: 'INVALID_GRANT', error: { code: 'ACCOUNT_SESSION_INVALID', tiktokCode: 'invalid_request' } },
    });
    expect(await authorization.exchange(ours.code, 'ours')).toMatchObject({ ok: true });
  });

  it.each([
    { progressHeader: 'count', tokenRegime: 'rotating' },
    { progressHeader: 'last_index', tokenRegime: 'legacy' },
  ] as const)('connects, publishes and disconnects with %j', async (regime) => {
    const { sandbox, tiktok } = await connectedTo(regime);
    const { authorization, publishing } = tiktok;

    const authorizeUri = authorization.authorizeUri({ state: 's=1&t', scopes: REQUESTED_SCOPES.OPEN });
    const consent = await sandbox.control.consent({ authorizeUri, account: 'glow.bakery' });
    expect(consent).toMatchObject({ redirectUri: REDIRECT_URI, state: 's=1&t' });

    const first = got(await authorization.exchange(consent.code));
    expect([...first.scopes].sort()).toEqual([...REQUESTED_SCOPES.OPEN].sort());
    expect(await authorization.exchange(consent.code)).toMatchObject({ error: { code: 'INVALID_GRANT' } });
    const { accessToken, openId } = got(await authorization.refresh(first.refreshToken));
    expect(openId).toBe(first.openId);

    expect(got(await authorization.readAccount(accessToken, first.scopes))).toMatchObject({
      openId,
      username: 'glow.bakery',
      displayName: 'Glow Bakery',
      followerCount: 1_200,
    });
    expect(got(await publishing.readCreator(accessToken))).toMatchObject({
      username: 'glow.bakery',
      nickname: 'Glow Bakery',
      commentAvailable: true,
      maxVideoSeconds: 600,
    });

    const { publishId, uploadUrl } = got(
      await publishing.announce(accessToken, { caption: 'fresh #bread', settings, plan }),
    );
    const send = sender(publishing, uploadUrl);
    expect(await send(0)).toEqual({ kind: 'ACCEPTED', confirmedBytes: 5_333_333 });
    expect(await send(0)).toEqual({ kind: 'MISALIGNED', confirmedBytes: 5_333_333 });
    expect(await send(5_333_333)).toEqual({ kind: 'ACCEPTED', confirmedBytes: 10_666_666 });
    expect(got(await publishing.readStatus(accessToken, publishId))).toEqual({
      state: 'WORKING',
      uploadedBytes: 10_666_666,
    });
    expect(await send(10_666_666)).toEqual({ kind: 'COMPLETE' });

    sandbox.control.advanceClock(60_000);
    const post = await sandbox.control.waitUntil(({ posts }) => posts.find((post) => post.publicPostIds.length > 0));
    expect(post).toMatchObject({ publishId, title: 'fresh #bread', privacyLevel: 'PUBLIC_TO_EVERYONE' });
    expect(post.sha256).toBe(createHash('sha256').update(file).digest('hex'));
    const [tiktokPostId = ''] = post.publicPostIds;
    expect(Number.isSafeInteger(Number(tiktokPostId))).toBe(false);
    expect(got(await publishing.readStatus(accessToken, publishId))).toEqual({
      state: 'PUBLISHED',
      tiktokPostIds: [tiktokPostId],
    });
    const listed = got(await publishing.listVideos(accessToken, new Date(sandbox.control.now() + 1)));
    expect(listed).toMatchObject([{ tiktokPostId, caption: 'fresh #bread' }]);

    expect(await authorization.revoke(accessToken)).toEqual({ ok: true, value: undefined });
    expect(await authorization.revoke(accessToken)).toEqual({ ok: true, value: undefined });
    expect(await publishing.readCreator(accessToken)).toMatchObject({ error: { code: 'ACCOUNT_SESSION_INVALID' } });
  });

  it('leaves a draft in the inbox of the creator', async () => {
    const { sandbox, tiktok } = await connectedTo({});
    const accessToken = new Secret(sandbox.control.issueTokens('glow.bakery').access_token);
    const draft = { caption: 'ignored', settings: { ...settings, draft: true }, plan };
    const { publishId, uploadUrl } = got(await tiktok.publishing.announce(accessToken, draft));
    const send = sender(tiktok.publishing, uploadUrl);
    for (const from of [0, 5_333_333, 10_666_666]) await send(from);
    sandbox.control.advanceClock(60_000);
    expect(got(await tiktok.publishing.readStatus(accessToken, publishId))).toEqual({ state: 'IN_CREATOR_INBOX' });
    expect(sandbox.control.ledger().inits).toMatchObject([{ publishId, kind: 'DRAFT', title: null }]);
  });

  it('takes up again in the middle of a chunk, wherever TikTok says it stands', async () => {
    for (const progressHeader of ['count', 'last_index'] as const) {
      const { sandbox, tiktok } = await connectedTo({ progressHeader, partialChunks: 'kept' });
      const accessToken = new Secret(sandbox.control.issueTokens('glow.bakery').access_token);
      const { uploadUrl } = got(await tiktok.publishing.announce(accessToken, { caption: '', settings, plan }));
      const send = sender(tiktok.publishing, uploadUrl);
      sandbox.control.addFault({ endpoint: 'upload', kind: 'short_read', bytes: 1_000_000 });
      expect(await send(0)).toMatchObject({ kind: 'NOT_ANSWERED' });
      const stands: (number | undefined)[] = [];
      let outcome = await send(0);
      for (let round = 0; round < 3 && outcome.kind === 'MISALIGNED'; round += 1) {
        stands.push(outcome.confirmedBytes);
        outcome = await send(outcome.confirmedBytes ?? 0);
      }
      expect(outcome).toEqual({ kind: 'ACCEPTED', confirmedBytes: 5_333_333 });
      expect(stands.at(-1)).toBe(1_000_000);
    }
  });
});
