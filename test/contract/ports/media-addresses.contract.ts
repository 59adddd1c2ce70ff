import { describe, expect, it } from 'vitest';
import type { MediaAddress, MediaAddresses } from '../../../src/application/ports/media-addresses.ts';
import { bytesCovered } from '../../../src/domain/post/media-evidence.ts';
import { Secret } from '../../../src/domain/secret.ts';

let serial = 0;
const aToken = () => new Secret(`token-${++serial}`.padEnd(43, 'x'));

export type MediaStores = {
  readonly addresses: MediaAddresses;
  /** Another attempt that lives. */
  readonly attempt: () => Promise<MediaAddress>;
  /** The attempt gets an outcome. */
  readonly end: (address: MediaAddress) => Promise<void>;
};

/** What every witness of pulled videos does. */
export function mediaAddressesContract(name: string, make: () => Promise<MediaStores>): void {
  describe(`MediaAddresses, as ${name}`, () => {
    async function opened() {
      const stores = await make();
      const address = await stores.attempt();
      const token = aToken();
      await stores.addresses.open(address, token);
      return { ...stores, address, token };
    }

    it('tells whose address it is, and nothing of a token that is nobody’s', async () => {
      const { addresses, address, token } = await opened();
      expect(await addresses.find(token)).toEqual({ ...address, open: true });
      expect(await addresses.find(aToken())).toBeUndefined();
      expect(await addresses.note(aToken(), { start: 0, endExclusive: 1 })).toBe(false);
    });

    it('knows what was fetched, and when last', async () => {
      const { addresses, address, token } = await opened();
      expect(await addresses.evidence(address)).toEqual({ served: [] });
      for (const start of [0, 20, 10, 0]) {
        expect(await addresses.note(token, { start, endExclusive: start + 10 })).toBe(true);
      }
      const { served, lastTime, closeTime } = await addresses.evidence(address);
      expect(bytesCovered(served)).toBe(30);
      expect(served).toHaveLength(3);
      expect(lastTime).toBeInstanceOf(Date);
      expect(closeTime).toBeUndefined();
    });

    it('serves and notes nothing once it is closed; closing again changes nothing', async () => {
      const { addresses, address, token } = await opened();
      await addresses.note(token, { start: 0, endExclusive: 5 });
      await addresses.close(address);
      const { closeTime } = await addresses.evidence(address);
      expect(closeTime).toBeInstanceOf(Date);
      expect(await addresses.find(token)).toEqual({ ...address, open: false });
      expect(await addresses.note(token, { start: 5, endExclusive: 10 })).toBe(false);
      await addresses.close(address);
      const evidence = await addresses.evidence(address);
      expect(evidence.served).toEqual([{ start: 0, endExclusive: 5 }]);
      expect(evidence.closeTime).toEqual(closeTime);
    });

    it('serves and notes nothing once its attempt ended', async () => {
      const { addresses, address, token, end } = await opened();
      await end(address);
      expect(await addresses.find(token)).toEqual({ ...address, open: false });
      expect(await addresses.note(token, { start: 0, endExclusive: 5 })).toBe(false);
    });

    it('closes the address that an attempt had when it gets another one', async () => {
      const { addresses, address, token } = await opened();
      await addresses.note(token, { start: 0, endExclusive: 5 });
      const second = aToken();
      await addresses.open(address, second);
      expect(await addresses.note(token, { start: 5, endExclusive: 10 })).toBe(false);
      expect(await addresses.note(second, { start: 20, endExclusive: 25 })).toBe(true);
      const { served, closeTime } = await addresses.evidence(address);
      expect(bytesCovered(served)).toBe(10);
      expect(closeTime).toBeUndefined();
    });

    it('keeps attempts apart', async () => {
      const { addresses, attempt, address, token } = await opened();
      const other = await attempt();
      const otherToken = aToken();
      await addresses.open(other, otherToken);
      await addresses.note(otherToken, { start: 0, endExclusive: 5 });
      await addresses.close(other);
      expect(await addresses.evidence(address)).toEqual({ served: [] });
      expect(await addresses.note(token, { start: 0, endExclusive: 1 })).toBe(true);
    });

    it('has what was noted in the evidence, when twenty fetch while it is closed', async () => {
      const { addresses, address, token } = await opened();
      const [noted] = await Promise.all([
        Promise.all(
          Array.from({ length: 20 }, (_, index) => addresses.note(token, { start: index, endExclusive: index + 1 })),
        ),
        addresses.close(address),
      ]);
      const { served } = await addresses.evidence(address);
      expect(bytesCovered(served)).toBe(noted.filter(Boolean).length);
    });
  });
}
