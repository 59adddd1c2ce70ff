import { afterAll, beforeAll, describe, inject } from 'vitest';
import { agendaDoorbell } from '../../../src/adapters/scheduler/agenda-doorbell.ts';
import { mongoAgendaStore } from '../../../src/adapters/scheduler/mongo-agenda-store.ts';
import { postgresAgendaStore } from '../../../src/adapters/scheduler/postgres-agenda-store.ts';
import { freshDatabase } from '../../support/fresh-database.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { doorbellContract } from './doorbell.contract.ts';

const log = recordingLog();
let fresh: Awaited<ReturnType<typeof freshDatabase>>;

beforeAll(async () => {
  fresh = await freshDatabase();
});
afterAll(() => fresh.drop());

doorbellContract('agendaDoorbell on PostgreSQL', async () => ({
  doorbell: agendaDoorbell(() => postgresAgendaStore(fresh.url, log), log),
  now: () => new Date(),
}));

const mongodbUrl = inject('mongodbUrl');

describe.skipIf(mongodbUrl === undefined)('where there is a MongoDB', () => {
  doorbellContract('agendaDoorbell on MongoDB', async () => ({
    doorbell: agendaDoorbell(() => mongoAgendaStore(mongodbUrl ?? ''), log),
    now: () => new Date(),
  }));
});
