import { MongoBackend } from '@agendajs/mongo-backend';
import { MongoClient, MongoServerError } from 'mongodb';
import type { AgendaStore } from './agenda-doorbell.ts';

const COLLECTION = 'agenda_jobs';
const DUPLICATE_KEY = 11_000;

/** Agenda's jobs in MongoDB, in the database that the URL names (`test` when it names none). */
export async function mongoAgendaStore(url: string): Promise<AgendaStore> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5_000 });
  try {
    await client.connect();
    await allowOneOfEach(client);
  } catch (error) {
    await client.close();
    throw error;
  }
  return {
    backend: new MongoBackend({ mongo: client.db(), collection: COLLECTION }),
    close: () => client.close(),
  };
}

/** Connects, logs in and asks for a sign of life. Throws when none comes within the time. */
export async function pingMongo(url: string, milliseconds: number): Promise<void> {
  const limits = {
    serverSelectionTimeoutMS: milliseconds,
    connectTimeoutMS: milliseconds,
    socketTimeoutMS: milliseconds,
  };
  const client = new MongoClient(url, limits);
  try {
    await client.db().command({ ping: 1 });
  } finally {
    await client.close();
  }
}

/**
 * Agenda looks for the one job of a name and inserts it when it is not there; two processes that start at once would leave two. A
 * store that has two already loses both: they are made anew right after, and nothing is lost with them.
 */
async function allowOneOfEach(client: MongoClient): Promise<void> {
  const jobs = client.db().collection(COLLECTION);
  const index = () =>
    jobs.createIndex(
      { name: 1, type: 1 },
      { name: 'one_single_job_per_name', unique: true, partialFilterExpression: { type: 'single' } },
    );
  try {
    await index();
  } catch (error) {
    if (!(error instanceof MongoServerError && error.code === DUPLICATE_KEY)) throw error;
    await jobs.deleteMany({ type: 'single' });
    await index();
  }
}
