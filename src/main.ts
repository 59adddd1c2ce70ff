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
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
}
