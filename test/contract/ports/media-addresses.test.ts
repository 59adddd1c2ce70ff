import { afterAll, beforeAll } from 'vitest';
import { type Database, openDatabase } from '../../../src/adapters/persistence/database.ts';
import { postgresMediaAddresses } from '../../../src/adapters/persistence/postgres-media-addresses.ts';
import type { MediaAddress } from '../../../src/application/ports/media-addresses.ts';
import { ids } from '../../support/builders.ts';
import { fixedClock } from '../../support/fixed-clock.ts';
import { freshDatabase } from '../../support/fresh-database.ts';
import { inMemoryMediaAddresses } from '../../support/in-memory-media-addresses.ts';
import { mediaAddressesContract } from './media-addresses.contract.ts';

let fresh: Awaited<ReturnType<typeof freshDatabase>>;
let database: Database;

beforeAll(async () => {
  fresh = await freshDatabase();
  database = await openDatabase(fresh.url);
});

afterAll(async () => {
  await database.close();
  await fresh.drop();
});

mediaAddressesContract('postgresMediaAddresses', async () => ({
  addresses: postgresMediaAddresses(database),
  async attempt() {
    const address: MediaAddress = { postId: ids.postId(), attemptNumber: 1, videoId: ids.videoId() };
    await database.pool.query(
      `insert into post (id, workspace_id, connection_id, video_id, state, caption, settings, schedule_time, late_policy,
         labels, setbacks, create_time, update_time, version)
       values ($1, 'ws', 'conn', $2, 'PUBLISHING', '', '{}', now(), '{}', '{}', 0, now(), now(), 1)`,
      [address.postId, address.videoId],
    );
    await database.pool.query(
      `insert into attempt (post_id, number, transfer, size_bytes, chunk_bytes, chunk_count, start_time, bytes_sent, polls)
       values ($1, 1, 'PULL', 100, 100, 1, now(), 0, 0)`,
      [address.postId],
    );
    return address;
  },
  end: async ({ postId }) => {
    await database.pool.query(`update attempt set outcome = 'PUBLISHED' where post_id = $1`, [postId]);
  },
}));

mediaAddressesContract('the fake', async () => {
  const ended = new Set<string>();
  return {
    addresses: inMemoryMediaAddresses({ clock: fixedClock(), ended: ({ postId }) => ended.has(postId) }),
    attempt: async () => ({ postId: ids.postId(), attemptNumber: 1, videoId: ids.videoId() }),
    end: async ({ postId }) => void ended.add(postId),
  };
});
