import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/fresh-database.ts';
import { addressTarget } from './address-target.ts';
import { corpusOf } from './corpus.ts';
import { mutated, randomOf } from './mutate.ts';
import { probeTarget } from './probe-target.ts';
import { rpcTarget } from './rpc-target.ts';
import { structureTarget } from './structure-target.ts';
import type { Target } from './target.ts';
import { webhookTarget } from './webhook-target.ts';

/** Each with a few inputs of its own, the same ones in every run: `npm run fuzz` has others. */
const TARGETS: readonly [name: string, inputs: number, make: (databaseUrl: string) => Promise<Target>][] = [
  ['structure', 2_000, structureTarget],
  ['probe', 40, probeTarget],
  ['address', 2_000, addressTarget],
  ['webhook', 10_000, webhookTarget],
  ['rpc', 400, rpcTarget],
];

let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

describe('strange bytes do no harm (MED-05, SSR-01, WHK-01, RPC-12)', () => {
  it.each(TARGETS)('to %s: what was found before, good ones and %i more', async (name, inputs, make) => {
    await using target = await make(database.url);
    expect(target.name).toBe(name);
    for (const { file, input } of await corpusOf(name)) await expect(target.run(input), file).resolves.toBeUndefined();
    for (const seed of target.seeds) await target.run(seed);
    const random = randomOf(1);
    const any = (): Buffer => target.seeds[Math.floor(random() * target.seeds.length)] ?? Buffer.alloc(0);
    for (let count = 0; count < inputs; count += 1) await target.run(mutated(any(), any(), random));
  });
});
