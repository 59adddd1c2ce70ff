import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { connectAccounts, reconnecting } from './accounts.ts';
import { callsTo } from './calls.ts';
import { type Crew, crew } from './crew.ts';
import { type Fleet, fleet } from './fleet.ts';
import { follow } from './follow.ts';
import { openFront } from './front.ts';
import { type Journal, startJournal } from './journal.ts';
import { type ChaosOptions, familiesOf } from './options.ts';
import { type OwnPostgres, startOwnPostgres } from './own-postgres.ts';
import { callers, type EntrustedPost } from './posts.ts';
import { endDayOfUnanswered, shortenPullWaits } from './pull-waits.ts';
import { type Random, seededRandom } from './random.ts';
import { hasEnded, type PostRecord, readPosts } from './records.ts';
import { type ChaosReport, report } from './report.ts';
import { settle } from './settle.ts';
import { tiktokFaults } from './tiktok-faults.ts';
import { openVideoOrigin, type VideoOrigin } from './video-origin.ts';
import { CHUNK_BYTES, ownVideoToFetch, takeInVideos } from './videos.ts';
import { workerFaults } from './worker-faults.ts';

/** Somebody wants the run to end now. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

type Endings = (() => unknown)[];

const WORKSPACE = 'ws_chaos';
const POSTS_PER_SECOND = 4;
/** A third of what TikTok takes from one of them: orphans and second attempts count as well. */
const POSTS_PER_ACCOUNT_AND_MINUTE = 2;
const ACCOUNTS = (POSTS_PER_SECOND * 60) / POSTS_PER_ACCOUNT_AND_MINUTE;
/** Posts that are neither at an end nor cancelled: twice as many as there are where the machine has time. */
const MOST_OPEN = 120;
/** So many of the latest posts are mostly still under way. */
const BUSY_POSTS = 25;
const PROGRESS_MILLISECONDS = 5_000;
/** When the run itself failed. */
const LINES_SHOWN = 40;
/** Events are told within a quarter of a second, and a stream that broke is resumed within some. */
const EVENTS_SECONDS = 15;

/** Runs until everything is judged, or until `over` aborts, and leaves nothing behind in either case. */
export async function runChaos(
  options: ChaosOptions,
  over: AbortController,
  say: (line: string) => void,
): Promise<ChaosReport> {
  const endings: Endings = [];
  const journal = await openJournal(options, endings);
  try {
    return await run(options, crew(over), journal, say, endings);
  } catch (error) {
    if (!(over.signal.reason instanceof Interrupted)) for (const line of journal.latest(LINES_SHOWN)) say(line);
    throw error;
  } finally {
    over.abort(new Error('the run is over'));
    for (const end of endings.reverse()) {
      try {
        await end();
      } catch (error) {
        console.error('something could not be ended:', error);
      }
    }
  }
}

async function run(
  options: ChaosOptions,
  together: Crew,
  journal: Journal,
  say: (line: string) => void,
  endings: Endings,
): Promise<ChaosReport> {
  const { kills, workers, seed, leaseSeconds } = options;
  const { orOver, signal } = together;
  const random = seededRandom(seed);
  const families = familiesOf(options);
  const tell = (text: string): void => say(`${journal.secondsSoFar().toFixed(1).padStart(6)} s  ${text}`);

  const { postgres, sandbox, videoOrigin, environment } = await surroundings({
    options,
    crew: together,
    endings,
    random,
    fleet: () => processes,
  });
  const faults = workerFaults({
    kills,
    workers,
    families,
    leaseSeconds,
    fleet: () => processes,
    postgres,
    sandbox,
    crew: together,
    random,
    journal,
  });
  const processes: Fleet = fleet({
    size: workers,
    environment,
    journal,
    nextPlace: faults.nextPlace,
    onHalted: faults.halted,
    onFailure: together.fail,
  });
  endings.push(() => processes.killAll());
  const calls = callsTo({ fleet: processes, random: random.branch('callers'), signal, onSent: faults.sent });

  await orOver(processes.start());
  const connecting = { sandbox, calls, workspaceId: WORKSPACE };
  const accounts = await orOver(connectAccounts(connecting, families, ACCOUNTS));
  const videos = await orOver(takeInVideos(calls, WORKSPACE));
  const following = follow({
    fleet: processes,
    crew: together,
    workspaceId: WORKSPACE,
    random: random.branch('follow'),
  });
  const handing = callers({
    calls,
    crew: together,
    accounts,
    videos,
    addressOf: videoOrigin.addressOf,
    workspaceId: WORKSPACE,
    postsPerSecond: POSTS_PER_SECOND,
    room: async (posts) => {
      const isOpen = ({ postId }: EntrustedPost): boolean => !hasEnded({ state: following.latest.get(postId) ?? '' });
      const isRoom = (): boolean => posts.filter(isOpen).length < MOST_OPEN;
      while (!isRoom()) await orOver(following.until(isRoom, EVENTS_SECONDS));
    },
    seed,
    random,
    journal,
  });
  // From the first event on the stream has a place to go on from, and none may be missed.
  await orOver(Promise.all([handing.handIn(), following.begun]));
  tell(`${workers} workers, ${accounts.length} accounts: the first post is on its way, and trouble begins`);

  const people = reconnecting({ ...connecting, accounts, postgres, journal, random: random.branch('people') });
  together.add(people.run(signal));
  if (families.includes('BUSINESS')) together.add(shortenPullWaits(postgres, signal));
  const trouble = tiktokFaults({
    sandbox,
    calls,
    crew: together,
    families,
    accounts,
    busyAccounts: () =>
      handing
        .entrusted()
        .slice(-BUSY_POSTS)
        .map(({ account }) => account),
    random,
    journal,
  });

  const progress = setInterval(() => {
    const done = `${faults.counts.kills} of ${kills} kills, ${trouble.count()} faults of TikTok`;
    const accepted = `${handing.entrusted().length} posts accepted`;
    together.add(readPosts(postgres).then((records) => tell(`${done}; ${accepted}: ${summary(records)}`)));
  }, PROGRESS_MILLISECONDS);
  endings.push(() => clearInterval(progress));

  const calm = new AbortController();
  const untilCalm = AbortSignal.any([calm.signal, signal]);
  const troubleAndPosts = Promise.all([handing.run(untilCalm), trouble.run(untilCalm)]);
  troubleAndPosts.catch(() => undefined); // it is awaited below, unless the run is over before
  await orOver(faults.run());
  calm.abort();
  await orOver(processes.recover());
  await orOver(troubleAndPosts);
  tell('the last kill is done and all workers are up: what is on its way may come to its end');

  const late = await orOver(
    settle({
      postgres,
      crew: together,
      tiktokIsBusy: () =>
        sandbox.control.ledger().inits.some(({ stage }) => stage === 'PROCESSING' || stage === 'DOWNLOADING'),
      endDayOfUnanswered: () => endDayOfUnanswered(postgres),
    }),
  );
  const records = await orOver(readPosts(postgres));
  const unheard = (): readonly PostRecord[] => records.filter(({ id, state }) => following.latest.get(id) !== state);
  await orOver(following.until(() => unheard().length === 0, EVENTS_SECONDS));
  await orOver(processes.stopAll());
  clearInterval(progress);

  return orOver(
    report({
      options,
      posts: handing.entrusted(),
      records,
      late,
      ledger: sandbox.control.ledger(),
      unheard: unheard(),
      failures: [...processes.failures, ...calls.failures],
      counts: {
        ...faults.counts,
        faultsOfTiktok: trouble.count(),
        reconnects: people.count(),
        unansweredCalls: calls.unanswered(),
        resumedStreams: following.resumed(),
      },
      postgres,
      journal,
    }),
  );
}

async function openJournal({ journal: path }: ChaosOptions, endings: Endings): Promise<Journal> {
  if (path === undefined) return startJournal();
  const file = createWriteStream(path);
  await once(file, 'open');
  endings.push(() => new Promise<void>((resolve) => file.end(resolve)));
  return startJournal((line) => file.write(`${line}\n`));
}

/** PostgreSQL, TikTok, a web server with videos, and what every worker is told. */
async function surroundings(needs: {
  readonly options: ChaosOptions;
  readonly crew: Crew;
  readonly endings: Endings;
  readonly random: Random;
  readonly fleet: () => Fleet;
}): Promise<{
  readonly postgres: OwnPostgres;
  readonly sandbox: Sandbox;
  readonly videoOrigin: VideoOrigin;
  readonly environment: Readonly<Record<string, string>>;
}> {
  const { options, crew, endings, random, fleet } = needs;
  const folder = await mkdtemp(join(tmpdir(), 'tiktok-connector-chaos-'));
  endings.push(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startOwnPostgres(join(folder, 'postgres'));
  endings.push(() => postgres.stop());
  const sandbox = await startSandbox({
    seed: String(options.seed),
    tokenRegime: 'rotating',
    // As few drafts as TikTok lets wait would stop an account after five of them, for nobody here finishes any.
    pendingDraftCap: 1_000_000,
    pullFromLoopback: true,
    business: { urlProperties: ['127.0.0.1'] },
    // The app's own pace is not what is looked at here, and would be that of the whole run.
    businessAppPerSecond: 1_000,
    businessAppPerMinute: 60_000,
    report: (problem, error) => crew.fail(new Error(`the sandbox: ${problem}`, { cause: error })),
  });
  endings.push(() => sandbox.close());
  const front = await openFront(fleet, random.branch('front'));
  endings.push(() => front.close());
  sandbox.control.changeBusinessApp({ callbackUrls: { VIDEO: `${front.origin}/webhooks/tiktok` } });
  const videoOrigin = await openVideoOrigin(ownVideoToFetch, random.branch('video origin'));
  endings.push(() => videoOrigin.close());
  const agendaMongodbUrl = process.env['AGENDA_MONGODB_URL'];
  return {
    postgres,
    sandbox,
    videoOrigin,
    environment: {
      DATABASE_URL: postgres.url,
      ...(agendaMongodbUrl === undefined ? {} : { AGENDA_MONGODB_URL: agendaMongodbUrl }),
      DATA_DIR: join(folder, 'data'),
      TOKEN_KEYS: `chaos:${randomBytes(32).toString('base64')}`,
      // One for all of them: whichever worker is asked, TikTok is told the same address to come back to.
      PUBLIC_URL: front.origin,
      TIKTOK_CLIENT_KEY: sandbox.clientKey,
      TIKTOK_CLIENT_SECRET: sandbox.clientSecret,
      TIKTOK_OPEN_API_URL: sandbox.openApiUrl,
      TIKTOK_AUTHORIZE_URL: sandbox.authorizeUrl,
      TIKTOK_UPLOAD_ORIGINS: sandbox.origin,
      TIKTOK_BUSINESS_APP_ID: sandbox.businessAppId,
      TIKTOK_BUSINESS_SECRET: sandbox.businessSecret,
      TIKTOK_BUSINESS_API_URL: sandbox.businessApiUrl,
      TIKTOK_BUSINESS_APP_QPS: '1000',
      TIKTOK_BUSINESS_APP_QPM: '60000',
      TIKTOK_BUSINESS_DAILY_POSTS: '1000000',
      TIKTOK_CHUNK_BYTES: String(CHUNK_BYTES),
      IMPORT_ALLOWED_ORIGINS: videoOrigin.origin,
      LEASE_SECONDS: String(options.leaseSeconds),
      // Hundreds of starts compile the same files.
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
    },
  };
}

/** How many posts are in which state. */
function summary(records: readonly PostRecord[]): string {
  const states = Map.groupBy(records, ({ state, phase, hold }) =>
    [state, phase, hold?.reason].filter((word) => word !== null && word !== undefined).join(' '),
  );
  return [...states]
    .sort(([, one], [, other]) => other.length - one.length)
    .map(([state, all]) => `${all.length} ${state.toLowerCase().replaceAll('_', ' ')}`)
    .join(', ');
}
