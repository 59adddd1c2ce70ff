import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { handleWebhooks } from '../../../src/application/handle-webhooks.ts';
import { takeWebhook } from '../../../src/application/take-webhook.ts';
import { disconnect, reconnect, requireReconnect } from '../../../src/domain/connection/connection.ts';
import type { PublishError } from '../../../src/domain/publish-error.ts';
import { ok } from '../../../src/domain/result.ts';
import type { Webhook, WebhookSubject } from '../../../src/domain/webhook.ts';
import { anAccount, aScheduledPost, later, OTHER_WORKSPACE } from '../../support/builders.ts';
import { refuses, UNAVAILABLE } from '../../support/fake-tiktok.ts';
import { inMemoryWebhookInbox } from '../../support/in-memory-webhook-inbox.ts';
import { aWebhook } from '../../support/webhooks.ts';
import { World } from './world.ts';

const SESSION_INVALID: PublishError = { code: 'ACCOUNT_SESSION_INVALID', tiktokCode: 'access_token_invalid' };
const REVOKED: PublishError = { ...SESSION_INVALID, code: 'ACCOUNT_ACCESS_REVOKED' };

const aboutPost = (publishId: string) => aWebhook({ subject: { kind: 'POST', publishId } });
const removal = (openId = 'open-1') => aWebhook({ subject: { kind: 'GRANT', apiFamily: 'OPEN', openId } });

/** A process that takes webhooks. `take` resolves when it is handled as well. */
function given(world = new World(), inbox = inMemoryWebhookInbox(world)) {
  const processNamed = (owner: string) => {
    const handling = handleWebhooks({ ...world, inbox, access: world.access(owner), owner, keptSeconds: 7 * 86_400 });
    const store = takeWebhook({ inbox, handling, owner });
    return {
      ...handling,
      store,
      async take(...webhooks: readonly Webhook[]) {
        for (const webhook of webhooks) await store(webhook);
        await handling.settled();
      },
    };
  };
  return { world, inbox, processNamed, ...processNamed('this process') };
}

/** A post that TikTok has every byte of, and that the engine would not look at for an hour. */
async function givenProcessing(world: World) {
  const post = await world.givenPost((parts) => aScheduledPost(parts));
  await world.work();
  const [{ publishId } = { publishId: 'none' }] = world.tiktok.jobs;
  const hour = later(3600, world.clock.now());
  await world.posts.update(post.id, (current) => ok({ post: { ...current }, nextActionTime: hour }));
  expect(await world.step(post.id)).toMatchObject({ post: { phase: 'PROCESSING' }, nextActionTime: hour });
  return { post, publishId };
}

describe('a webhook about a post', () => {
  it('makes the engine ask TikTok at once', async () => {
    const { world, take, inbox } = given();
    const { post, publishId } = await givenProcessing(world);
    expect(await world.work()).toBe(false);
    const { rings } = world.doorbell;
    await take(aboutPost(publishId));
    expect(world.doorbell.rings).toBe(rings + 1);
    expect(inbox.outcomes()).toEqual(['POST_WOKEN']);
    expect(world.traces.spans.at(-1)).toMatchObject({ name: 'handle webhook', facts: { outcome: 'POST_WOKEN' } });
    expect(await world.work()).toBe(true);
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  it('decides nothing: what becomes of the post, TikTok says (WHK-03)', async () => {
    const { world, take } = given();
    const { post, publishId } = await givenProcessing(world);
    world.tiktok.next('readStatus', async () => ok({ state: 'WORKING' }));
    await take(aWebhook({ event: 'post.publish.failed', subject: { kind: 'POST', publishId } }));
    await world.work();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHING', phase: 'PROCESSING' });
  });

  it('that comes again does not ring again (WHK-02)', async () => {
    const { world, take, inbox } = given();
    const { publishId } = await givenProcessing(world);
    const { rings } = world.doorbell;
    const webhook = aboutPost(publishId);
    await take(webhook, webhook);
    await take(webhook);
    expect(world.doorbell.rings).toBe(rings + 1);
    expect(inbox.outcomes()).toEqual(['POST_WOKEN']);
  });

  it('leaves every other post alone, also one with an id that nobody knows', async () => {
    const { world, take, inbox } = given();
    const { post } = await givenProcessing(world);
    const before = await world.step(post.id);
    await take(aboutPost('v_pub_file~unknown'));
    expect(await world.step(post.id)).toEqual(before);
    expect(inbox.outcomes()).toEqual(['POST_WOKEN']);
  });
});

describe('a webhook about an attempt that is over', () => {
  /** TikTok sends one after each failure: after our poll has seen it, or while it is being polled. */
  async function failing(error: PublishError, arrives: 'AFTER' | 'MEANWHILE') {
    const { world, take } = given();
    const post = await world.givenPost((parts) => aScheduledPost(parts));
    world.tiktok.verdict = { state: 'FAILED', error };
    await world.work();
    const tell = () => take(aboutPost(world.tiktok.jobs[0]?.publishId ?? 'none'));
    if (arrives === 'MEANWHILE') world.tiktok.before('readStatus', tell);
    world.clock.advance(60);
    await world.work();
    if (arrives === 'AFTER') await tell();
    const { nextActionTime, post: after } = await world.step(post.id);
    return { after, waits: (Number(nextActionTime) - world.clock.now().getTime()) / 1000 };
  }

  it.each(['AFTER', 'MEANWHILE'] as const)('does not cut short the wait for a quota: %s', async (arrives) => {
    const { after, waits } = await failing({ code: 'ACCOUNT_DAILY_POST_CAP' }, arrives);
    expect(after).toMatchObject({ state: 'HELD', hold: { reason: 'QUOTA' } });
    expect(waits).toBeGreaterThanOrEqual(3600);
  });

  it.each(['AFTER', 'MEANWHILE'] as const)(
    'does not cut short the pause before the next attempt: %s',
    async (arrives) => {
      const { after, waits } = await failing(UNAVAILABLE, arrives);
      expect(after).toMatchObject({ phase: 'INITIALIZING', attempts: [{ outcome: 'FAILED' }] });
      expect(waits).toBeGreaterThanOrEqual(5);
    },
  );
});

describe('a webhook that says an authorization was removed', () => {
  it('is confirmed by TikTok before anything happens, and then gives the reason (WHK-07)', async () => {
    const { world, take, inbox } = given();
    const { id } = await world.givenConnection();
    world.tiktok.kill('grant');
    await take(removal());
    expect(await world.connection(id)).toMatchObject({ state: 'RECONNECT_REQUIRED', reconnectReason: REVOKED });
    expect(inbox.outcomes()).toEqual(['GRANT_ENDED']);
  });

  it('changes nothing when TikTok takes the grant: it is forged or old (WHK-03, WHK-07)', async () => {
    const { world, take, inbox } = given();
    const connection = await world.givenConnection();
    const credential = await world.credentials.find(connection.id);
    await take(removal());
    expect(await world.connection(connection.id)).toEqual(connection);
    expect(await world.credentials.find(connection.id)).toEqual(credential);
    expect(world.tiktok.calls).toEqual(['readAccount act.1']);
    expect(inbox.outcomes()).toEqual(['GRANT_GOOD']);
  });

  it('asks for no more than every grant has, so that a scope that is missing proves nothing', async () => {
    const { world, take, inbox } = given();
    const connection = await world.givenConnection();
    let asked: readonly string[] = [];
    const { readAccount } = world.tiktok.authorization;
    Object.assign(world.tiktok.authorization, {
      readAccount: (...[token, scopes]: Parameters<typeof readAccount>) => {
        asked = scopes;
        return readAccount(token, scopes);
      },
    });
    await take(removal());
    expect(asked).toEqual(['user.info.basic', 'video.publish']);
    expect(await world.connection(connection.id)).toEqual(connection);
    expect(inbox.outcomes()).toEqual(['GRANT_GOOD']);
  });

  it('about another account asks nobody', async () => {
    const { world, take, inbox } = given();
    const connection = await world.givenConnection();
    await take(removal('open-2'));
    expect([world.tiktok.calls, inbox.outcomes()]).toEqual([[], ['NOT_CONNECTED']]);
    expect(await world.connection(connection.id)).toEqual(connection);
  });

  it('asks once for each workspace, with its own grant', async () => {
    const { world, take, inbox } = given();
    world.tiktok.keepsOlderPairs = true;
    const first = await world.givenConnection();
    world.tiktok.kill('grant');
    const second = await world.givenConnection({ workspaceId: OTHER_WORKSPACE });
    await world.givenConnection({ account: anAccount({ openId: 'open-2' }) });
    await take(removal());
    expect(await world.connection(first.id)).toMatchObject({ reconnectReason: REVOKED });
    expect(await world.connection(second.id)).toEqual(second);
    expect(world.tiktok.called('readAccount')).toBe(2);
    expect(inbox.outcomes()).toEqual(['GRANT_ENDED']);
  });

  it('asks about a few accounts at a time, however many come at once', async () => {
    const { world, take } = given();
    world.tiktok.keepsOlderPairs = true;
    const openIds = Array.from({ length: 20 }, (_, index) => `open-${index + 10}`);
    for (const openId of openIds) await world.givenConnection({ account: anAccount({ openId }) });
    let atOnce = 0;
    let most = 0;
    const counted = async <T>(answer: () => Promise<T>): Promise<T> => {
      most = Math.max(most, ++atOnce);
      await new Promise(setImmediate);
      atOnce -= 1;
      return answer();
    };
    world.tiktok.next('readAccount', ...openIds.map(() => counted));
    await take(...openIds.map(removal));
    expect([world.tiktok.called('readAccount'), most]).toEqual([20, 4]);
  });

  it('leaves a connection alone that we ended ourselves', async () => {
    const { world, take, inbox } = given();
    const { id } = await world.givenConnection();
    await world.connections.update(id, (connection) => ok(disconnect(connection, world.clock.now())));
    await world.credentials.destroy(id);
    const before = await world.connection(id);
    await take(removal());
    expect([await world.connection(id), world.tiktok.calls]).toEqual([before, []]);
    expect(inbox.outcomes()).toEqual(['NOT_CONNECTED']);
  });

  it('gives the reason also when a post met the dead grant before', async () => {
    const { world, take } = given();
    const { id } = await world.givenConnection();
    await world.connections.update(id, (connection) =>
      connection.state === 'DISCONNECTED'
        ? ok(connection)
        : ok(requireReconnect(connection, SESSION_INVALID, world.clock.now())),
    );
    await take(removal());
    expect(await world.connection(id)).toMatchObject({ state: 'RECONNECT_REQUIRED', reconnectReason: REVOKED });
    expect(world.tiktok.calls).toEqual([]);
  });

  it('keeps another reason', async () => {
    const { world, take } = given();
    const { id } = await world.givenConnection();
    const reason: PublishError = { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['video.publish'] };
    await world.connections.update(id, (connection) =>
      connection.state === 'DISCONNECTED'
        ? ok(connection)
        : ok(requireReconnect(connection, reason, world.clock.now())),
    );
    await take(removal());
    expect(await world.connection(id)).toMatchObject({ state: 'RECONNECT_REQUIRED', reconnectReason: reason });
  });

  it('has its posts wait for a reconnect when they come due, with the reason', async () => {
    const { world, take } = given();
    const post = await world.givenPost((parts) => aScheduledPost({ ...parts, scheduleTime: later(60) }));
    world.tiktok.kill('grant');
    await take(removal());
    world.clock.advance(60);
    await world.work();
    expect(await world.post(post.id)).toMatchObject({ state: 'HELD', hold: { reason: 'RECONNECT' }, error: REVOKED });
  });

  it('asks again when a reconnect comes in between, and leaves that one alone', async () => {
    const { world, take, sweep, inbox } = given();
    const { id, account, grantedScopes } = await world.givenConnection();
    world.tiktok.kill('grant');
    world.tiktok.next('refresh', async (answer) => {
      const dead = await answer();
      // Stored before the dead grant is marked, but with the pair still on its way.
      await world.connections.update(id, (connection) =>
        ok(
          reconnect(
            connection,
            { account, grantedScopes, accessExpireTime: later(86_400), refreshExpireTime: later(9e6) },
            world.clock.now(),
          ),
        ),
      );
      return dead;
    });
    await take(removal());
    expect(inbox.outcomes()).toEqual([undefined]);
    const { accessToken, refreshToken } = world.tiktok.issue();
    await world.credentials.put({
      connectionId: id,
      workspaceId: (await world.connection(id)).workspaceId,
      accessToken,
      refreshToken,
      accessExpireTime: later(86_400),
      refreshDueTime: later(43_200),
      refreshExpireTime: later(9e6),
    });
    world.clock.advance(5);
    await sweep();
    expect(await world.connection(id)).toMatchObject({ state: 'ACTIVE' });
    expect(inbox.outcomes()).toEqual(['GRANT_GOOD']);
  });
});

describe('a webhook that TikTok can not be asked about', () => {
  it.each<PublishError>([
    UNAVAILABLE,
    { code: 'UPSTREAM_RATE_LIMITED' },
    { code: 'APP_CREDENTIALS_REJECTED' },
    { code: 'CONNECTOR_REQUEST_REJECTED' },
  ])('proves nothing, and is looked at again after longer and longer pauses: $code', async (error) => {
    const { world, take, sweep, inbox } = given();
    const connection = await world.givenConnection();
    const pauses: number[] = [];
    for (let tries = 1; tries <= 8; tries += 1) {
      world.tiktok.next('readAccount', refuses(error));
      if (tries === 1) await take(removal());
      else await sweep();
      expect(await world.connection(connection.id)).toEqual(connection);
      const next = inbox.earliest() ?? world.clock.now();
      pauses.push((next.getTime() - world.clock.now().getTime()) / 1000);
      await sweep();
      expect(world.tiktok.called('readAccount')).toBe(tries);
      world.clock.set(next);
    }
    expect(pauses).toEqual([5, 20, 80, 320, 1280, 3600, 3600, 3600]);
    world.tiktok.kill('grant');
    await sweep();
    expect(await world.connection(connection.id)).toMatchObject({
      reconnectReason: { code: 'ACCOUNT_ACCESS_REVOKED' },
    });
    expect(inbox.outcomes()).toEqual(['GRANT_ENDED']);
  });

  it('is given up after three days, and the log says so', async () => {
    const { world, take, sweep, inbox } = given();
    await world.givenConnection();
    world.tiktok.next('readAccount', refuses(UNAVAILABLE), refuses(UNAVAILABLE), refuses(UNAVAILABLE));
    await take(removal());
    world.clock.advance(72 * 3600);
    await sweep();
    expect(inbox.outcomes()).toEqual([undefined]);
    world.clock.advance(3600);
    await sweep();
    expect(inbox.outcomes()).toEqual(['GIVEN_UP']);
    expect(world.logged('warn')).toEqual(['a webhook is given up: TikTok could not be asked about it']);
  });

  it('is looked at once more when nobody looked in three days', async () => {
    const { world, inbox, store, processNamed } = given();
    const { id } = await world.givenConnection();
    world.tiktok.next('readAccount', () => new Promise(() => {}));
    await store(removal()); // and the process dies
    world.tiktok.kill('grant');
    world.clock.advance(5 * 86_400);
    await processNamed('another').sweep();
    expect(inbox.outcomes()).toEqual(['GRANT_ENDED']);
    expect(await world.connection(id)).toMatchObject({ state: 'RECONNECT_REQUIRED' });
  });
});

describe('the inbox', () => {
  it('keeps what is not ours, handled, and tells the operator once', async () => {
    const { world, take, inbox } = given();
    const subject: WebhookSubject = { kind: 'NOTHING', reason: 'UNKNOWN_EVENT' };
    const webhook = aWebhook({ event: 'moon.landed', openId: 'open-secret', subject });
    await take(webhook, webhook);
    expect(inbox.outcomes()).toEqual(['IGNORED']);
    expect(world.log.lines).toEqual([
      {
        level: 'warn',
        fields: { webhookId: webhook.id, reason: 'UNKNOWN_EVENT' },
        message: 'a webhook tells of nothing that is ours: ignored',
      },
    ]);
    expect([world.tiktok.calls, world.doorbell.rings]).toEqual([[], 0]);
  });

  it('is durable before it answers: a webhook that can not be stored is not taken', async () => {
    const world = new World();
    const inbox = inMemoryWebhookInbox(world);
    const { store } = given(world, {
      ...inbox,
      add: async () => {
        throw new Error('the database is down');
      },
    });
    await expect(store(aboutPost('p'))).rejects.toThrow('the database is down');
    expect(world.doorbell.rings).toBe(0);
  });

  it('is answered before it is handled', async () => {
    const { world, store, inbox } = given();
    await world.givenConnection();
    world.tiktok.next('readAccount', () => new Promise(() => {}));
    await store(removal());
    expect(inbox.outcomes()).toEqual([undefined]);
  });

  it('gives what a dead process left to the next one, once its lease is over', async () => {
    const { world, inbox, processNamed } = given();
    const { post, publishId } = await givenProcessing(world);
    await inbox.add(aboutPost(publishId), { owner: 'dead', leaseSeconds: 120 });
    const next = processNamed('another');
    world.clock.advance(119);
    await next.sweep();
    expect(inbox.outcomes()).toEqual([undefined]);
    world.clock.advance(1);
    await next.sweep();
    expect(inbox.outcomes()).toEqual(['POST_WOKEN']);
    await world.work();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  it('is emptied by one sweep, however much waits, and by two at once', async () => {
    const { world, inbox, processNamed } = given();
    for (let index = 0; index < 250; index += 1) {
      await inbox.add(aboutPost(`p~${index}`), { owner: 'dead', leaseSeconds: 0 });
    }
    const { rings } = world.doorbell;
    await Promise.all([processNamed('one').sweep(), processNamed('two').sweep()]);
    expect(inbox.outcomes()).toEqual(Array(250).fill('POST_WOKEN'));
    expect(world.doorbell.rings).toBe(rings + 250);
  });

  it('tries again what met a failure, and tells of it', async () => {
    const world = new World();
    const { wake } = world.posts;
    let down = true;
    world.posts = {
      ...world.posts,
      wake: async (what) => {
        if (down) throw new Error('the database is down');
        return wake(what);
      },
    };
    const { take, sweep, inbox } = given(world);
    await take(aboutPost('p'));
    expect([inbox.outcomes(), world.logged('error')]).toEqual([
      [undefined],
      ['a webhook could not be handled; it is tried again'],
    ]);
    down = false;
    world.clock.advance(5);
    await sweep();
    expect(inbox.outcomes()).toEqual(['POST_WOKEN']);
  });

  it('leaves one to its lease when not even that can be stored', async () => {
    const world = new World();
    const inbox = inMemoryWebhookInbox(world);
    let down = true;
    const { take, sweep } = given(world, {
      ...inbox,
      finish: async (...finished) => {
        if (down) throw new Error('the database is down');
        return inbox.finish(...finished);
      },
    });
    await take(aboutPost('p'));
    expect(world.logged('error')).toEqual(['a webhook stays unhandled until its lease ends']);
    down = false;
    world.clock.advance(120);
    await sweep();
    expect(inbox.outcomes()).toEqual(['POST_WOKEN']);
  });

  it('forgets after a week what TikTok repeats for three days', async () => {
    const { world, take, inbox, forgetOld } = given();
    await take(aboutPost('p'));
    world.clock.advance(7 * 86_400);
    await forgetOld();
    expect(inbox.outcomes()).toHaveLength(1);
    world.clock.advance(1);
    await forgetOld();
    expect(inbox.outcomes()).toHaveLength(0);
  });
});

describe('webhooks in any order, any number and any mixture with the work of the engine', () => {
  /** Everything that TikTok says about a public post, what a thief of the secret would add, and looks of the engine. */
  const happenings = (publishId: string): readonly (Webhook | 'WORK')[] => {
    const about = (event: string) => aWebhook({ event, subject: { kind: 'POST', publishId } });
    const [complete, available] = [about('post.publish.complete'), about('post.publish.publicly_available')];
    return [
      complete,
      complete,
      available,
      about('post.publish.complete'),
      about('post.publish.failed'),
      about('post.publish.no_longer_publicaly_available'),
      removal(),
      aboutPost('v_pub_file~unknown'),
      aWebhook({ subject: { kind: 'NOTHING', reason: 'UNREADABLE' } }),
      'WORK',
      'WORK',
    ];
  };

  it('leave the same post and the same connection (WHK-04)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([...happenings('').keys()]), async (order) => {
        const { world, take } = given();
        const { post, publishId } = await givenProcessing(world);
        const connection = await world.connection(post.connectionId);
        const all = happenings(publishId);
        for (const index of order) {
          const happening = all[index];
          if (happening === 'WORK') await world.work();
          else if (happening !== undefined) await take(happening);
        }
        await world.workUntilQuiet();
        expect(await world.post(post.id)).toMatchObject({
          state: 'PUBLISHED',
          tiktokPostIds: ['7300000000000000001'],
          attempts: [{ outcome: 'PUBLISHED' }],
        });
        expect(await world.connection(post.connectionId)).toEqual(connection);
        expect(world.tiktok.posts).toHaveLength(1);
        expect(world.tiktok.called('announce')).toBe(1);
      }),
      { numRuns: 200 },
    );
  });

  it('leave the same reason for a reconnect, whoever meets the dead grant first', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(['REMOVED', 'REMOVED AGAIN', 'WORK', 'WORK LATER'] as const, { minLength: 4 }),
        async (order) => {
          const { world, take } = given();
          const post = await world.givenPost((parts) => aScheduledPost(parts));
          world.tiktok.kill('grant');
          for (const happening of order) {
            if (happening.startsWith('WORK')) await world.work();
            else await take(removal());
          }
          expect(await world.connection(post.connectionId)).toMatchObject({
            state: 'RECONNECT_REQUIRED',
            reconnectReason: REVOKED,
          });
          expect(await world.post(post.id)).toMatchObject({ state: 'HELD', hold: { reason: 'RECONNECT' } });
        },
      ),
      { numRuns: 50 },
    );
  });
});
