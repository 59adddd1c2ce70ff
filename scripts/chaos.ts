import { randomInt } from 'node:crypto';
import { FlagError, HELP, readOptions } from '../test/chaos/options.ts';
import { Interrupted, runChaos } from '../test/chaos/run.ts';

/**
 * Whether the promise holds: every post that was accepted goes out once, whoever dies. `npm run chaos -- --help` tells of it; how
 * it works begins in test/chaos/run.ts.
 */
const over = new AbortController();

// Again and again: whoever is impatient must not leave frozen processes and a database behind.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => over.abort(new Interrupted(`${signal}: everything is ended, nothing is left behind`)));
}

// Nobody waited for what failed there: the run is over all the same, and ends in order.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error) => {
    console.error(`${event}:`, error);
    process.exitCode = 1;
    over.abort(error);
  });
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), () => randomInt(2 ** 32));
  if (options === undefined) {
    console.log(HELP);
    return 0;
  }
  const { family, kills, workers, seed, leaseSeconds } = options;
  const repeat = `--family ${family} --kills ${kills} --workers ${workers} --lease ${leaseSeconds} --seed ${seed}`;
  console.log(`chaos: ${repeat}`);
  try {
    const { good, findings, result } = await runChaos(options, over, (line) => console.log(line));
    for (const finding of findings) console.log(`\n${finding}`);
    if (!good) console.log(`\n${findings.length} findings above; the same choices again: npm run chaos -- ${repeat}`);
    console.log(JSON.stringify(result));
    return good ? 0 : 1;
  } catch (error) {
    const { reason } = over.signal;
    if (reason instanceof Interrupted) {
      console.error(reason.message);
      return 130;
    }
    console.error(`the run itself failed (${repeat}):`, error);
    return 1;
  }
}

try {
  const code = await main();
  process.exitCode = process.exitCode === undefined || process.exitCode === 0 ? code : process.exitCode;
} catch (error) {
  if (!(error instanceof FlagError)) throw error;
  console.error(`${error.message}\nnpm run chaos -- --help explains them.`);
  process.exitCode = 1;
}
