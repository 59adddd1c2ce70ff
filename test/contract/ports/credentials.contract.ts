import { describe, expect, it } from 'vitest';
import type { Credential, Credentials, NewCredential } from '../../../src/application/ports/credentials.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { aNewCredential, ids, later, OTHER_WORKSPACE } from '../../support/builders.ts';
import { revealed } from '../../support/copy.ts';

/** What every store of tokens does. `make` gives an empty one. */
export function credentialsContract(name: string, make: () => Promise<Credentials>): void {
  const child = ({ version: _, unansweredSince: __, ...parent }: Credential, text = 'child'): NewCredential => ({
    ...parent,
    accessToken: new Secret(`act.${text}`),
    refreshToken: new Secret(`rft.${text}`),
    accessExpireTime: later(7200, parent.accessExpireTime),
    refreshDueTime: later(3600, parent.accessExpireTime),
  });
  /** What is given back of it. */
  const kept = ({ refreshDueTime: _, ...pair }: NewCredential) => pair;
  const PAST = new Date('2020-01-01T00:00:00Z');
  const dueSince = (seconds: number, parts: Partial<NewCredential> = {}) =>
    aNewCredential({ refreshDueTime: later(seconds, PAST), ...parts });

  describe(`Credentials, as ${name}`, () => {
    it('stores a pair and gives it back, secrets and times as they were', async () => {
      const credentials = await make();
      const pair = aNewCredential({
        accessToken: new Secret('act.é\'"\\😀'),
        refreshToken: new Secret('r'.repeat(4000)),
        accessExpireTime: new Date('2026-11-22T12:00:00.123Z'),
      });
      const stored = await credentials.put(pair);
      expect(revealed(stored)).toEqual(revealed({ ...kept(pair), version: 1 }));
      expect(revealed(await credentials.find(pair.connectionId))).toEqual(revealed(stored));
    });

    it('has none for a connection that has none', async () => {
      const credentials = await make();
      await credentials.put(aNewCredential());
      expect(await credentials.find(ids.connectionId())).toBeUndefined();
    });

    it('replaces whatever is there by a fresh consent, with a higher version', async () => {
      const credentials = await make();
      const first = await credentials.put(aNewCredential());
      const second = await credentials.put(child(first));
      expect(second.version).toBe(first.version + 1);
      expect(revealed(await credentials.find(first.connectionId))).toEqual(revealed(second));
    });

    it('replaces the parent by its child', async () => {
      const credentials = await make();
      const parent = await credentials.put(aNewCredential());
      const stored = await credentials.replace(child(parent), parent.version);
      expect(revealed(stored)).toEqual(revealed({ ...kept(child(parent)), version: parent.version + 1 }));
      expect(revealed(await credentials.find(parent.connectionId))).toEqual(revealed(stored));
    });

    it('keeps a newer pair: an answer that comes late is dropped (T5, T6)', async () => {
      const credentials = await make();
      const parent = await credentials.put(aNewCredential());
      const newest = await credentials.put(child(parent, 'newest'));
      expect(await credentials.replace(child(parent, 'late'), parent.version)).toBeUndefined();
      expect(revealed(await credentials.find(parent.connectionId))).toEqual(revealed(newest));
    });

    it('has one winner when twenty replace the same parent at once', async () => {
      const credentials = await make();
      const parent = await credentials.put(aNewCredential());
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) => credentials.replace(child(parent, String(index)), parent.version)),
      );
      const winners = outcomes.filter((outcome) => outcome !== undefined);
      expect(winners).toHaveLength(1);
      expect(revealed(await credentials.find(parent.connectionId))).toEqual(revealed(winners[0]));
    });

    it('destroys a pair for good, and destroying again is harmless (T7)', async () => {
      const credentials = await make();
      const parent = await credentials.put(aNewCredential());
      const other = await credentials.put(aNewCredential());
      await credentials.destroy(parent.connectionId);
      await credentials.destroy(parent.connectionId);
      expect(await credentials.find(parent.connectionId)).toBeUndefined();
      expect(await credentials.replace(child(parent), parent.version)).toBeUndefined();
      expect(await credentials.find(parent.connectionId)).toBeUndefined();
      expect(revealed(await credentials.find(other.connectionId))).toEqual(revealed(other));
    });

    it('does not take an answer from before a disconnect for a child of the consent after it (T6 and T7)', async () => {
      const credentials = await make();
      const before = await credentials.put(aNewCredential());
      await credentials.destroy(before.connectionId);
      const after = await credentials.put(child(before, 'fresh'));
      expect(await credentials.replace(child(before, 'late'), before.version)).toBeUndefined();
      expect(revealed(await credentials.find(before.connectionId))).toEqual(revealed(after));
    });

    describe('the claim to refresh', () => {
      it('is had by one at a time', async () => {
        const credentials = await make();
        const { connectionId, version } = await credentials.put(aNewCredential());
        const claims = await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            credentials.claimRefresh(connectionId, version, `worker-${index}`, 60),
          ),
        );
        expect(claims.toSorted()).toEqual([...Array(19).fill('BUSY'), 'CLAIMED']);
      });

      it('is free again after it was released', async () => {
        const credentials = await make();
        const { connectionId, version } = await credentials.put(aNewCredential());
        await credentials.claimRefresh(connectionId, version, 'a', 60);
        await credentials.releaseRefresh(connectionId, 'a');
        expect(await credentials.claimRefresh(connectionId, version, 'b', 60)).toBe('CLAIMED');
      });

      it('is not released by anyone else', async () => {
        const credentials = await make();
        const { connectionId, version } = await credentials.put(aNewCredential());
        await credentials.claimRefresh(connectionId, version, 'a', 60);
        await credentials.releaseRefresh(connectionId, 'b');
        expect(await credentials.claimRefresh(connectionId, version, 'b', 60)).toBe('BUSY');
      });

      it('is taken over when it has lapsed, and that is told (T3)', async () => {
        const credentials = await make();
        const { connectionId, version } = await credentials.put(aNewCredential());
        await credentials.claimRefresh(connectionId, version, 'a', 0);
        expect(await credentials.claimRefresh(connectionId, version, 'b', 60)).toBe('TAKEN_OVER');
        await credentials.releaseRefresh(connectionId, 'a');
        expect(await credentials.claimRefresh(connectionId, version, 'c', 60)).toBe('BUSY');
      });

      it('is not given for a pair that is not the current one, or none', async () => {
        const credentials = await make();
        const parent = await credentials.put(aNewCredential());
        const { connectionId } = parent;
        await credentials.replace(child(parent), parent.version);
        expect(await credentials.claimRefresh(connectionId, parent.version, 'a', 60)).toBe('BUSY');
        expect(await credentials.claimRefresh(connectionId, parent.version + 1, 'a', 60)).toBe('CLAIMED');
        expect(await credentials.claimRefresh(ids.connectionId(), 1, 'a', 60)).toBe('BUSY');
      });

      it('does not outlive its pair: a fresh consent can be refreshed at once', async () => {
        const credentials = await make();
        const parent = await credentials.put(aNewCredential());
        await credentials.claimRefresh(parent.connectionId, parent.version, 'a', 60);
        const fresh = await credentials.put(child(parent));
        expect(await credentials.claimRefresh(parent.connectionId, fresh.version, 'b', 60)).toBe('CLAIMED');
      });

      it('does not keep its owner from storing late: only the parent counts (T5)', async () => {
        const credentials = await make();
        const parent = await credentials.put(aNewCredential());
        await credentials.claimRefresh(parent.connectionId, parent.version, 'a', 0);
        await credentials.claimRefresh(parent.connectionId, parent.version, 'b', 60);
        expect(await credentials.replace(child(parent), parent.version)).toMatchObject({ version: parent.version + 1 });
      });

      it('leaves the pair as it is', async () => {
        const credentials = await make();
        const pair = await credentials.put(aNewCredential());
        await credentials.claimRefresh(pair.connectionId, pair.version, 'a', 60);
        await credentials.releaseRefresh(pair.connectionId, 'a');
        expect(revealed(await credentials.find(pair.connectionId))).toEqual(revealed(pair));
      });
    });

    describe('an answer of TikTok that did not arrive', () => {
      it('is remembered of its pair, since the first time, and of no other', async () => {
        const credentials = await make();
        const { connectionId, version } = await credentials.put(aNewCredential());
        await credentials.noteUnanswered(connectionId, version + 1);
        await credentials.noteUnanswered(ids.connectionId(), 1);
        expect((await credentials.find(connectionId))?.unansweredSince).toBeUndefined();
        await credentials.noteUnanswered(connectionId, version);
        const since = (await credentials.find(connectionId))?.unansweredSince;
        expect(since).toBeInstanceOf(Date);
        await credentials.noteUnanswered(connectionId, version);
        expect((await credentials.find(connectionId))?.unansweredSince).toEqual(since);
      });

      it('is forgotten with the pair', async () => {
        const credentials = await make();
        const first = await credentials.put(aNewCredential());
        await credentials.noteUnanswered(first.connectionId, first.version);
        const second = await credentials.replace(child(first), first.version);
        if (second === undefined) throw new Error('not replaced');
        expect((await credentials.find(first.connectionId))?.unansweredSince).toBeUndefined();
        await credentials.noteUnanswered(second.connectionId, second.version);
        await credentials.put(child(second));
        expect((await credentials.find(first.connectionId))?.unansweredSince).toBeUndefined();
      });

      it('is assumed when who asked died with a claim', async () => {
        const credentials = await make();
        const { connectionId, version } = await credentials.put(aNewCredential());
        await credentials.claimRefresh(connectionId, version, 'a', 0);
        expect((await credentials.find(connectionId))?.unansweredSince).toBeUndefined();
        await credentials.claimRefresh(connectionId, version, 'b', 60);
        expect((await credentials.find(connectionId))?.unansweredSince).toBeInstanceOf(Date);
      });
    });

    describe('what is due to be renewed', () => {
      it('is given out once, the longest due first, and again when nothing became of it', async () => {
        const credentials = await make();
        const [second, first] = [await credentials.put(dueSince(60)), await credentials.put(dueSince(0))];
        await credentials.put(aNewCredential({ refreshDueTime: new Date('2100-01-01T00:00:00Z') }));
        const given = await credentials.claimDue(1, 60);
        expect(given).toEqual([{ connectionId: first.connectionId, version: 1, failures: 0 }]);
        expect((await credentials.claimDue(10, 0)).map((each) => each.connectionId)).toEqual([second.connectionId]);
        expect((await credentials.claimDue(10, 60)).map((each) => each.connectionId)).toEqual([second.connectionId]);
        expect(await credentials.claimDue(10, 60)).toEqual([]);
      });

      it('is given to one of twenty at once', async () => {
        const credentials = await make();
        await credentials.put(dueSince(0));
        const given = await Promise.all(Array.from({ length: 20 }, () => credentials.claimDue(5, 60)));
        expect(given.flat()).toHaveLength(1);
      });

      it('is one of each workspace before the second of any', async () => {
        const credentials = await make();
        for (let account = 0; account < 5; account += 1) await credentials.put(dueSince(account));
        const other = await credentials.put(dueSince(3600, { workspaceId: OTHER_WORKSPACE }));
        const given = await credentials.claimDue(2, 60);
        expect(given.map((each) => each.connectionId)).toContain(other.connectionId);
      });

      it('is due later when it was put off, or never by itself, and how often is counted', async () => {
        const credentials = await make();
        const { connectionId, version } = await credentials.put(dueSince(0));
        await credentials.putOff(connectionId, version, 0);
        expect(await credentials.claimDue(5, 0)).toEqual([{ connectionId, version, failures: 1 }]);
        await credentials.putOff(connectionId, version + 1, 3600);
        expect(await credentials.claimDue(5, 0)).toHaveLength(1);
        await credentials.putOff(connectionId, version, 3600);
        expect(await credentials.claimDue(5, 0)).toEqual([]);
        await credentials.putOff(connectionId, version, 0);
        expect(await credentials.claimDue(5, 0)).toEqual([{ connectionId, version, failures: 3 }]);
        await credentials.putOff(connectionId, version);
        expect(await credentials.claimDue(5, 0)).toEqual([]);
      });

      it('is told beforehand: the earliest, while its renewal is under way as well, and none that needs the person', async () => {
        const credentials = await make();
        expect(await credentials.nextDue()).toBeUndefined();
        const distant = new Date('2100-01-01T00:00:00Z');
        const { connectionId } = await credentials.put(aNewCredential({ refreshDueTime: distant }));
        const sooner = new Date('2099-01-01T00:00:00.123Z');
        const other = await credentials.put(aNewCredential({ refreshDueTime: sooner }));
        expect(await credentials.nextDue()).toEqual(sooner);
        await credentials.destroy(other.connectionId);
        expect(await credentials.nextDue()).toEqual(distant);
        const { refreshDueTime } = dueSince(0);
        const { version } = await credentials.put(dueSince(0, { connectionId }));
        expect(await credentials.nextDue()).toEqual(refreshDueTime);
        await credentials.claimDue(1, 3600);
        expect(await credentials.nextDue()).toSatisfy((time: Date) => time > refreshDueTime && time < sooner);
        await credentials.putOff(connectionId, version);
        expect(await credentials.nextDue()).toBeUndefined();
      });

      it('begins anew with a new pair, and ends with the pair', async () => {
        const credentials = await make();
        const first = await credentials.put(dueSince(0));
        await credentials.putOff(first.connectionId, first.version);
        const renewed = { ...child(first), refreshDueTime: PAST };
        const second = await credentials.replace(renewed, first.version);
        expect(await credentials.claimDue(5, 0)).toEqual([
          { connectionId: first.connectionId, version: second?.version, failures: 0 },
        ]);
        await credentials.destroy(first.connectionId);
        expect(await credentials.claimDue(5, 0)).toEqual([]);
      });
    });
  });
}
