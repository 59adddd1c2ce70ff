import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { addressTarget } from '../test/fuzz/address-target.ts';
import { corpusOf, keep } from '../test/fuzz/corpus.ts';
import { mutated, randomOf } from '../test/fuzz/mutate.ts';
import { probeTarget } from '../test/fuzz/probe-target.ts';
import { rpcTarget } from '../test/fuzz/rpc-target.ts';
import { structureTarget } from '../test/fuzz/structure-target.ts';
import type { Target } from '../test/fuzz/target.ts';
import { webhookTarget } from '../test/fuzz/webhook-target.ts';

const HELP = `npm run fuzz -- [--seconds 60] [--seed N] [--target structure,probe,address,webhook,rpc]

Gives strange bytes to whatever reads strangers' bytes, for so many seconds in all. What does harm is kept under
test/fuzz/corpus, where npm test tries it again, and the exit code is 1. The same seed makes the same bytes.`;

const MAKERS: Readonly<Record<string, () => Promise<Target>>> = {
  structure: structureTarget,
  probe: probeTarget,
  address: addressTarget,
  webhook: webhookTarget,
  rpc: () => rpcTarget(),
};

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(randomInt(2 ** 32)) },
    target: { type: 'string', default: Object.keys(MAKERS).join(',') },
    help: { type: 'boolean', default: false },
  },
});
const names = values.target.split(',');
const wrong = names.filter((name) => MAKERS[name] === undefined);
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
if (values.help || wrong.length > 0 || !(seconds > 0) || !Number.isSafeInteger(seed)) {
  console.log(HELP);
  process.exit(values.help ? 0 : 1);
}

console.log(`fuzz: --seconds ${seconds} --seed ${seed} --target ${values.target}`);
let findings = 0;
// What nobody waited for is a finding of whichever input was in hand.
let stray: unknown;
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error) => {
    stray = error;
  });
}

for (const name of names) findings += await fuzz(name, MAKERS[name] as () => Promise<Target>, seconds / names.length);
console.log(findings === 0 ? 'no findings' : `${findings} findings, kept under test/fuzz/corpus`);
process.exit(findings === 0 ? 0 : 1);

async function fuzz(name: string, make: () => Promise<Target>, share: number): Promise<number> {
  await using target = await make();
  const random = randomOf(seed);
  const pool = [...target.seeds, ...(await corpusOf(name)).map(({ input }) => input)];
  const any = (): Buffer => pool[Math.floor(random() * pool.length)] ?? Buffer.alloc(0);
  const end = performance.now() + share * 1000;
  let [count, found, slowest] = [0, 0, 0];
  while (performance.now() < end) {
    const input = mutated(any(), any(), random);
    const began = performance.now();
    try {
      await target.run(input);
      if (stray !== undefined) throw stray;
    } catch (error) {
      found += 1;
      stray = undefined;
      console.log(`${name}: ${error instanceof Error ? error.message : error}\n  kept as ${await keep(name, input)}`);
    }
    slowest = Math.max(slowest, performance.now() - began);
    count += 1;
  }
  console.log(`${name}: ${count} inputs, slowest ${Math.round(slowest)} ms, ${found} findings`);
  return found;
}
