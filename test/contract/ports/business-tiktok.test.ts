import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { isBusinessScope } from '../../../sandbox/business/vocabulary.ts';
import type { EndpointName } from '../../../sandbox/endpoint.ts';
import { type SandboxOptions, startSandbox } from '../../../sandbox/sandbox.ts';
import { businessTikTok } from '../../../src/adapters/tiktok/business/business-tiktok.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { type OtherSide, type TikTokCall, type Traits, tiktokContract } from './tiktok.contract.ts';

const ACCOUNT = 'glow.bakery';
const MANY = 1_000_000;

const BUSINESS_TRAITS: Traits = { transfer: 'PULL', privacyLevels: ['PUBLIC_TO_EVERYONE'], drafts: false };

const ENDPOINT_OF: Readonly<Record<Exclude<TikTokCall, 'announce' | 'sendChunk'>, EndpointName>> = {
  exchange: 'business_token',
  refresh: 'business_refresh',
  revoke: 'business_revoke',
  readAccount: 'business_account',
  readCreator: 'business_settings',
  announcePull: 'business_publish',
  readStatus: 'business_status',
  publicAmong: 'business_videos',
  listVideos: 'business_videos',
  listInsights: 'business_videos',
  readInsights: 'business_videos',
  readAccountInsights: 'business_account',
};

function endpointOf(call: TikTokCall): EndpointName {
  if (call === 'announce' || call === 'sendChunk') throw new Error(`this family has no ${call}`);
  return ENDPOINT_OF[call];
}

/** Nothing ends by itself: `finish` and the clock decide. */
const patient: SandboxOptions = {
  processingMs: 365 * 86_400_000,
  postIdDelayMs: 0,
  pullFromLoopback: true,
  business: { urlProperties: ['127.0.0.1'] },
  businessPerMinute: MANY,
  businessPublishPerMinute: MANY,
  businessAppPerSecond: MANY,
  businessAppPerMinute: MANY,
};

async function businessTikTokAt(options: SandboxOptions) {
  const sandbox = await startSandbox({ ...patient, ...options });
  onTestFinished(() => sandbox.close());
  const tiktok = businessTikTok({
    appId: sandbox.businessAppId,
    secret: new Secret(sandbox.businessSecret),
    redirectUri: 'http://127.0.0.1:8080/oauth/tiktok/callback/',
    businessApiUrl: sandbox.businessApiUrl,
    authorizeUrl: sandbox.authorizeUrl,
    sandbox: true,
    clock: { now: () => new Date(sandbox.control.now()) },
  });
  onTestFinished(() => tiktok.close());
  const { control } = sandbox;
  control.changeAccount(ACCOUNT, { dailyPostCap: MANY });

  const other: OtherSide = {
    rotates: options.businessRefresh !== 'kept',
    consent: (authorizeUri, scopes) =>
      control.consent({ authorizeUri, account: ACCOUNT, ...(scopes && { scopes: scopes.filter(isBusinessScope) }) }),
    removeApp: () => control.disconnectAccount(ACCOUNT, 1, 'BUSINESS'),
    flagNext: () => void control.addFault({ kind: 'fail_reason', reason: 'spam_risk' }),
    async host(bytes) {
      const server = createServer((_, response) => response.end(bytes)).listen(0, '127.0.0.1');
      await once(server, 'listening');
      onTestFinished(() => {
        server.closeAllConnections();
        server.close();
      });
      return new Secret(`http://127.0.0.1:${(server.address() as AddressInfo).port}/video.mp4`);
    },
    /** Without an id: the only one there is. Gives its id. */
    fetched: (publishId) =>
      control.waitUntil(
        ({ inits }) =>
          inits.find((init) => (publishId === '' || init.publishId === publishId) && init.stage !== 'DOWNLOADING')
            ?.publishId,
      ),
    finish(publishId) {
      control.finishProcessing(publishId);
      control.advanceClock(1);
    },
    publicIds: (publishId) => control.ledger().posts.find((post) => post.publishId === publishId)?.publicPostIds ?? [],
    show: (tiktokPostId, isPublic) => control.setVideoPublic(tiktokPostId, isPublic),
    loseNext: (call, what) =>
      void control.addFault({
        endpoint: endpointOf(call),
        kind: what === 'REQUEST' ? 'drop_before' : 'execute_then_drop',
      }),
    asked: (call) => control.ledger().callCounts[endpointOf(call)] ?? 0,
    now: () => new Date(control.now()),
    passTime: (seconds) => void control.advanceClock(seconds * 1000),
  };
  return { tiktok, other };
}

tiktokContract(
  'businessTikTok before the sandbox, rotating tokens and writing ids as text',
  () => businessTikTokAt({ businessRefresh: 'rotated', businessPostIds: 'string' }),
  BUSINESS_TRAITS,
);

tiktokContract(
  'businessTikTok before the sandbox, keeping tokens and writing ids as numbers',
  () => businessTikTokAt({ businessRefresh: 'kept', businessPostIds: 'number' }),
  BUSINESS_TRAITS,
);
