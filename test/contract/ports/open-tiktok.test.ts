import { onTestFinished } from 'vitest';
import type { EndpointName } from '../../../sandbox/endpoint.ts';
import { isScope } from '../../../sandbox/open/vocabulary.ts';
import { type SandboxOptions, startSandbox } from '../../../sandbox/sandbox.ts';
import { openTikTok } from '../../../src/adapters/tiktok/open/open-tiktok.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { type OtherSide, type TikTokCall, tiktokContract } from './tiktok.contract.ts';

const ACCOUNT = 'glow.bakery';
const MANY = 1_000_000;

const ENDPOINT_OF: Readonly<Record<TikTokCall, EndpointName>> = {
  exchange: 'token',
  refresh: 'token',
  revoke: 'revoke',
  readAccount: 'user_info',
  readCreator: 'creator_info',
  announce: 'video_init',
  announcePull: 'video_init',
  sendChunk: 'upload',
  readStatus: 'status',
  publicAmong: 'video_query',
  listVideos: 'video_list',
  listInsights: 'video_list',
  readInsights: 'video_query',
  readAccountInsights: 'user_info',
};

/** Nothing ends by itself: `finish` and the clock decide. */
const patient: SandboxOptions = {
  processingMs: 365 * 86_400_000,
  postIdDelayMs: 0,
  initPerMinute: MANY,
  statusPerMinute: MANY,
};

async function openTikTokAt(options: SandboxOptions) {
  const sandbox = await startSandbox({ ...patient, ...options });
  onTestFinished(() => sandbox.close());
  const tiktok = openTikTok({
    clientKey: sandbox.clientKey,
    clientSecret: new Secret(sandbox.clientSecret),
    redirectUri: 'http://127.0.0.1:8080/oauth/tiktok/callback',
    openApiUrl: sandbox.openApiUrl,
    authorizeUrl: sandbox.authorizeUrl,
    uploadOrigins: [sandbox.origin],
    sandbox: true,
  });
  onTestFinished(() => tiktok.close());
  const { control } = sandbox;
  control.changeAccount(ACCOUNT, { dailyPostCap: MANY });

  const other: OtherSide = {
    rotates: options.tokenRegime !== 'legacy',
    consent: (authorizeUri, scopes) =>
      control.consent({ authorizeUri, account: ACCOUNT, ...(scopes && { scopes: scopes.filter(isScope) }) }),
    removeApp: () => control.disconnectAccount(ACCOUNT),
    flagNext: () => void control.addFault({ kind: 'fail_reason', reason: 'spam_risk' }),
    finish(publishId) {
      control.finishProcessing(publishId);
      control.advanceClock(1);
    },
    publicIds: (publishId) => control.ledger().posts.find((post) => post.publishId === publishId)?.publicPostIds ?? [],
    show: (tiktokPostId, isPublic) => control.setVideoPublic(tiktokPostId, isPublic),
    loseNext: (call, what) =>
      void control.addFault({
        endpoint: ENDPOINT_OF[call],
        kind: what === 'REQUEST' ? 'drop_before' : 'execute_then_drop',
      }),
    asked: (call) => control.ledger().callCounts[ENDPOINT_OF[call]] ?? 0,
    now: () => new Date(control.now()),
    passTime: (seconds) => void control.advanceClock(seconds * 1000),
  };
  return { tiktok, other };
}

tiktokContract('openTikTok before the sandbox, rotating tokens and counting bytes', () =>
  openTikTokAt({ tokenRegime: 'rotating', progressHeader: 'count', unknownUpload: '404' }),
);

tiktokContract('openTikTok before the sandbox, keeping tokens and telling the last byte', () =>
  openTikTokAt({ tokenRegime: 'legacy', progressHeader: 'last_index', unknownUpload: '405_html' }),
);
