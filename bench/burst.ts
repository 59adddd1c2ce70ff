import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runBareLoop } from './burst/bare-run.ts';
import type { QueueName } from './burst/queue-loop.ts';
import { runQueue } from './burst/queue-run.ts';
import { report, type Variant } from './burst/report.ts';
import { runService } from './burst/service-run.ts';
import type { Bench } from './support/bench.ts';
import type { Figures, Subject } from './support/comparison.ts';
import { startRedis } from './support/redis.ts';
import { startSandboxProcess } from './support/sandbox-process.ts';
import { surroundings } from './support/surroundings.ts';

/** How long TikTok thinks before each answer. */
const VARIANTS = [
  { name: 'no think time', thinkMilliseconds: 0 },
  { name: '100 ms think time', thinkMilliseconds: 100 },
] as const;

/** With TikTok at its fastest only: a queue waits no less than we do while TikTok thinks. */
const QUEUES: readonly QueueName[] = ['Agenda', 'pg-boss', 'BullMQ'];

/** TikTok and the sandbox take six announcements of an account a minute, and the service makes no more: they would measure the minute. */
const MOST_POSTS_OF_AN_ACCOUNT = 6;

export const burst: Bench<'posts' | 'accounts'> = {
  about:
    'posts that are all due at one moment, one worker process, against a bare loop of the same calls and queues with a job for each',
  flags: {
    posts: { fallback: 10_000, quick: 1_500, least: 1, most: 100_000, meaning: 'posts due at once' },
    accounts: {
      fallback: ({ posts = 0 }) => Math.ceil(posts / 2),
      quick: ({ posts = 0 }) => Math.ceil(posts / 2),
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
    const around = await surroundings('burst', resources, tell);
    const { folder, server, tokenKeys } = around;
    const redisUrl = await startRedis(folder, resources);
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

    async function measured({ name, thinkMilliseconds }: (typeof VARIANTS)[number]): Promise<Variant> {
      const [service, bareLoop]: [Figures[], Figures[]] = [[], []];
      const queues = new Map<QueueName, Figures[]>();
      for (let round = 1; round <= options.repeat; round += 1) {
        const about = options.repeat === 1 ? name : `${name}, round ${round} of ${options.repeat}`;
        const note = (found: readonly string[]) => failures.push(...found.map((failure) => `${about}: ${failure}`));
        const bare = await once(thinkMilliseconds, `${about}, bare loop`, runBareLoop);
        note(bare.failures);
        bareLoop.push(bare.figures);
        const database = `burst_${runs}`;
        const served = await once(thinkMilliseconds, `${about}, service`, (parts) =>
          runService({ ...parts, server, database, tokenKeys }),
        );
        await server.drop(database);
        note(served.failures);
        service.push(served.figures);
        workspaces = served.workspaces;
        for (const queue of thinkMilliseconds === 0 ? QUEUES : []) {
          if (queue === 'BullMQ' && redisUrl === undefined) continue;
          const own = `burst_queue_${runs}`;
          const queued = await once(thinkMilliseconds, `${about}, ${queue}`, (parts) =>
            runQueue({ ...parts, queue, server, database: own, redisUrl: queue === 'BullMQ' ? redisUrl : undefined }),
          );
          await server.drop(own);
          note(queued.failures);
          queues.set(queue, [...(queues.get(queue) ?? []), queued.figures]);
        }
      }
      return {
        name,
        thinkMilliseconds,
        service: { name: 'service', rounds: service },
        bareLoop: { name: 'bare loop', rounds: bareLoop },
        queues: Object.fromEntries(
          (thinkMilliseconds === 0 ? QUEUES : []).map((queue): [string, Subject] => {
            const rounds = queues.get(queue);
            return [
              queue,
              { name: queue, ...(rounds === undefined ? { rounds: [], notRun: 'not run: no Redis' } : { rounds }) },
            ];
          }),
        ),
      };
    }

    const [plain, thinking] = VARIANTS;
    const variants = [await measured(plain), await measured(thinking)] as const;
    return report(around, options, workspaces, variants, failures);
  },
};
