import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/application/ports/clock.ts';
import type { WebhookInbox } from '../../../src/application/ports/webhook-inbox.ts';
import type { LookOutcome, Webhook, WebhookSubject } from '../../../src/domain/webhook.ts';
import { aWebhook } from '../../support/webhooks.ts';

type Stores = { readonly inbox: WebhookInbox; readonly clock: Clock };

const mine = { owner: 'me', leaseSeconds: 60 };
/** Due again at once, and somebody else's. */
const lapsed = { owner: 'dead', leaseSeconds: 0 };
const taking = (limit: number) => ({ ...mine, limit });

async function held(inbox: WebhookInbox, webhook: Webhook, holder = lapsed) {
  const lease = await inbox.add(webhook, holder);
  if (lease === undefined) throw new Error(`${webhook.id} is there already`);
  return lease;
}

/** What every inbox does. `make` gives an empty one. */
export function webhookInboxContract(name: string, make: () => Promise<Stores>): void {
  describe(`WebhookInbox, as ${name}`, () => {
    const subjects: readonly WebhookSubject[] = [
      { kind: 'POST', publishId: 'v_pub_file~v2-1.7611111111111111111' },
      { kind: 'GRANT', apiFamily: 'OPEN', openId: '-000SynthOpenId_AAAA-bbbb1111' },
      { kind: 'NOTHING', reason: 'OTHER_APP' },
      { kind: 'NOTHING', reason: 'UNKNOWN_EVENT' },
      { kind: 'NOTHING', reason: 'UNREADABLE' },
    ];

    it.each(subjects)('keeps what to look at: $kind', async (subject) => {
      const { inbox, clock } = await make();
      const before = clock.now();
      const webhook = aWebhook({ subject });
      const lease = await inbox.add(webhook, lapsed);
      expect(lease).toEqual({
        id: webhook.id,
        subject,
        receivedTime: expect.any(Date),
        failures: 0,
        owner: 'dead',
        fence: 1,
      });
      expect(Math.abs(Number(lease?.receivedTime) - before.getTime())).toBeLessThan(60_000);
      expect(await inbox.claim(taking(1))).toEqual([{ ...lease, owner: 'me', fence: 2 }]);
    });

    it('takes one with nothing but its name and what to look at', async () => {
      const { inbox } = await make();
      const { id, subject } = aWebhook();
      expect(await inbox.add({ id, subject }, mine)).toMatchObject({ id, subject });
    });

    it('knows which posts TikTok told of for an account, and since when', async () => {
      const { inbox, clock } = await make();
      const aPostOf = (openId: string, publishId: string) => aWebhook({ openId, subject: { kind: 'POST', publishId } });
      const since = new Date(clock.now().getTime() - 60_000);
      await inbox.finish(await held(inbox, aPostOf('mine', 'p1'), mine), 'POST_WOKEN');
      for (const webhook of [aPostOf('mine', 'p1'), aPostOf('mine', 'p2'), aPostOf('other', 'p3')]) {
        await held(inbox, webhook);
      }
      await held(inbox, aWebhook({ openId: 'mine', subject: { kind: 'GRANT', apiFamily: 'OPEN', openId: 'mine' } }));
      expect([...(await inbox.publishIds('mine', since))].sort()).toEqual(['p1', 'p2']);
      expect(await inbox.publishIds('mine', new Date(clock.now().getTime() + 60_000))).toEqual([]);
      expect(await inbox.publishIds('nobody', since)).toEqual([]);
    });

    it('takes the same webhook once, handled or not', async () => {
      const { inbox } = await make();
      const webhook = aWebhook();
      const lease = await held(inbox, webhook, mine);
      expect(await inbox.add(webhook, mine)).toBeUndefined();
      expect(await inbox.finish(lease, 'POST_WOKEN')).toBe(true);
      expect(await inbox.add(webhook, mine)).toBeUndefined();
      expect(await inbox.claim(taking(5))).toEqual([]);
    });

    it('has one winner when twenty copies come at once', async () => {
      const { inbox } = await make();
      const webhook = aWebhook();
      const leases = await Promise.all(Array.from({ length: 20 }, () => inbox.add(webhook, mine)));
      expect(leases.filter((lease) => lease !== undefined)).toHaveLength(1);
    });

    it('gives nobody what is held, and to the next what a dead process held', async () => {
      const { inbox } = await make();
      await held(inbox, aWebhook(), mine);
      const left = await held(inbox, aWebhook(), lapsed);
      expect(await inbox.claim(taking(5))).toEqual([{ ...left, owner: 'me', fence: 2 }]);
      expect(await inbox.claim(taking(5))).toEqual([]);
    });

    it('gives out no more than asked for, the earliest first', async () => {
      const { inbox } = await make();
      const leases = [await held(inbox, aWebhook()), await held(inbox, aWebhook()), await held(inbox, aWebhook())];
      const [first, second, third] = leases;
      if (first === undefined || second === undefined || third === undefined) throw new Error('three, I said');
      await inbox.postpone(second, -20);
      await inbox.postpone(third, -10);
      expect((await inbox.claim(taking(2))).map(({ id }) => id)).toEqual([second.id, third.id]);
      expect((await inbox.claim(taking(2))).map(({ id }) => id)).toEqual([first.id]);
    });

    it('gives each to one of many who ask at once', async () => {
      const { inbox } = await make();
      for (let index = 0; index < 20; index += 1) await held(inbox, aWebhook());
      const claims = await Promise.all(
        Array.from({ length: 5 }, (_, index) => inbox.claim({ ...taking(10), owner: `worker ${index}` })),
      );
      const ids = claims.flat().map(({ id }) => id);
      expect([ids.length, new Set(ids).size]).toEqual([20, 20]);
    });

    it.each<LookOutcome>(['POST_WOKEN', 'GRANT_ENDED', 'GRANT_GOOD', 'NOT_CONNECTED', 'IGNORED', 'GIVEN_UP'])(
      'ends one as %s, once',
      async (outcome) => {
        const { inbox } = await make();
        const lease = await held(inbox, aWebhook());
        expect(await inbox.finish(lease, outcome)).toBe(true);
        expect(await inbox.finish(lease, outcome)).toBe(false);
        expect(await inbox.claim(taking(5))).toEqual([]);
      },
    );

    it('lets nobody end or postpone what another has taken over', async () => {
      const { inbox } = await make();
      const old = await held(inbox, aWebhook());
      const [taken] = await inbox.claim({ ...lapsed, limit: 1 });
      expect(taken).toMatchObject({ owner: old.owner, fence: 2 });
      expect(await inbox.finish(old, 'POST_WOKEN')).toBe(false);
      await inbox.postpone(old, 3600);
      expect(await inbox.finish({ ...old, fence: 2, owner: 'thief' }, 'POST_WOKEN')).toBe(false);
      expect(await inbox.claim(taking(1))).toEqual([{ ...old, owner: 'me', fence: 3 }]);
    });

    it('gives out a postponed one later, with one failure more', async () => {
      const { inbox } = await make();
      const later = await held(inbox, aWebhook());
      const soon = await held(inbox, aWebhook());
      await inbox.postpone(later, 3600);
      await inbox.postpone(soon, 0);
      expect(await inbox.claim(taking(5))).toEqual([{ ...soon, owner: 'me', fence: 2, failures: 1 }]);
      expect(await inbox.finish(soon, 'POST_WOKEN')).toBe(false);
    });

    it('forgets what was handled long ago, and nothing else', async () => {
      const { inbox, clock } = await make();
      const [handled, waiting] = [aWebhook(), aWebhook()];
      await inbox.finish(await held(inbox, handled), 'POST_WOKEN');
      await held(inbox, waiting, mine);
      await inbox.forgetHandledBefore(new Date(clock.now().getTime() - 60_000));
      expect(await inbox.add(handled, mine)).toBeUndefined();
      await inbox.forgetHandledBefore(new Date(clock.now().getTime() + 60_000));
      expect(await inbox.add(handled, mine)).toBeDefined();
      expect(await inbox.add(waiting, mine)).toBeUndefined();
    });

    it('gives out copies: nobody changes what is stored by accident', async () => {
      const { inbox } = await make();
      const lease = await held(inbox, aWebhook());
      lease.receivedTime.setTime(0);
      const [claimed] = await inbox.claim(taking(1));
      expect(claimed?.receivedTime.getTime()).not.toBe(0);
    });
  });
}
