import { MongoBackend } from '@agendajs/mongo-backend';
import { MongoClient, MongoServerError } from 'mongodb';
import type { AgendaStore } from './agenda-doorbell.ts';

const COLLECTION = 'agenda_jobs';
const DUPLICATE_KEY = 11_000;
/** Without it the driver waits for ever for a server that takes a call and never answers. */
const PATIENCE_MILLISECONDS = 5_000;

const isDuplicate = (error: unknown): boolean => error instanceof MongoServerError && error.code === DUPLICATE_KEY;

/** Agenda's jobs in MongoDB, in the database that the URL names (`test` when it names none). */
export async function mongoAgendaStore(url: string): Promise<AgendaStore> {
  const client = new MongoClient(url, {
    appName: 'tiktok-connector doorbell',
    connectTimeoutMS: PATIENCE_MILLISECONDS,
    serverSelectionTimeoutMS: PATIENCE_MILLISECONDS,
    socketTimeoutMS: PATIENCE_MILLISECONDS,
    waitQueueTimeoutMS: PATIENCE_MILLISECONDS,
  });
  const backend = new MongoBackend({ mongo: client.db(), collection: COLLECTION, ensureIndex: false });
  const { repository } = backend;
  const save = repository.saveJob.bind(repository);
  // Of two upserts that find no job of the name the index refuses one, which then finds what the other has made.
  repository.saveJob = (job, options) =>
    save(job, options).catch((error) => {
      if (!isDuplicate(error)) throw error;
      return save(job, options);
    });
  try {
    await client.connect();
    // Not the backend's: that makes a collection for a log of Agenda's, which is off.
    await repository.connect();
  } catch (error) {
    await client.close();
    throw error;
  }
  return { backend, prepare: () => allowOneOfEach(client), close: () => client.close() };
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
 * Agenda looks for the one job of a name and inserts it when it is not there; two processes that do so at once would leave two. Of two
 * that are there already the older stays, whichever process looks.
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
    if (!isDuplicate(error)) throw error;
    const known = new Set<unknown>();
    for (const { _id, name } of await jobs.find({ type: 'single' }).sort({ _id: 1 }).toArray()) {
      if (known.has(name)) await jobs.deleteOne({ _id });
      known.add(name);
    }
    await index();
  }
}
