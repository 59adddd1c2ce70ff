import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runBareLoop } from './burst/bare-run.ts';
import { type Round, report, type Variant } from './burst/report.ts';
import { runService } from './burst/service-run.ts';
import type { Bench } from './support/bench.ts';
import { startDatabaseServer } from './support/database-server.ts';
import { startSandboxProcess } from './support/sandbox-process.ts';
import { machine } from './support/table.ts';

/** How long TikTok thinks before each answer. */
const VARIANTS = [
  { name: 'no think time', thinkMilliseconds: 0 },
  { name: '100 ms think time', thinkMilliseconds: 100 },
] as const;

/** TikTok and the sandbox take six announcements of an account a minute, and the service makes no more: they would measure the minute. */
const MOST_POSTS_OF_AN_ACCOUNT = 6;

export const burst: Bench<'posts' | 'accounts'> = {
  about: 'posts that are all due at one moment, one worker process, against a bare loop of the same calls',
  flags: {
    posts: { fallback: 10_000, least: 1, most: 100_000, meaning: 'posts due at once' },
    accounts: {
      fallback: ({ posts = 0 }) => Math.ceil(posts / 2),
      least: 1,
      most: 100_000,
      meaning: 'accounts they go to, in turn (half as many as posts unless said)',
    },
  },
  check({ posts, accounts }) {
    if (accounts > posts) return `--accounts ${accounts}: with --posts ${posts} at most ${posts}, one post for each.`;
    const least = Math.ceil(posts / MOST_POSTS_OF_AN_ACCOUNT);
    if (accounts < least) {
      return `--accounts ${accounts}: with --posts ${posts} at least ${least}; TikTok takes ${MOST_POSTS_OF_AN_ACCOUNT} posts of an account a minute.`;
    }
    return undefined;
  },

  async run(options, resources, tell) {
    const where = machine();
    const folder = await mkdtemp(join(tmpdir(), 'bench-burst-'));
    resources.defer(() => rm(folder, { recursive: true, force: true }));
    tell('starting a PostgreSQL');
    const server = resources.use(await startDatabaseServer(join(folder, 'postgres')));
    const tokenKeys = `bench:${randomBytes(32).toString('base64')}`;
    const failures: string[] = [];
    let workspaces = 0;
    let runs = 0;

    /** One run on a sandbox of its own, which is gone afterwards with all that the run started. */
    async function once<R>(
      thinkMilliseconds: number,
      what: string,
      work: (parts: Parameters<typeof runBareLoop>[0]) => Promise<R>,
    ): Promise<R> {
      const own = resources.use(new AsyncDisposableStack());
      try {
        const sandbox = own.use(await startSandboxProcess());
        const place = join(folder, `run-${++runs}`);
        await mkdir(place, { recursive: true });
        own.defer(() => rm(place, { recursive: true, force: true }));
        tell(`${what}: preparing`);
        return await work({
          sandbox,
          folder: place,
          posts: options.posts,
          accounts: options.accounts,
          resources: own,
          async beforeItBegins() {
            if (thinkMilliseconds > 0) await sandbox.thinkBeforeEachAnswer(thinkMilliseconds);
            tell(`${what}: measuring`);
          },
        });
      } finally {
        await own.disposeAsync();
      }
    }

    const variants: Variant[] = [];
    for (const { name, thinkMilliseconds } of VARIANTS) {
      const rounds: Round[] = [];
      for (let round = 1; round <= options.repeat; round += 1) {
        const about = options.repeat === 1 ? name : `${name}, round ${round} of ${options.repeat}`;
        const bare = await once(thinkMilliseconds, `${about}, bare loop`, runBareLoop);
        const database = `burst_${runs}`;
        const served = await once(thinkMilliseconds, `${about}, service`, (parts) =>
          runService({ ...parts, server, database, tokenKeys }),
        );
        await server.drop(database);
        rounds.push({ service: served.figures, bareLoop: bare.figures });
        workspaces = served.workspaces;
        failures.push(...[...bare.failures, ...served.failures].map((failure) => `${about}: ${failure}`));
      }
      variants.push({ name, thinkMilliseconds, rounds });
    }
    const about = {
      ...options,
      workspaces,
      date: new Date().toISOString(),
      machine: where,
      postgres: server.version,
    };
    return report(about, variants, failures);
  },
};
