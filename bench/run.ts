import { readFile, writeFile } from 'node:fs/promises';
import { accept } from './accept.ts';
import { backlog } from './backlog.ts';
import { burst } from './burst.ts';
import { history } from './history.ts';
import { idle } from './idle.ts';
import { metricsOf } from './metrics.ts';
import { probe } from './probe.ts';
import type { Bench, Options, Report } from './support/bench.ts';
import { BadCommand, readCommand, usage } from './support/command-line.ts';
import { better, type Recorded, regressions, withRecord } from './support/guard.ts';
import { machine } from './support/table.ts';
import { upload } from './upload.ts';
import { watch } from './watch.ts';

const BENCHES: Readonly<Record<string, Bench>> = {
  accept,
  backlog,
  burst,
  history,
  idle,
  metrics: metricsOf('BUSINESS'),
  'metrics-open': metricsOf('OPEN'),
  probe,
  upload,
  watch,
};

const BASELINE = new URL('baseline.json', import.meta.url);

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

/** Runs one bench and prints what it found. Undefined when its figures mean nothing. */
async function run(name: string, options: Options): Promise<Report | undefined> {
  const bench = BENCHES[name];
  if (bench === undefined) throw new Error(`there is no bench ${name}`);
  const own = resources.use(new AsyncDisposableStack());
  try {
    const report = await bench.run(options, own, tell);
    const { table, figures, ratios, failures } = report;
    console.log(`${table}\n`);
    for (const failure of failures) console.error(`FAILED: ${failure}`);
    console.log(JSON.stringify({ bench: name, ...figures, ratios, failures }));
    return failures.length === 0 ? report : undefined;
  } finally {
    await own.disposeAsync();
  }
}

async function save(name: string, { table, figures, ratios, failures }: Report): Promise<void> {
  const json = JSON.stringify({ bench: name, ...figures, ratios, failures }, undefined, 2);
  const text = `# ${name}\n\nMade by \`npm run bench ${name}\`; [README](../README.md) says what is measured.\n\n${table}\n\n\`\`\`json\n${json}\n\`\`\`\n`;
  await writeFile(new URL(`results/${name}.md`, import.meta.url), text);
}

/** What fell is measured once more before it counts. */
async function fallen(name: string, options: Options, { ratios }: Report, recorded: Recorded) {
  const before = recorded[name]?.ratios;
  const first = regressions(name, before, ratios);
  if (first.length === 0) return first;
  for (const sentence of first) tell(`${sentence} Once more.`);
  const again = await run(name, options);
  return again === undefined ? first : regressions(name, before, better(ratios, again.ratios));
}

try {
  const where = machine();
  const command = readCommand(process.argv.slice(2), BENCHES);
  let recorded: Recorded = command.ratios === 'SHOW' ? {} : JSON.parse(await readFile(BASELINE, 'utf8'));
  const regressed: string[] = [];
  for (const { name, options } of command.runs) {
    const report = await run(name, options);
    if (report === undefined) {
      process.exitCode = 1;
      continue;
    }
    if (command.save) await save(name, report);
    if (command.ratios === 'CHECK') regressed.push(...(await fallen(name, options, report, recorded)));
    if (command.ratios === 'RECORD') {
      recorded = withRecord(recorded, name, { date: new Date().toISOString(), machine: where, ratios: report.ratios });
      await writeFile(BASELINE, `${JSON.stringify(recorded, undefined, 2)}\n`);
    }
  }
  for (const sentence of regressed) console.error(`REGRESSED: ${sentence}`);
  if (regressed.length > 0) process.exitCode = 1;
} catch (error) {
  if (error instanceof BadCommand) console.error(`${error.message}\n\n${usage(BENCHES)}`);
  else if (!interrupted) console.error(error);
  process.exitCode = error instanceof BadCommand ? 2 : 1;
} finally {
  await resources.disposeAsync();
}
