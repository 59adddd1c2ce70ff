import { setImmediate as tick } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { judgeLimits, limitsOf } from '../../bench/metrics/judge.ts';
import { startSandbox } from '../../sandbox/sandbox.ts';
import type { Traffic } from '../../sandbox/traffic.ts';
import { credentialText } from '../../src/adapters/tiktok/business/credential.ts';
import type { Insights } from '../../src/application/ports/tiktok.ts';
import { type ApiFamily, REQUESTED_SCOPES } from '../../src/domain/connection/connection.ts';
import { Secret } from '../../src/domain/secret.ts';
import { anAccount, anActiveConnection, later } from '../support/builders.ts';
import { inMemoryConnections } from '../support/in-memory-connections.ts';
import { inMemoryCredentials } from '../support/in-memory-credentials.ts';
import { inMemoryMetrics } from '../support/in-memory-metrics.ts';
import { inMemoryPosts } from '../support/in-memory-posts.ts';
import { inMemoryVideos } from '../support/in-memory-videos.ts';
import { collectingFrom, sandboxTikTok } from '../support/sandbox-tiktok.ts';

type Crowd = { readonly accounts: number; readonly videos: number };

/** The collector, TikTok's own calls and a sandbox that keeps every limit. Time passes when the collector waits, and with no call under way. */
async function given(family: ApiFamily, crowds: readonly Crowd[]) {
  const sandbox = await startSandbox({});
  onTestFinished(() => sandbox.close());
  const { control } = sandbox;
  const { tiktok, clock } = sandboxTikTok(family, sandbox);

  const underWay = new Set<Promise<unknown>>();
  function noted<T>(call: Promise<T>): Promise<T> {
    underWay.add(call);
    return call.finally(() => underWay.delete(call));
  }
  async function until(time: number): Promise<void> {
    do {
      await tick();
      await Promise.allSettled(underWay);
    } while (underWay.size > 0);
    control.advanceClock(Math.max(Math.ceil(time - control.now()), 0));
  }
  const { insights } = tiktok;
  const noticed: Insights = {
    listVideos: (...question) => noted(insights.listVideos(...question)),
    readVideos: (...question) => noted(insights.readVideos(...question)),
    readAccount: (...question) => noted(insights.readAccount(...question)),
  };

  const connections = inMemoryConnections({ clock });
  const credentials = inMemoryCredentials({ clock, isDisconnected: () => false });
  const accessExpireTime = later(7200, clock.now());
  const members = crowds.flatMap((crowd, index) => control.addCrowd({ ...crowd, prefix: `crowd.${index}.` }));
  for (const { openId: username } of members) {
    const open = family === 'OPEN' ? control.issueTokens(username) : undefined;
    const business = open === undefined ? control.issueBusinessTokens(username) : undefined;
    const openId = open?.open_id ?? business?.openId ?? '';
    const connection = anActiveConnection({
      apiFamily: family,
      account: anAccount({ openId }),
      grantedScopes: REQUESTED_SCOPES[family],
      createTime: clock.now(),
      accessExpireTime,
    });
    await connections.add(connection);
    await credentials.put({
      connectionId: connection.id,
      workspaceId: connection.workspaceId,
      accessToken: open ? new Secret(open.access_token) : credentialText(openId, business?.accessToken ?? ''),
      refreshToken: new Secret('never used'),
      accessExpireTime,
      refreshExpireTime: accessExpireTime,
      refreshDueTime: accessExpireTime,
    });
  }

  const { posts } = inMemoryPosts({ clock, videos: inMemoryVideos({ clock }), connections });
  const measured = inMemoryMetrics({ clock, connections, posts });
  const { collector, log } = collectingFrom(
    { ...tiktok, insights: noticed },
    {
      connections,
      credentials,
      collections: measured.collections,
      clock,
      wait: (seconds) => until(control.now() + seconds * 1000),
    },
  );
  return {
    control,
    log,
    async minutesPass(minutes: number): Promise<void> {
      const end = control.now() + minutes * 60_000;
      while (control.now() < end) {
        await collector.sweep();
        await until(control.now() + 10_000);
      }
    },
    async videosKnown(): Promise<number> {
      let known = 0;
      for (const { id, workspaceId } of connections.all()) {
        const page = await measured.videoMetrics.list({ workspaceId, connectionIds: [id] }, { size: 100_000 });
        known += page?.items.length ?? 0;
      }
      return known;
    },
  };
}

it('a round of the Business family stays within each of TikTok’s limits: an account’s, the app’s second and its minute', async () => {
  const { control, log, minutesPass, videosKnown } = await given('BUSINESS', [
    { accounts: 220, videos: 25 },
    // Alone enough to pass the limit of an account.
    { accounts: 1, videos: 900 },
  ]);
  await minutesPass(6);
  const traffic = control.traffic();
  expect(judgeLimits('BUSINESS', traffic)).toEqual([]);
  expect(traffic.apps).toMatchObject([{ family: 'BUSINESS', calls: 220 * 3 + 46, refused: 0 }]);
  expect(await videosKnown()).toBe(220 * 25 + 900);
  expect(log.lines).toEqual([]);
});

it('a round of the open family stays within what TikTok allows each endpoint a minute', async () => {
  const { control, log, minutesPass, videosKnown } = await given('OPEN', [{ accounts: 320, videos: 25 }]);
  await minutesPass(4);
  const traffic = control.traffic();
  expect(judgeLimits('OPEN', traffic)).toEqual([]);
  expect(traffic.endpoints.map(({ endpoint, calls, refused }) => [endpoint, calls, refused]).toSorted()).toEqual([
    ['user_info', 320, 0],
    ['video_list', 640, 0],
  ]);
  expect(await videosKnown()).toBe(320 * 25);
  expect(log.lines).toEqual([]);
});

const rate = { calls: 50, mostInSecond: 1, mostInMinute: 1, refused: 0 };
const quiet: Traffic = { apps: [], endpoints: [], accounts: [], forgotten: 0, sequence: 0 };
const ofAccount = { family: 'BUSINESS', endpoint: 'business_videos', account: 'a', ...rate } as const;

it.each<[string, ApiFamily, Partial<Traffic>, string]>([
  [
    'the app’s second',
    'BUSINESS',
    { apps: [{ family: 'BUSINESS', ...rate, mostInSecond: 11 }] },
    '11 calls of the app a second, where TikTok allows 10',
  ],
  [
    'the app’s minute',
    'BUSINESS',
    { apps: [{ family: 'BUSINESS', ...rate, mostInMinute: 601 }] },
    '601 calls of the app a minute, where TikTok allows 600',
  ],
  [
    'an account’s minute',
    'BUSINESS',
    { accounts: [{ ...ofAccount, mostInMinute: 41 }] },
    '41 calls of an account and endpoint a minute, where TikTok allows 40',
  ],
  [
    'an endpoint’s minute',
    'OPEN',
    { endpoints: [{ family: 'OPEN', endpoint: 'video_list', ...rate, mostInMinute: 601 }] },
    '601 calls of an endpoint a minute, where TikTok allows 600',
  ],
  [
    'a call that was refused',
    'OPEN',
    { apps: [{ family: 'OPEN', ...rate, refused: 1 }] },
    '1 calls were refused because of their rate',
  ],
  ['calls that are forgotten', 'OPEN', { forgotten: 2 }, 'the sandbox has forgotten 2 calls'],
])('the bench fails for %s', (_, family, parts, sentence) => {
  expect(judgeLimits(family, { ...quiet, ...parts })).toEqual([sentence]);
});

it('the bench tells the most of any line, and takes a limit that is reached for one that is kept', () => {
  const accounts = [40, 3].map((mostInMinute) => ({ ...ofAccount, mostInMinute }));
  expect(limitsOf('BUSINESS', { ...quiet, accounts }).map(({ seen }) => seen)).toEqual([0, 0, 40]);
  expect(judgeLimits('BUSINESS', { ...quiet, accounts })).toEqual([]);
});
