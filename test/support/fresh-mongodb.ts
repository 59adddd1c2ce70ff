import { randomBytes } from 'node:crypto';
import { type Collection, MongoClient } from 'mongodb';
import { inject } from 'vitest';

/**
 * A new, empty database on the MongoDB of this run, whose account may create databases. Asked directly, never by what a replica set says of
 * its members, so that a proxy stays in the way.
 */
export async function freshMongodb(): Promise<{
  readonly url: string;
  /** Where Agenda keeps its jobs. */
  readonly jobs: Collection;
  drop(): Promise<void>;
}> {
  const url = new URL(inject('mongodbUrl') ?? 'mongodb://there-is-none');
  const query = url.searchParams;
  if (url.username !== '' && !query.has('authSource')) query.set('authSource', url.pathname.slice(1) || 'admin');
  query.set('directConnection', 'true');
  url.pathname = `/test_${randomBytes(6).toString('hex')}`;
  const client = await MongoClient.connect(url.href);
  return {
    url: url.href,
    jobs: client.db().collection('agenda_jobs'),
    async drop() {
      await client.db().dropDatabase();
      await client.close();
    },
  };
}
