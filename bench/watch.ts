import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { setTheStage } from './burst/stage.ts';
import type { Bench } from './support/bench.ts';
import { type Child, startChild } from './support/child.ts';
import { comparison, type Figures, type Row, ratioOf, type Subject } from './support/comparison.ts';
import { errorsIn } from './support/errors-in.ts';
import { measure } from './support/measure.ts';
import { startSandboxProcess } from './support/sandbox-process.ts';
import { circumstances, circumstancesLine, surroundings } from './support/surroundings.ts';
import { startWorker } from './support/worker.ts';
import { eachInTurn } from './watch/each-in-turn.ts';
import { watchedWorkspace } from './watch/watched.ts';
import type { WatcherResult, WatcherTask } from './watch/watcher.ts';

const WARM_UP_SECONDS = 2;
const GOAL_SECONDS = 0.25;

/** Events of another process, as a worker stores them, one for each workspace; parameter: the workspaces. */
const TELL = `
  insert into post_event (workspace_id, connection_id, post_id, previous_state, post, attempt, event_time)
  select watched, connection_id, post_id, 'SCHEDULED', post, attempt, clock_timestamp()
  from unnest($1::text[]) as watched, (select * from post_event where workspace_id like 'ws_bench%' limit 1) as known`;

const ROWS: readonly Row[] = [
  ['delay p50', 'p50Seconds', 'ms', 1e3],
  ['delay p99', 'p99Seconds', 'ms', 1e3],
  ['delay max', 'mostSeconds', 'ms', 1e3],
  ['events per second', 'eventsPerSecond', '', 1],
  ['CPU per event', 'cpuSeconds', 'ms', 1e3],
  ["PostgreSQL's CPU per event, storing them included", 'postgresCpuSeconds', 'ms', 1e3],
  ['transactions per event, storing them included', 'transactions', '', 1],
  ['memory', 'residentBytes', 'MiB', 1 / 2 ** 20],
];

export const watch: Bench<'watchers' | 'events' | 'seconds'> = {
  about:
    '1,000 watchers and 1,000 events a second of another process, against streams of events that come from nowhere',
  flags: {
    watchers: {
      fallback: 1_000,
      quick: 200,
      least: 1,
      most: 5_000,
      meaning: 'watches at once, each of a workspace of its own',
    },
    events: {
      fallback: 1_000,
      quick: 200,
      least: 1,
      most: 100_000,
      meaning: 'events a second, to the watchers in turn',
    },
    seconds: { fallback: 30, quick: 4, least: 1, most: 3_600, meaning: 'how long' },
  },
  check: () => undefined,

  async run(options, resources, tell) {
    const around = await surroundings('watch', resources, tell);
    const { folder, server, tokenKeys } = around;
    const { watchers, events: perSecond } = options;
    const total = (WARM_UP_SECONDS + options.seconds) * perSecond;
    const sandbox = resources.use(await startSandboxProcess());
    const accounts = await sandbox.addAccounts(1);
    const failures: string[] = [];

    async function startWatcher(url: string): Promise<Child> {
      const events = options.seconds * perSecond;
      const task: WatcherTask = { url, watchers, warmUpEvents: WARM_UP_SECONDS * perSecond, events };
      const taskFile = join(folder, 'watcher.json');
      await writeFile(taskFile, JSON.stringify(task));
      return resources.use(startChild('bench/watch/watcher.ts', {}, [taskFile]));
    }

    /** The delays, once all is heard. */
    async function heardBy(watcher: Child, who: string): Promise<Figures> {
      const line = await watcher.line((text) => text.startsWith('{'), 'it heard all');
      const { events, ...delays } = JSON.parse(line) as WatcherResult;
      await watcher.stop();
      const missing = options.seconds * perSecond - events;
      if (missing !== 0) failures.push(`${who}: ${missing} events were not heard`);
      return delays;
    }

    const perEvent = (from: number | undefined, to: number | undefined): number | undefined =>
      from === undefined || to === undefined ? undefined : (to - from) / total;

    async function bare(): Promise<Figures> {
      const environment = { WATCHERS: watchers, PER_SECOND: perSecond, EVENTS: total };
      const texts = Object.entries(environment).map(([name, value]) => [name, String(value)]);
      const child = resources.use(startChild('bench/watch/bare-streams.ts', Object.fromEntries(texts)));
      const ready = await child.line((line) => line.includes('"msg":"ready"'), 'it was ready');
      const watcher = await startWatcher((JSON.parse(ready) as { url: string }).url);
      await child.line((line) => line === 'begin', 'everybody watched');
      const began = performance.now();
      const before = await child.usage();
      const delays = await heardBy(watcher, 'bare streams');
      const after = await child.usage();
      const eventsPerSecond = total / ((performance.now() - began) / 1000);
      await child.stop();
      return {
        ...delays,
        eventsPerSecond,
        cpuSeconds: perEvent(before?.cpuSeconds, after?.cpuSeconds),
        residentBytes: after?.residentBytes,
      };
    }

    async function service(database: string): Promise<Figures> {
      const { url: databaseUrl } = await server.create(database);
      const place = join(folder, database);
      const videoFolder = join(place, 'videos');
      await mkdir(place);
      await setTheStage({ databaseUrl, tokenKeys, videoFolder, accounts, posts: 1 });
      const worker = await startWorker({ sandbox, databaseUrl, tokenKeys, folder: place, videoFolder, resources });
      const teller = new Client({ connectionString: databaseUrl });
      await teller.connect();
      try {
        const watcher = await startWatcher(worker.rpcUrl);
        await watcher.line((line) => line === 'begin', 'everybody watched');
        const before = await measure({ worker, sandbox, server, database });
        const began = performance.now();
        await eachInTurn(watchers, perSecond, total, async (chosen) => {
          await teller.query({ name: 'tell', text: TELL, values: [chosen.map(watchedWorkspace)] });
        });
        const delays = await heardBy(watcher, 'service');
        const eventsPerSecond = total / ((performance.now() - began) / 1000);
        const after = await measure({ worker, sandbox, server, database });
        await worker.stop();
        failures.push(...errorsIn(worker.lines()));
        return {
          ...delays,
          eventsPerSecond,
          cpuSeconds: perEvent(before.worker?.cpuSeconds, after.worker?.cpuSeconds),
          postgresCpuSeconds: perEvent(before.postgres, after.postgres),
          transactions: perEvent(before.transactions, after.transactions),
          residentBytes: after.worker?.residentBytes,
        };
      } finally {
        await teller.end();
        await server.drop(database);
      }
    }

    const rounds: { readonly service: Figures; readonly bare: Figures }[] = [];
    for (let round = 1; round <= options.repeat; round += 1) {
      tell(`round ${round} of ${options.repeat}, bare streams`);
      const without = await bare();
      tell(`round ${round} of ${options.repeat}, service`);
      rounds.push({ service: await service(`watch_${round}`), bare: without });
    }
    const ours: Subject = { name: 'service', rounds: rounds.map((each) => each.service) };
    const theirs: Subject = { name: 'bare streams', rounds: rounds.map((each) => each.bare) };
    return comparison({
      about: `${watchers} watchers, ${perSecond} events a second, ${options.seconds} s. ${circumstancesLine(around, options.repeat)}`,
      circumstances: circumstances(around, options),
      sections: [{ name: '', subjects: [ours, theirs], rows: ROWS }],
      ratios: [
        {
          name: 'eventsPerSecond',
          label: 'events per second',
          rounds: ratioOf('eventsPerSecond', ours, theirs),
        },
        {
          name: 'delay',
          label: `${GOAL_SECONDS * 1000} ms, to the delay p99 of ours`,
          rounds: ours.rounds.map((each) => each['p99Seconds'] && GOAL_SECONDS / each['p99Seconds']),
        },
        { name: 'cpu', label: 'CPU per event, bare streams to ours', rounds: ratioOf('cpuSeconds', theirs, ours) },
      ],
      goals: [
        {
          text: `delay p99 at most ${GOAL_SECONDS * 1000} ms`,
          rounds: ours.rounds.map((each) => each['p99Seconds']),
          limit: { atMost: GOAL_SECONDS },
          unit: 'ms',
          factor: 1e3,
        },
      ],
      failures,
    });
  },
};
