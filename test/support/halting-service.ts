import type { FailPoint } from '../../src/application/ports/fail-point.ts';
import { readConfig } from '../../src/config.ts';
import { startService } from '../../src/service.ts';

/**
 * The service, for a fault test to kill at a named place: `HALT_AT=chunk-sent` halts there the first time, `chunk-sent:3` the
 * third. It says so on its standard output and never goes on.
 */
function haltingFailPoint(wanted: string | undefined): FailPoint {
  const [place, count = '1'] = (wanted ?? '').split(':');
  let left = Number(count);
  return (name) => {
    if (name !== place || --left > 0) return undefined;
    process.stdout.write(`${JSON.stringify({ halted: name })}\n`);
    return new Promise(() => undefined);
  };
}

await startService(readConfig(process.env), haltingFailPoint(process.env['HALT_AT']));
