import { pino } from 'pino';
import { loggableError } from './adapters/system/loggable-error.ts';
import { ConfigError, readConfig } from './config.ts';
import { inWords } from './in-words.ts';
import { type Stop, startService } from './service.ts';

/** A second signal, or anything that hangs, must not keep the process: leases end by themselves. */
const LAST_RESORT_MILLISECONDS = 25_000;

// Node would open its debugger, which lets whoever reaches that port do everything.
process.on('SIGUSR1', () => undefined);

// What it was about to do nobody knows, so it does nothing more: what it had in hand others take over when its leases end.
process.on('uncaughtException', (error, origin) => {
  const log = pino({ serializers: { error: loggableError } });
  log.fatal({ error, origin }, 'this process ends on a failure that nothing caught; it is to be started again');
  process.exit(1);
});

try {
  const started = startService(readConfig(process.env));
  // From the first moment: a service that is told to stop while it starts ends what it has started.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end(started, signal));
  await started;
} catch (error) {
  giveUp(error);
}

function end(started: Promise<Stop>, signal: NodeJS.Signals): void {
  setTimeout(() => process.exit(1), LAST_RESORT_MILLISECONDS).unref();
  process.once(signal, () => process.exit(1));
  started.then((stop) => stop()).then(() => process.exit(0), giveUp);
}

function giveUp(error: unknown): never {
  console.error(error instanceof ConfigError ? error.message : inWords(error));
  process.exit(1);
}
