import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

/**
 * Breaks refreshes of tokens in all known ways, as often as asked, and looks whether a grant was lost that need not have been:
 * `npm run token-faults -- --faults 500 --seed 7`. The same seed chooses the same faults.
 */
const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(randomInt(2 ** 32)) },
  },
});
for (const [name, value] of Object.entries(values)) {
  if (/^[1-9]\d{0,9}$|^0$/.test(value)) continue;
  console.error(`--${name} ${value}: a whole number is wanted.`);
  process.exit(1);
}
console.log(`token faults: --faults ${values.faults} --seed ${values.seed}`);
const { status } = spawnSync('npx', ['--no-install', 'vitest', 'run', 'test/fault/token-faults.test.ts'], {
  stdio: 'inherit',
  env: { ...process.env, TOKEN_FAULTS: values.faults, TOKEN_FAULTS_SEED: values.seed },
});
process.exit(status ?? 1);
