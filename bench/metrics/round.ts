import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Traffic } from '../../sandbox/traffic.ts';
import type { ApiFamily } from '../../src/domain/connection/connection.ts';
import { startService } from '../support/child.ts';
import type { DatabaseServer } from '../support/database-server.ts';
import { errorsIn } from '../support/errors-in.ts';
import { freePorts } from '../support/free-ports.ts';
import { measure } from '../support/measure.ts';
import type { SandboxProcess } from '../support/sandbox-process.ts';
import { makeAccountsDue, makeVideosDue } from './stage.ts';

/** What one round of all accounts took. */
export type RoundFigures = {
  /** From the first call to the last. */
  readonly seconds: number;
  readonly calls: number;
  /** Undefined where the system does not tell. */
  readonly cpuSeconds: number | undefined;
  readonly postgresCpuSeconds: number | undefined;
  readonly sandboxCpuSeconds: number | undefined;
  readonly peakBytes: number | undefined;
  readonly transactions: number;
  readonly walBytes: number;
  readonly rowsInserted: number;
  readonly rowsUpdated: number;
  /** Of these, how many are new in the history of a video. */
  readonly snapshots: number;
};

export type RoundRun = {
  readonly figures: RoundFigures;
  readonly traffic: Traffic;
  readonly failures: readonly string[];
};

const LOOK_MILLISECONDS = 250;
/** A worker that takes longer than this is stuck. */
const PATIENCE_SECONDS = 120;
const PATIENCE_SECONDS_PER_CALL = 0.5;
/** No account is looked at twice within this, and no round lasts so long. */
const NEXT_ROUND_SECONDS = 1800;

const STATISTICS = `
  select sum(n_tup_ins) as inserted, sum(n_tup_upd) as updated, (select count(*) from video_snapshot) as snapshots,
    (select count(*) from measured_video) as videos
  from pg_stat_user_tables`;

/** One worker process that collects the numbers of all accounts once, measured from outside. */
export async function runRound(needs: {
  readonly server: DatabaseServer;
  readonly database: string;
  readonly databaseUrl: string;
  readonly sandbox: SandboxProcess;
  readonly folder: string;
  readonly tokenKeys: string;
  readonly family: ApiFamily;
  /** Its settings otherwise are the defaults. */
  readonly callsPerSecond: number | undefined;
  readonly accounts: number;
  readonly videos: number;
  readonly expectedCalls: number;
  readonly resources: AsyncDisposableStack;
}): Promise<RoundRun> {
  const { server, database, databaseUrl, sandbox, family, callsPerSecond, accounts, videos, expectedCalls } = needs;
  const before = await rows(databaseUrl);
  const [rpcPort, httpPort] = await freePorts(2);
  const worker = needs.resources.use(
    startService({
      RPC_PORT: String(rpcPort),
      HTTP_PORT: String(httpPort),
      DATA_DIR: needs.folder,
      DATABASE_URL: databaseUrl,
      TOKEN_KEYS: needs.tokenKeys,
      TIKTOK_AUTHORIZE_URL: `${sandbox.origin}/v2/auth/authorize/`,
      ...(family === 'OPEN'
        ? {
            TIKTOK_CLIENT_KEY: sandbox.clientKey,
            TIKTOK_CLIENT_SECRET: sandbox.clientSecret,
            TIKTOK_OPEN_API_URL: sandbox.origin,
          }
        : {
            TIKTOK_API_FAMILY: 'business',
            TIKTOK_CLIENT_KEY: sandbox.businessAppId,
            TIKTOK_CLIENT_SECRET: sandbox.businessSecret,
            TIKTOK_BUSINESS_API_URL: `${sandbox.origin}/open_api/v1.3`,
          }),
      ...(callsPerSecond === undefined ? {} : { [`ANALYTICS_${family}_CALLS_PER_SECOND`]: String(callsPerSecond) }),
    }),
  );
  await worker.line((line) => line.includes('"msg":"ready"'), 'it was ready');

  const observer = new Client({ connectionString: databaseUrl });
  await observer.connect();
  const { sequence } = await sandbox.traffic();
  await makeVideosDue(observer);
  await server.checkpoint();
  const begin = await measure({ worker, sandbox, server, database });
  const dueTime = await makeAccountsDue(observer);
  const deadline = Date.now() + (PATIENCE_SECONDS + expectedCalls * PATIENCE_SECONDS_PER_CALL) * 1000;
  const failures: string[] = [];
  let looks = 0;
  for (;;) {
    looks += 1;
    const { rowCount } = await observer.query(
      `select from metric_collection
       where leased_until is not null or due_at < $1::timestamptz + make_interval(secs => ${NEXT_ROUND_SECONDS}) limit 1`,
      [dueTime],
    );
    if (rowCount === 0) break;
    if (Date.now() > deadline) {
      failures.push('the worker did not get done in time');
      break;
    }
    await sleep(LOOK_MILLISECONDS);
  }
  const end = await measure({ worker, sandbox, server, database });
  await Promise.all([observer.end(), worker.stop()]);
  await server.untilAlone(database);
  const transactions = (await server.transactions(database)) - begin.transactions - looks;
  const after = await rows(databaseUrl);

  const traffic = await sandbox.traffic(sequence);
  const { calls } = await sandbox.ledger();
  const own = calls.filter((call) => call.sequence > sequence);
  const times = own.map(({ time }) => time);
  for (const [why, same] of Map.groupBy(
    own.filter(({ status, errorCode }) => status !== 200 || (errorCode !== null && errorCode !== 'ok')),
    ({ endpoint, status, errorCode }) => `${endpoint}: ${status} ${errorCode}`,
  )) {
    failures.push(`${same.length} calls of ${why}`);
  }
  failures.push(...errorsIn(worker.lines()));
  if (own.length !== expectedCalls) failures.push(`${own.length} calls were made instead of ${expectedCalls}`);
  if (after.videos !== accounts * videos) failures.push(`${after.videos} videos are known of ${accounts * videos}`);

  const difference = (from: number | undefined, to: number | undefined): number | undefined =>
    from === undefined || to === undefined ? undefined : to - from;
  return {
    failures,
    traffic,
    figures: {
      seconds: times.length === 0 ? Number.NaN : (Math.max(...times) - Math.min(...times)) / 1000,
      calls: own.length,
      cpuSeconds: difference(begin.worker?.cpuSeconds, end.worker?.cpuSeconds),
      postgresCpuSeconds: difference(begin.postgres, end.postgres),
      sandboxCpuSeconds: difference(begin.sandbox?.cpuSeconds, end.sandbox?.cpuSeconds),
      peakBytes: end.worker?.peakBytes,
      transactions,
      walBytes: end.walBytes - begin.walBytes,
      // What made all of it due was no work of the worker's.
      rowsInserted: after.inserted - before.inserted,
      rowsUpdated: after.updated - before.updated - accounts - before.videos,
      snapshots: after.snapshots - before.snapshots,
    },
  };
}

/** Complete only while nobody else is connected: connections tell of their rows late. */
async function rows(databaseUrl: string) {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows: seen } =
      await client.query<Record<'inserted' | 'updated' | 'snapshots' | 'videos', string>>(STATISTICS);
    const [row] = seen;
    if (row === undefined) throw new Error('the database has no statistics');
    return {
      inserted: Number(row.inserted),
      updated: Number(row.updated),
      snapshots: Number(row.snapshots),
      videos: Number(row.videos),
    };
  } finally {
    await client.end();
  }
}
