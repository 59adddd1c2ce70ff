import { describe, expect, it } from 'vitest';
import { businessClientOf } from './business/test-client.ts';
import { aSandbox, bakery, bakeryId, clientOf } from './test-client.ts';
import { mostWithin, readTraffic } from './traffic.ts';

describe('the most calls in a window', () => {
  it.each([
    [[], 0],
    [[5], 1],
    [[0, 1_000], 1],
    [[0, 999], 2],
    [[3_000, 0, 2_000, 2_500, 2_999], 3],
  ])('of %j is %i', (times, most) => {
    expect(mostWithin(times, 1_000)).toBe(most);
  });
});

describe('the traffic', () => {
  it('is counted per app, endpoint and account, whatever became of a call', async () => {
    const sandbox = await aSandbox({ businessPerMinute: 2 });
    const mine = businessClientOf(sandbox);
    const others = businessClientOf(sandbox, 'glow.short');
    for (let call = 0; call < 3; call += 1) await mine.videos();
    await others.videos();
    sandbox.control.advanceClock(60_000);
    await others.videos();
    await others.get('/business/get/');
    await clientOf(sandbox).get('/v2/user/info/?fields=open_id');
    const { apps, endpoints, accounts, forgotten } = sandbox.control.traffic();
    expect(forgotten).toBe(0);
    expect(apps).toEqual([
      { family: 'BUSINESS', calls: 6, mostInMinute: 4, mostInSecond: expect.any(Number), refused: 1 },
      { family: 'OPEN', calls: 1, mostInMinute: 1, mostInSecond: 1, refused: 0 },
    ]);
    expect(endpoints).toMatchObject([
      { family: 'BUSINESS', endpoint: 'business_videos', calls: 5, mostInMinute: 4, refused: 1 },
      { family: 'BUSINESS', endpoint: 'business_account', calls: 1, mostInMinute: 1 },
      { family: 'OPEN', endpoint: 'user_info', calls: 1 },
    ]);
    expect(accounts).toMatchObject([
      { endpoint: 'business_videos', account: bakeryId, calls: 3, mostInMinute: 3, refused: 1 },
      { endpoint: 'business_videos', calls: 2, mostInMinute: 1, refused: 0 },
      { endpoint: 'business_account', calls: 1 },
      { endpoint: 'user_info', account: bakeryId, calls: 1 },
    ]);
  });

  it('is told from a call on, over HTTP too', async () => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox, bakery);
    await client.creatorInfo();
    const { sequence } = sandbox.control.traffic();
    await client.get('/v2/user/info/?fields=open_id');
    const response = await fetch(`${sandbox.origin}/_sandbox/traffic?since=${sequence}`);
    expect(await response.json()).toEqual({
      ...sandbox.control.traffic(sequence),
      endpoints: [{ family: 'OPEN', endpoint: 'user_info', calls: 1, mostInSecond: 1, mostInMinute: 1, refused: 0 }],
    });
    expect((await fetch(`${sandbox.origin}/_sandbox/traffic?since=x`)).status).toBe(400);
  });

  it('says how many calls it has forgotten', () => {
    const call = {
      ...({ time: 0, endpoint: 'token', account: null, publishId: null } as const),
      ...{ status: 200, errorCode: null, fault: null, range: null },
    };
    const state = { callCount: 9, calls: [8, 9].map((sequence) => ({ ...call, sequence })) };
    expect(readTraffic(state, 0)).toMatchObject({ forgotten: 7, sequence: 9, accounts: [] });
    expect(readTraffic(state, 8).forgotten).toBe(0);
  });
});
