import { describe, expect, it } from 'vitest';
import type {
  PendingAuthorization,
  PendingAuthorizations,
} from '../../../src/application/ports/pending-authorizations.ts';
import type { WorkspaceId } from '../../../src/domain/ids.ts';
import { ids, later, NOW, WORKSPACE } from '../../support/builders.ts';

const pendingOf = (parts: Partial<PendingAuthorization> = {}): PendingAuthorization => ({
  workspaceId: WORKSPACE,
  apiFamily: 'OPEN',
  expireTime: later(600),
  ...parts,
});

/** What every store of begun authorizations does. `make` gives an empty one. */
export function pendingAuthorizationsContract(name: string, make: () => Promise<PendingAuthorizations>): void {
  describe(`PendingAuthorizations, as ${name}`, () => {
    it.each([
      [
        'with everything',
        pendingOf({ apiFamily: 'BUSINESS', returnUri: 'https://app/é?a=1', reconnects: ids.connectionId() }),
      ],
      ['with no more than it must', pendingOf()],
    ])('gives out what was begun %s', async (_, begun) => {
      const pending = await make();
      await pending.add('state', begun);
      expect(await pending.take('state', NOW, 'ALL')).toEqual(begun);
    });

    it('gives it out once', async () => {
      const pending = await make();
      await pending.add('state', pendingOf());
      await pending.take('state', NOW, 'ALL');
      expect(await pending.take('state', NOW, 'ALL')).toBeUndefined();
    });

    it('keeps it from those who may not act in its workspace, and for those who may', async () => {
      const pending = await make();
      await pending.add('state', pendingOf());
      expect(await pending.take('state', NOW, new Set(['ws_other' as WorkspaceId]))).toBeUndefined();
      expect(await pending.take('state', NOW, new Set())).toBeUndefined();
      expect(await pending.take('state', NOW, new Set(['ws_other' as WorkspaceId, WORKSPACE]))).toBeDefined();
      expect(await pending.take('state', NOW, 'ALL')).toBeUndefined();
    });

    it('has one winner when twenty come back at once', async () => {
      const pending = await make();
      await pending.add('state', pendingOf());
      const taken = await Promise.all(Array.from({ length: 20 }, () => pending.take('state', NOW, 'ALL')));
      expect(taken.filter((begun) => begun !== undefined)).toHaveLength(1);
    });

    it.each(['', 'other', 'State', 'state ', 'state\0'])('knows nothing of the state %j', async (state) => {
      const pending = await make();
      await pending.add('state', pendingOf());
      expect(await pending.take(state, NOW, 'ALL')).toBeUndefined();
      expect(await pending.take('state', NOW, 'ALL')).toBeDefined();
    });

    it('gives nothing out after it expired', async () => {
      const pending = await make();
      await pending.add('early', pendingOf({ expireTime: later(600) }));
      await pending.add('late', pendingOf({ expireTime: later(600) }));
      expect(await pending.take('early', later(599), 'ALL')).toBeDefined();
      expect(await pending.take('late', later(601), 'ALL')).toBeUndefined();
    });

    it('forgets what expired, and nothing else', async () => {
      const pending = await make();
      await pending.add('old', pendingOf({ expireTime: later(-1) }));
      await pending.add('young', pendingOf({ expireTime: later(1) }));
      await pending.dropExpired(NOW);
      expect(await pending.take('old', later(-60), 'ALL')).toBeUndefined();
      expect(await pending.take('young', NOW, 'ALL')).toBeDefined();
    });
  });
}
