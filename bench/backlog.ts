import { join } from 'node:path';
import { openDatabase } from '../src/adapters/persistence/database.ts';
import type { WorkspaceId } from '../src/domain/ids.ts';
import { fillBacklog } from './backlog/fill.ts';
import { type Question, questions } from './backlog/questions.ts';
import { setTheStage } from './burst/stage.ts';
import type { Bench } from './support/bench.ts';
import { comparison, type Figures, ratioOf, type Subject } from './support/comparison.ts';
import type { DatabaseServer } from './support/database-server.ts';
import { startSandboxProcess } from './support/sandbox-process.ts';
import { ascending, percentile } from './support/statistics.ts';
import { circumstances, circumstancesLine, surroundings } from './support/surroundings.ts';
import { short } from './support/table.ts';

const BASELINE = 1_000;
const SIZES = [BASELINE, 100_000];
const ACCOUNTS = 100;
const WARM_UP = 20;
/** PostgreSQL makes up its mind about a prepared statement after five runs. */
const UNTIL_PLANNED_FOR_GOOD = 8;
/** Of the design. */
const GOAL_RATIO = 1.2;
const GOAL_QUESTIONS = ['claim', 'accept', 'list'];

/** A backlog of so many posts and what is asked of it. */
type Size = {
  readonly posts: number;
  readonly name: string;
  readonly url: string;
  readonly workspaces: readonly WorkspaceId[];
  readonly asked: readonly Question[];
};

type Explained = Size & { readonly tokenKeys: string; readonly server: DatabaseServer };

export const backlog: Bench<'most' | 'times'> = {
  about: 'claim, list, watch and accept with up to a million waiting posts, against the same with 1,000',
  flags: {
    most: {
      fallback: 1_000_000,
      quick: 100_000,
      least: 2_000,
      most: 10_000_000,
      meaning: 'posts of the largest backlog',
    },
    times: { fallback: 300, quick: 100, least: 10, most: 100_000, meaning: 'how often each is asked' },
  },
  check: () => undefined,

  async run(options, resources, tell) {
    const around = await surroundings('backlog', resources, tell);
    const { folder, server, tokenKeys } = around;
    const sandbox = resources.use(await startSandboxProcess());
    const accounts = await sandbox.addAccounts(ACCOUNTS);
    const sizes: Size[] = [];
    for (const posts of [...SIZES.filter((size) => size < options.most), options.most]) {
      tell(`storing ${short(posts)} posts`);
      const name = `backlog_${posts}`;
      const { url } = await server.create(name);
      await setTheStage({ databaseUrl: url, tokenKeys, videoFolder: join(folder, name), accounts, posts: ACCOUNTS });
      await fillBacklog(url, posts);
      const database = await openDatabase(url);
      resources.defer(() => database.close());
      const { rows } = await database.pool.query<{ workspace_id: WorkspaceId }>(
        'select distinct workspace_id from connection',
      );
      const workspaces = rows.map(({ workspace_id }) => workspace_id);
      sizes.push({ posts, name, url, workspaces, asked: questions(database, tokenKeys, workspaces) });
    }

    const rounds = new Map<number, Figures[]>(sizes.map(({ posts }) => [posts, []]));
    for (let round = 1; round <= options.repeat; round += 1) {
      await server.checkpoint();
      tell(`round ${round} of ${options.repeat}`);
      for (const [posts, figures] of await askAll(sizes, options.times)) rounds.get(posts)?.push(figures);
    }
    tell('looking at the plans');
    const [largestSize] = sizes.slice(-1);
    const indexes = largestSize && (await indexesUsed({ ...largestSize, tokenKeys, server }));

    const subjects = sizes.map(
      ({ posts }): Subject => ({ name: `${short(posts)} posts`, rounds: rounds.get(posts) ?? [] }),
    );
    const [baseline] = subjects;
    const largest = subjects.at(-1);
    if (baseline === undefined || largest === undefined) throw new Error('no backlog');
    const named = sizes[0]?.asked ?? [];
    return comparison({
      about: `Waiting posts of ${ACCOUNTS} accounts and more, as many as TikTok would take them of, in ${ACCOUNTS / 25} workspaces, each with its event and its request; each question ${options.times} times. ${circumstancesLine(around, options.repeat)}`,
      circumstances: { ...circumstances(around, options), indexes },
      sections: [
        {
          name: '',
          subjects,
          rows: named.flatMap(({ name, label }) => [
            [`${label}, p50`, `${name}P50Seconds`, 'ms', 1e3],
            [`${label}, p99`, `${name}P99Seconds`, 'ms', 1e3],
          ]),
        },
      ],
      ratios: named.map(({ name, label }) => ({
        name,
        label: `${label}: time with ${short(BASELINE)} posts to that with ${short(options.most)}`,
        rounds: ratioOf(`${name}P50Seconds`, baseline, largest),
      })),
      goals: named
        .filter(({ name }) => GOAL_QUESTIONS.includes(name))
        .map(({ name, label }) => ({
          text: `${label}: with ${short(options.most)} at most ${GOAL_RATIO} × the time with ${short(BASELINE)}`,
          rounds: ratioOf(`${name}P50Seconds`, largest, baseline),
          limit: { atMost: GOAL_RATIO },
          unit: '×',
        })),
      failures: [],
    });
  },
};

/** Each question of each backlog in turn, so that whatever else this machine does meets all of them alike. */
async function askAll(sizes: readonly Size[], times: number): Promise<ReadonlyMap<number, Figures>> {
  const took = new Map<string, number[]>();
  const tookOf = (posts: number, name: string): number[] => {
    const key = `${posts} ${name}`;
    const known = took.get(key) ?? [];
    took.set(key, known);
    return known;
  };
  for (let time = -WARM_UP; time < times; time += 1) {
    for (const { posts, asked } of sizes) {
      for (const { name, ask } of asked) {
        const seconds = await ask();
        if (time >= 0) tookOf(posts, name).push(seconds);
      }
    }
  }
  return new Map(
    sizes.map(({ posts, asked }) => [
      posts,
      Object.fromEntries(
        asked.flatMap(({ name }) => {
          const sorted = ascending(tookOf(posts, name));
          return [
            [`${name}P50Seconds`, percentile(sorted, 0.5)],
            [`${name}P99Seconds`, percentile(sorted, 0.99)],
          ];
        }),
      ),
    ]),
  );
}

/**
 * Of each question the indexes by which PostgreSQL finds its posts, events and requests, as it says itself of each statement that it runs
 * (`auto_explain`). Throws when it reads all of a large table.
 */
async function indexesUsed({ name, posts, url, tokenKeys, workspaces, server }: Explained) {
  await server.logPlans(name);
  const database = await openDatabase(url);
  try {
    const used: Record<string, readonly string[]> = {};
    for (const { name: question, ask } of questions(database, tokenKeys, workspaces)) {
      const from = (await server.log()).length;
      for (let time = 0; time < UNTIL_PLANNED_FOR_GOOD; time += 1) await ask();
      const plans = (await server.log()).slice(from);
      const whole = plans.match(/Seq Scan on (post|post_event|request_key)\b/);
      if (whole !== null) throw new Error(`${question} reads all of ${whole[1]}, with ${short(posts)} posts`);
      used[question] = [
        ...new Set([...plans.matchAll(/(?:using|Index Scan on) (\w+)/g)].map(([, index]) => index ?? '')),
      ].sort();
    }
    return used;
  } finally {
    await database.close();
  }
}
