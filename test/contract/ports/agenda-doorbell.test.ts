import { Client } from 'pg';
import { describe, expect, inject, it, vi } from 'vitest';
import { agendaDoorbell, type OpenAgendaStore } from '../../../src/adapters/scheduler/agenda-doorbell.ts';
import { mongoAgendaStore } from '../../../src/adapters/scheduler/mongo-agenda-store.ts';
import { postgresAgendaStore } from '../../../src/adapters/scheduler/postgres-agenda-store.ts';
import { freshDatabase } from '../../support/fresh-database.ts';
import { freshMongodb } from '../../support/fresh-mongodb.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { recordingMetrics } from '../../support/recording-metrics.ts';
import { tcpProxy } from '../../support/tcp-proxy.ts';
import { type DoorbellCluster, doorbellContract, sharedDoorbellContract } from './doorbell.contract.ts';

/** What a store of Agenda's is to a test, whichever it is. */
type Place = Pick<DoorbellCluster, 'jobs' | 'locked' | 'wipe' | 'double'> & {
  readonly url: string;
  readonly open: (url: string) => OpenAgendaStore;
  drop(): Promise<void>;
};

async function inPostgres(): Promise<Place> {
  const { url, drop } = await freshDatabase();
  const client = new Client({ connectionString: url });
  await client.connect();
  return {
    url,
    open: (at) => (lost) => postgresAgendaStore(at, lost),
    async jobs() {
      const { rows } = await client.query(`select to_regclass('agenda_jobs') as name`);
      if (rows[0]?.name === null) return [];
      return (await client.query('select name from agenda_jobs order by name')).rows.map(({ name }) => name);
    },
    async locked() {
      const { rows } = await client.query('select name from agenda_jobs where locked_at is not null');
      return rows.map(({ name }) => name);
    },
    wipe: async () => void (await client.query('drop table if exists agenda_jobs')),
    async double(name) {
      await client.query('drop index agenda_jobs_single_job_idx');
      await client.query(`insert into agenda_jobs (name, type, next_run_at) values ($1, 'single', now())`, [name]);
    },
    async drop() {
      await client.end();
      await drop();
    },
  };
}

async function inMongodb(): Promise<Place> {
  const { url, jobs, drop } = await freshMongodb();
  return {
    url,
    open: (at) => () => mongoAgendaStore(at),
    jobs: async () => (await jobs.find().sort({ name: 1 }).toArray()).map(({ name }) => name),
    locked: async () => (await jobs.find({ lockedAt: { $ne: null } }).toArray()).map(({ name }) => name),
    wipe: async () => void (await jobs.drop()),
    async double(name) {
      await jobs.dropIndex('one_single_job_per_name');
      await jobs.insertOne({ name, type: 'single', nextRunAt: new Date() });
    },
    drop,
  };
}

/** Sooner than a service does, whose tests would take minutes. */
const LOOK_MILLISECONDS = 5_000;

function contracts(name: string, makePlace: () => Promise<Place>): void {
  doorbellContract(name, async () => {
    const { url, open } = await makePlace();
    return {
      doorbell: agendaDoorbell({
        openStore: open(url),
        log: recordingLog(),
        metrics: recordingMetrics(),
        lookMilliseconds: LOOK_MILLISECONDS,
      }),
      now: () => new Date(),
    };
  });
  sharedDoorbellContract(name, async () => {
    const { open, url, drop, ...place } = await makePlace();
    const way = await tcpProxy(url);
    return {
      ...place,
      way,
      join: ({ lockMilliseconds, lookMilliseconds = LOOK_MILLISECONDS, ...needs }) =>
        agendaDoorbell({
          ...needs,
          lookMilliseconds,
          openStore: open(way.through(url)),
          ...(lockMilliseconds === undefined ? {} : { lockMilliseconds }),
        }),
      async close() {
        await way.close();
        await drop();
      },
    };
  });
}

contracts('agendaDoorbell on PostgreSQL', inPostgres);

it('tells nobody of the states of recurring work, which nobody hears', async () => {
  const { url, open, drop } = await inPostgres();
  const client = new Client({ connectionString: url });
  await client.connect();
  const heard: string[] = [];
  client.on('notification', ({ channel }) => heard.push(channel));
  await client.query('listen "agenda:jobs:state"');
  const doorbell = agendaDoorbell({
    openStore: open(url),
    log: recordingLog(),
    metrics: recordingMetrics(),
    lookMilliseconds: LOOK_MILLISECONDS,
  });
  let runs = 0;
  await doorbell.every('count', 1, async () => {
    runs += 1;
  });
  await doorbell.start();
  await vi.waitUntil(() => runs === 2, { timeout: 30_000 });
  await doorbell.stop();
  // What was sent before this comes before it.
  await client.query(`notify "agenda:jobs:state", 'the end'`);
  await vi.waitUntil(() => heard.length > 0);
  expect(heard).toHaveLength(1);
  await client.end();
  await drop();
}, 60_000);

describe.skipIf(inject('mongodbUrl') === undefined)('where there is a MongoDB', () => {
  contracts('agendaDoorbell on MongoDB', inMongodb);
});
