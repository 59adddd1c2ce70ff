import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

const KILLS = 50;

it(`SCH-01: ${KILLS} random SIGKILLs of 3 workers make no post of either family double, lost or stuck`, {
  timeout: 15 * 60_000,
}, async () => {
  const seed = randomInt(2 ** 32);
  console.info(`chaos seed: ${seed}`);
  const flags = ['--family', 'both', '--kills', String(KILLS), '--workers', '3', '--seed', String(seed)];
  const run = spawn(process.execPath, ['scripts/chaos.ts', ...flags], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(run, 'close');
  // When the time is over it is to end its workers and its database itself.
  onTestFinished(async () => {
    if (run.exitCode !== null || run.signalCode !== null) return;
    run.kill('SIGTERM');
    await closed;
  }, 60_000);
  let output = '';
  for (const stream of [run.stdout, run.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }

  const [code] = (await closed) as [number | null];
  if (code !== 0) console.error(output);
  const lastLine = output.trimEnd().split('\n').at(-1) ?? '';
  expect({ code, lastLine }).toMatchObject({ code: 0 });
  const { kills, posts, ...others } = JSON.parse(lastLine);
  expect(kills).toBeGreaterThanOrEqual(KILLS);
  expect(posts).toBeGreaterThan(0);
  expect(others).toMatchObject({ duplicates: 0, lost: 0, stuck: 0, seed });
});
