import type { FailPoint } from '../../src/application/ports/fail-point.ts';
import { readConfig } from '../../src/config.ts';
import { startService } from '../../src/service.ts';

/**
 * The service, to be killed or frozen at a named place: `HALT_AT=chunk-sent:3` halts where a chunk was sent the third time, and
 * says so on its standard output. Unlike the one of the fault tests it goes on when it is continued (SIGCONT) or no longer
 * needed (SIGUSR2): a process that was frozen right there wakes as one that knows nothing of the time between.
 */
const [place, count = '1'] = (process.env['HALT_AT'] ?? '').split(':');
let left = Number(count);
let armed = true;
const released = Promise.withResolvers<void>();

const failPoint: FailPoint = (name) => {
  if (!armed || name !== place || --left > 0) return undefined;
  armed = false;
  process.stdout.write(`${JSON.stringify({ halted: name })}\n`);
  return released.promise;
};

for (const signal of ['SIGCONT', 'SIGUSR2'] as const) {
  process.on(signal, () => {
    armed = false;
    released.resolve();
  });
}

await startService(readConfig(process.env), failPoint);
