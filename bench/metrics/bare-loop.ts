import { readFile } from 'node:fs/promises';
import { businessTikTok } from '../../src/adapters/tiktok/business/business-tiktok.ts';
import { openTikTok } from '../../src/adapters/tiktok/open/open-tiktok.ts';
import { daysToRead } from '../../src/domain/analytics/collection.ts';
import { type ApiFamily, REQUESTED_SCOPES } from '../../src/domain/connection/connection.ts';
import { Secret } from '../../src/domain/secret.ts';
import { inParallel } from '../support/in-parallel.ts';

/**
 * The baseline: makes the calls of a first round through the service's own adapter, as many at once as the service and without a
 * pause, and keeps nothing. What it takes is the price of TikTok, of Node and of reading the answers. Run with a file that holds a
 * `BareLoopTask`.
 */
export type BareLoopTask = {
  readonly family: ApiFamily;
  readonly origin: string;
  readonly accessTokens: readonly string[];
  readonly accountsAtOnce: number;
};

export type BareLoopResult = {
  readonly seconds: number;
  readonly videos: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
};

const [, , taskFile = ''] = process.argv;
const { family, origin, accessTokens, accountsAtOnce } = JSON.parse(await readFile(taskFile, 'utf8')) as BareLoopTask;
const scopes = REQUESTED_SCOPES[family];
const clock = { now: () => new Date() };
const common = { authorizeUrl: `${origin}/v2/auth/authorize/`, redirectUri: 'http://127.0.0.1/', sandbox: true };
const tiktok =
  family === 'OPEN'
    ? openTikTok({ ...common, clientKey: 'bench', clientSecret: new Secret('bench'), openApiUrl: origin })
    : businessTikTok({
        ...common,
        appId: 'bench',
        secret: new Secret('bench'),
        businessApiUrl: `${origin}/open_api/v1.3`,
        clock,
      });
let videos = 0;

async function readAll(accessToken: Secret): Promise<void> {
  const { from, until } = daysToRead(undefined, clock.now());
  const account = await tiktok.insights.readAccount(accessToken, scopes, from, until);
  if (!account.ok) throw new Error(`the account: ${account.error.code}`);
  for (let before: Date | undefined = clock.now(); before !== undefined; ) {
    const page = await tiktok.insights.listVideos(accessToken, scopes, before);
    if (!page.ok) throw new Error(`the videos: ${page.error.code}`);
    videos += page.value.videos.length;
    before = page.value.olderThan;
  }
}

const began = performance.now();
await inParallel(accountsAtOnce, accessTokens, (token) => readAll(new Secret(token)));
const { user, system } = process.cpuUsage();
const result: BareLoopResult = {
  seconds: (performance.now() - began) / 1000,
  videos,
  cpuSeconds: (user + system) / 1e6,
  peakBytes: process.resourceUsage().maxRSS * 1024,
};
console.log(JSON.stringify(result));
await tiktok.close();
