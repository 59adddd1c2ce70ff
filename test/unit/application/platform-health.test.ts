import { describe, expect, it } from 'vitest';
import { type PlatformHealth, platformHealth } from '../../../src/application/platform-health.ts';
import type { PublishError } from '../../../src/domain/publish-error.ts';
import { err } from '../../../src/domain/result.ts';
import { anAccount, aScheduledPost, everyPublishError, later } from '../../support/builders.ts';
import { answers, lostBefore, refuses, UNAVAILABLE } from '../../support/fake-tiktok.ts';
import { World } from './world.ts';

/** Lets go on what waits for nothing but its turn. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

function note(health: PlatformHealth, failed: number, well: number, error: PublishError = UNAVAILABLE): void {
  for (let call = 0; call < Math.max(failed, well); call += 1) {
    if (call < well) health.note('OPEN');
    if (call < failed) health.note('OPEN', error);
  }
}

async function shutKeys(world: World): Promise<readonly string[]> {
  await settle();
  return (await world.gates.all()).map(({ key }) => key);
}

describe('the breaker', () => {
  it.each([
    ['half of twenty calls fail', 10, 10, true],
    ['all of twenty calls fail', 20, 0, true],
    ['less than half of twenty fail', 9, 11, false],
    ['less than twenty calls fail', 19, 0, false],
    ['nothing fails', 0, 100, false],
  ])('when %s (%i and %i): opens is %s', async (_, failed, well, open) => {
    const world = new World();
    note(world.health, failed, well);
    expect(await shutKeys(world)).toEqual(open ? ['platform:OPEN'] : []);
  });

  it('shuts for half a minute at first, says why, and says so once', async () => {
    const world = new World();
    note(world.health, 30, 0, { ...UNAVAILABLE, tiktokCode: 'internal_error' });
    await settle();
    expect(await world.gates.all()).toMatchObject([
      { key: 'platform:OPEN', error: { tiktokCode: 'internal_error' }, until: later(30), tried: false },
    ]);
    expect(world.logged('error')).toEqual(['TikTok is not well: nothing new is begun until one post gets through']);
  });

  it('looks at the last half minute only', async () => {
    const world = new World();
    note(world.health, 19, 0);
    world.clock.advance(30.001);
    note(world.health, 19, 0);
    expect(await shutKeys(world)).toEqual([]);
    world.clock.advance(29);
    note(world.health, 1, 0);
    expect(await shutKeys(world)).toEqual(['platform:OPEN']);
  });

  it('counts what TikTok answers with as well, by its code, and opens for no no', async () => {
    for (const error of everyPublishError) {
      const world = new World();
      note(world.health, 100, 0, error);
      expect(await shutKeys(world), error.code).toEqual(error.code === 'PLATFORM_UNAVAILABLE' ? ['platform:OPEN'] : []);
    }
  });

  it('stands for one API family', async () => {
    const world = new World();
    for (let call = 0; call < 15; call += 1) {
      world.health.note('OPEN', UNAVAILABLE);
      world.health.note('BUSINESS', UNAVAILABLE);
    }
    expect(await shutKeys(world)).toEqual([]);
    for (let call = 0; call < 5; call += 1) world.health.note('BUSINESS', UNAVAILABLE);
    expect(await shutKeys(world)).toEqual(['platform:BUSINESS']);
  });

  it('does not open again for what led to it before', async () => {
    const world = new World();
    note(world.health, 20, 0);
    await settle();
    world.clock.advance(5);
    for (const { key } of await world.gates.all()) await world.gates.open(key);
    note(world.health, 5, 0);
    expect(await shutKeys(world)).toEqual([]);
    note(world.health, 15, 0);
    expect(await shutKeys(world)).toEqual(['platform:OPEN']);
  });

  it('costs no call when it can not be opened, and is opened by the next failures', async () => {
    const world = new World();
    let down = true;
    const health = platformHealth({
      clock: world.clock,
      log: world.log,
      gates: {
        ...world.gates,
        shut: async (...closing) => {
          if (down) throw new Error('the database is down');
          return world.gates.shut(...closing);
        },
      },
    });
    note(health, 20, 0);
    expect(await shutKeys(world)).toEqual([]);
    expect(world.logged('error')).toHaveLength(1);
    down = false;
    note(health, 20, 0);
    expect(await shutKeys(world)).toEqual(['platform:OPEN']);
  });
});

describe('what is heard of TikTok’s health', () => {
  /** What each call told, in order. */
  function listening(world: World): (string | undefined)[] {
    const heard: (string | undefined)[] = [];
    world.health = { note: (_, error) => heard.push(error?.code) };
    return heard;
  }

  it('is every call for an account: answered, lost or refused', async () => {
    const world = new World();
    const heard = listening(world);
    const { id } = await world.givenConnection();
    const access = world.access();
    const ask = () => access.call(id, (token) => world.tiktok.publishing.readCreator(token));
    world.tiktok.next('readCreator', (answer) => answer(), lostBefore, refuses({ code: 'CONTENT_FLAGGED' }));
    for (let call = 0; call < 3; call += 1) await ask();
    expect(heard).toEqual([undefined, 'PLATFORM_UNAVAILABLE', 'CONTENT_FLAGGED']);
  });

  it('is nothing while nobody was asked', async () => {
    const world = new World();
    const heard = listening(world);
    const { id } = await world.givenConnection({ account: anAccount({ openId: 'busy' }) });
    for (let turn = 0; turn < 20; turn += 1) {
      await world.turns.take('READ_CREATOR:OPEN:busy', world.tiktok.quotas.READ_CREATOR);
    }
    const ask = () => world.access().call(id, (token) => world.tiktok.publishing.readCreator(token), 'READ_CREATOR');
    expect(await ask()).toEqual(err({ code: 'UPSTREAM_RATE_LIMITED', retryTime: later(62) }));
    expect(heard).toEqual([]);
  });

  it('is every chunk, but for one that we cut off ourselves', async () => {
    const world = new World();
    const video = await world.givenVideo({ sizeBytes: 130_000_000 });
    await world.givenPost(aScheduledPost, { video });
    const heard = listening(world);
    const stop = new AbortController();
    const lost = { kind: 'NOT_ANSWERED', error: UNAVAILABLE } as const;
    world.tiktok.next('sendChunk', (answer) => answer(), answers(lost));
    await world.work();
    // Asked what it may post, announced, and two chunks.
    expect(heard).toEqual([undefined, undefined, undefined, 'PLATFORM_UNAVAILABLE']);

    world.clock.advance(5);
    world.tiktok.next('sendChunk', async () => {
      stop.abort();
      return lost;
    });
    await world.work({ shift: { signal: stop.signal } });
    expect(heard.slice(4)).toEqual([undefined]);
  });
});
