import { MongoBackend } from '@agendajs/mongo-backend';
import { MongoClient } from 'mongodb';
import type { AgendaStore } from './agenda-doorbell.ts';

/** Agenda's jobs in MongoDB, in the database that the URL names. */
export async function mongoAgendaStore(url: string): Promise<AgendaStore> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5_000 });
  try {
    await client.connect();
  } catch (error) {
    await client.close();
    throw error;
  }
  return {
    backend: new MongoBackend({ mongo: client.db(), collection: 'agenda_jobs' }),
    close: () => client.close(),
  };
}
