import { createInterface } from 'node:readline';
import type { FailPoint } from '../../src/application/ports/fail-point.ts';
import { readConfig } from '../../src/config.ts';
import { startService } from '../../src/service.ts';

/**
 * The service, for a fault test to stop at a named place. `HALT_AT=chunk-sent` stops there the first time, `chunk-sent:3` the
 * third, `chunk-sent:*` each time. Each that stops says so on its standard output, and never goes on by itself.
 *
 * Later stops come as lines on its standard input, each with a number of its own: `stop 1 claimed:*`, and `go 1` for those who
 * stopped there; from then on nobody does. It says when it has heard. `HALT_AT` is number 0.
 */
type Stop = {
  readonly number: number;
  readonly place: string;
  /** Infinite: each time. */
  readonly every: boolean;
  left: number;
  readonly goOn: () => void;
  readonly gone: Promise<void>;
};

const stops = new Map<number, Stop>();
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

function stopAt(number: number, where: string): void {
  const [place = '', count = '1'] = where.split(':');
  const { promise, resolve } = Promise.withResolvers<void>();
  stops.set(number, { number, place, every: count === '*', left: Number(count), goOn: resolve, gone: promise });
}

const failPoint: FailPoint = (name) => {
  for (const stop of stops.values()) {
    if (stop.place !== name) continue;
    stop.left -= 1;
    if (!stop.every && stop.left !== 0) continue;
    say({ halted: name, stop: stop.number });
    return stop.gone;
  }
  return undefined;
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const [verb, number, where = ''] = line.split(' ');
  const key = Number(number);
  if (verb === 'stop') stopAt(key, where);
  if (verb === 'go') {
    stops.get(key)?.goOn();
    stops.delete(key);
  }
  say({ heard: line });
});

const haltAt = process.env['HALT_AT'];
if (haltAt !== undefined) stopAt(0, haltAt);
await startService(readConfig(process.env), failPoint);
