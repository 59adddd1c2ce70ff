import { ConfigError, readConfig } from './config.ts';
import { startService } from './service.ts';

try {
  const stop = await startService(readConfig(process.env));
  const end = (signal: NodeJS.Signals): void => {
    // A second signal, or anything that hangs, must not keep the process: leases end by themselves.
    setTimeout(() => process.exit(1), 25_000).unref();
    process.once(signal, () => process.exit(1));
    stop().then(
      () => process.exit(0),
      (error) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', () => end('SIGTERM'));
  process.once('SIGINT', () => end('SIGINT'));
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : inWords(error));
  process.exit(1);
}

/** What went wrong and what lies behind it, a line each. */
function inWords(error: unknown): string {
  if (error instanceof AggregateError) return [error.message, ...error.errors.map(inWords)].join('\n');
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n  because: ${inWords(error.cause)}`;
}
