import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fairRoom } from '../../../src/application/fair-room.ts';

/** Lets everything go on that waits for nothing but its turn. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Work that ends when the test says so, in the order in which it began. */
function aRoom(places: number) {
  const room = fairRoom(places);
  const begun: { readonly tenant: string; readonly end: (failed?: Error) => void }[] = [];
  const enter = (tenant: string): Promise<void> =>
    room(tenant, () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      begun.push({ tenant, end: (failed) => (failed === undefined ? resolve() : reject(failed)) });
      return promise;
    });
  let ended = 0;
  /** The one that began first of those at work is done. */
  const endNext = async (failed?: Error) => {
    begun[ended]?.end(failed);
    ended += 1;
    await settle();
  };
  return { enter, begun, endNext, tenants: () => begun.map(({ tenant }) => tenant) };
}

describe('room that tenants share', () => {
  it('lets as many in at once as there are places', async () => {
    const { enter, begun, endNext } = aRoom(3);
    for (let work = 0; work < 5; work += 1) void enter('a');
    await settle();
    expect(begun).toHaveLength(3);
    await endNext();
    expect(begun).toHaveLength(4);
  });

  it('lets the next tenant’s one in before the other ninety-nine of the first', async () => {
    const { enter, tenants, endNext } = aRoom(1);
    for (let work = 0; work < 100; work += 1) void enter('many');
    await settle();
    void enter('one');
    await settle();
    await endNext();
    await endNext();
    expect(tenants()).toEqual(['many', 'many', 'one']);
  });

  it('serves tenants in turn, and each tenant in its order', async () => {
    const { enter, tenants, endNext } = aRoom(1);
    for (const tenant of ['a', 'a', 'a', 'b', 'b', 'c']) void enter(tenant);
    await settle();
    for (let work = 0; work < 5; work += 1) await endNext();
    expect(tenants()).toEqual(['a', 'a', 'b', 'c', 'a', 'b']);
  });

  it('gives what the work gives, and its place back when the work fails', async () => {
    const { enter, begun, endNext } = aRoom(1);
    const failing = enter('a');
    void enter('a');
    const failed = expect(failing).rejects.toThrow('a bug');
    await endNext(new Error('a bug'));
    await failed;
    expect(begun).toHaveLength(2);
    expect(await fairRoom(1)('a', async () => 7)).toBe(7);
  });

  it('has all its places again when nobody is in it', async () => {
    const { enter, begun, endNext } = aRoom(2);
    for (let work = 0; work < 4; work += 1) void enter('a');
    await settle();
    for (let work = 0; work < 4; work += 1) await endNext();
    for (let work = 0; work < 2; work += 1) void enter('b');
    await settle();
    expect(begun).toHaveLength(6);
  });

  it('never lets a tenant wait for more than one of each other tenant’s, whoever else comes', async () => {
    const coming = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), coming, coming, async (places, first, second) => {
        const { enter, begun, endNext, tenants } = aRoom(places);
        const waiting: string[] = [];
        for (const tenant of first) {
          void enter(tenant);
          waiting.push(tenant);
        }
        await settle();
        for (const tenant of second) {
          void enter(tenant);
          waiting.push(tenant);
        }
        await settle();
        const atOnce = Math.min(places, waiting.length);
        expect(begun).toHaveLength(atOnce);
        for (let work = 0; work < waiting.length; work += 1) {
          await endNext();
          expect(begun.length).toBe(Math.min(waiting.length, places + work + 1));
        }
        // Everything was served, and between two turns of a tenant that waited all the time each other one had at most one.
        expect(tenants().toSorted()).toEqual(waiting.toSorted());
        const served = tenants().slice(places);
        const left = new Map<string, number>();
        for (const tenant of served) left.set(tenant, (left.get(tenant) ?? 0) + 1);
        for (const tenant of left.keys()) {
          const turns = served.flatMap((name, index) => (name === tenant ? [index] : []));
          const gaps = [0, ...turns].map((start, index) => served.slice(index === 0 ? 0 : start + 1, turns[index]));
          for (const gap of gaps.slice(0, turns.length)) {
            for (const other of new Set(gap)) expect(gap.filter((name) => name === other)).toHaveLength(1);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
