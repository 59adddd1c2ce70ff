import { writeFile } from 'node:fs/promises';
import { burst } from './burst.ts';
import { history } from './history.ts';
import { metricsOf } from './metrics.ts';
import type { Bench, Options } from './support/bench.ts';
import { BadCommand, readCommand, usage } from './support/command-line.ts';

const BENCHES: Readonly<Record<string, Bench>> = {
  burst,
  history,
  metrics: metricsOf('BUSINESS'),
  'metrics-open': metricsOf('OPEN'),
};

const began = performance.now();
const resources = new AsyncDisposableStack();

/** Progress goes to the error output: what is printed otherwise is the result. */
const tell = (progress: string): void =>
  console.error(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${progress}`);

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true;
    tell('interrupted: ending what was started');
    resources.disposeAsync().finally(() => process.exit(130));
  });
}

async function run(name: string, options: Options, save: boolean): Promise<boolean> {
  const bench = BENCHES[name];
  if (bench === undefined) throw new Error(`there is no bench ${name}`);
  const { table, figures, failures } = await bench.run(options, resources, tell);
  console.log(`${table}\n`);
  for (const failure of failures) console.error(`FAILED: ${failure}`);
  const json = JSON.stringify({ bench: name, ...figures, failures });
  if (save && failures.length === 0) {
    const text = `# ${name}\n\nMade by \`npm run bench ${name}\`; [README](../README.md) says what is measured.\n\n${table}\n\n\`\`\`json\n${JSON.stringify(JSON.parse(json), undefined, 2)}\n\`\`\`\n`;
    await writeFile(new URL(`results/${name}.md`, import.meta.url), text);
  }
  console.log(json);
  return failures.length === 0;
}

try {
  const { names, options, save } = readCommand(process.argv.slice(2), BENCHES);
  for (const name of names) if (!(await run(name, options, save))) process.exitCode = 1;
} catch (error) {
  if (error instanceof BadCommand) console.error(`${error.message}\n\n${usage(BENCHES)}`);
  else if (!interrupted) console.error(error);
  process.exitCode = error instanceof BadCommand ? 2 : 1;
} finally {
  await resources.disposeAsync();
}
