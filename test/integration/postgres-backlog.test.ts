import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aesGcmCipher } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { type Database, openDatabase } from '../../src/adapters/persistence/database.ts';
import { postgresBacklog } from '../../src/adapters/persistence/postgres-backlog.ts';
import { postgresGates } from '../../src/adapters/persistence/postgres-gates.ts';
import { postgresPosts } from '../../src/adapters/persistence/postgres-posts.ts';
import { postgresVideos } from '../../src/adapters/persistence/postgres-videos.ts';
import type { Backlog } from '../../src/application/ports/backlog.ts';
import type { GateKey } from '../../src/domain/post/gate.ts';
import type { HoldReason, Post } from '../../src/domain/post/post.ts';
import type { PublishError } from '../../src/domain/publish-error.ts';
import {
  aFailedPost,
  aHeldPost,
  anUnconfirmedPost,
  aPublishedPost,
  aReadyVideo,
  aRequest,
  aScheduledPost,
  ids,
} from '../support/builders.ts';
import { freshDatabase } from '../support/fresh-database.ts';

const cipher = aesGcmCipher([{ id: 'test', bytes: Buffer.from('0123456789abcdef0123456789abcdef') }]);
const inSeconds = (seconds: number): Date => new Date(Date.now() + seconds * 1000);
const NOTHING = {
  overdue: 0,
  oldestOverdueSeconds: 0,
  held: { RECONNECT: 0, QUOTA: 0, PLATFORM_OUTAGE: 0, LATE: 0 },
  unconfirmed: 0,
  setAside: 0,
  shutGates: [],
};

let fresh: Awaited<ReturnType<typeof freshDatabase>>;
let database: Database;
let backlog: Backlog;
let videoId: Post['videoId'];

beforeAll(async () => {
  fresh = await freshDatabase();
  database = await openDatabase(fresh.url);
  backlog = postgresBacklog(database);
  const video = aReadyVideo();
  videoId = video.id;
  await postgresVideos(database).add(video);
});

beforeEach(async () => {
  await database.pool.query('truncate post, gate cascade');
});

afterAll(async () => {
  await database.close();
  await fresh.drop();
});

async function given(post: Post, nextActionTime?: Date): Promise<void> {
  const stored = await postgresPosts(database, cipher, () => undefined).add(
    { post: { ...post, id: ids.postId(), videoId }, ...(nextActionTime === undefined ? {} : { nextActionTime }) },
    aRequest(),
  );
  if (!stored.ok) throw new Error(stored.error.code);
}

describe('postgresBacklog', () => {
  it('finds nothing where nothing waits', async () => {
    expect(await backlog.read()).toEqual(NOTHING);
  });

  it('counts what is due and not taken, and tells since when', async () => {
    await given(aScheduledPost(), inSeconds(3_600));
    expect(await backlog.read()).toEqual(NOTHING);
    await given(aScheduledPost(), inSeconds(-30));
    await given(aScheduledPost(), inSeconds(-600));
    const { overdue, oldestOverdueSeconds } = await backlog.read();
    expect(overdue).toBe(2);
    expect(oldestOverdueSeconds).toBeGreaterThanOrEqual(600);
    expect(oldestOverdueSeconds).toBeLessThan(660);
  });

  it('takes what a worker has for no backlog', async () => {
    await given(aScheduledPost(), inSeconds(-30));
    // As a claim leaves it: due again when the lease ends.
    await database.pool.query(`update post set lease_owner = 'w', next_action_at = now() + interval '60 seconds'`);
    expect(await backlog.read()).toEqual(NOTHING);
  });

  it('counts posts that somebody may have to look after, by what they wait for', async () => {
    const reasons: readonly HoldReason[] = [
      'RECONNECT',
      'RECONNECT',
      'QUOTA',
      'PLATFORM_OUTAGE',
      'LATE',
      'LATE',
      'LATE',
    ];
    for (const reason of reasons) await given(aHeldPost({ hold: { reason } }));
    for (let count = 0; count < 4; count += 1) await given(anUnconfirmedPost());
    for (let count = 0; count < 2; count += 1)
      await given(aFailedPost({ error: { code: 'CONNECTOR_FAILED', crashes: 3 } }));
    await given(aFailedPost());
    await given(aPublishedPost());
    expect(await backlog.read()).toEqual({
      ...NOTHING,
      held: { RECONNECT: 2, QUOTA: 1, PLATFORM_OUTAGE: 1, LATE: 3 },
      unconfirmed: 4,
      setAside: 2,
    });
  });

  it('tells which gates are shut, and whether one post is trying to pass', async () => {
    const gates = postgresGates(database);
    const shut = (key: string, error: PublishError, seconds: number) =>
      gates.shut({ key: key as GateKey, seconds, atMostSeconds: 60 }, error);
    await shut('platform:OPEN', { code: 'PLATFORM_UNAVAILABLE' }, 0);
    await shut('posts:OPEN:1', { code: 'ACCOUNT_DAILY_POST_CAP' }, 60);
    await shut('posts:OPEN:2', { code: 'ACCOUNT_DAILY_POST_CAP' }, 60);
    expect((await gates.pass(['platform:OPEN' as GateKey], 60)).shut).toBeUndefined();
    expect((await backlog.read()).shutGates).toEqual([
      { code: 'ACCOUNT_DAILY_POST_CAP', tried: false, gates: 2 },
      { code: 'PLATFORM_UNAVAILABLE', tried: true, gates: 1 },
    ]);
    await gates.open('platform:OPEN' as GateKey);
    expect((await backlog.read()).shutGates).toEqual([{ code: 'ACCOUNT_DAILY_POST_CAP', tried: false, gates: 2 }]);
  });

  it('reads no more of 5,000 posts that wait or are out than of none', async () => {
    await given(aScheduledPost(), inSeconds(3_600));
    await database.pool.query(
      `insert into post select (jsonb_populate_record(post, jsonb_build_object(
         'id', 'post_' || n, 'connection_id', 'conn_' || n, 'state', case when n % 2 = 0 then 'SCHEDULED' else 'PUBLISHED' end,
         'next_action_at', case when n % 2 = 0 then now() + n * interval '1 minute' end))).*
       from post, generate_series(1, 5000) as n`,
    );
    await database.pool.query('analyze post');
    await given(aScheduledPost(), inSeconds(-30));
    await given(aHeldPost({ hold: { reason: 'QUOTA' } }));
    const rowsRead = async (): Promise<number> => {
      const { rows } = await database.pool.query<{ read: string }>(
        `select seq_tup_read + (select sum(idx_tup_read) from pg_stat_user_indexes where relname = 'post') as read
         from pg_stat_user_tables where relname = 'post'`,
      );
      return Number(rows[0]?.read);
    };
    const own = new Pool({ connectionString: fresh.url, max: 1 });
    const before = await rowsRead();
    expect(await postgresBacklog({ pool: own }).read()).toMatchObject({ overdue: 1, held: { QUOTA: 1 } });
    // A connection keeps its statistics for a while, unless it is told to send them.
    await own.query('select pg_stat_force_next_flush()');
    expect(await rowsRead()).toBeLessThan(before + 100);
    await own.end();
  });

  it('gives up after a second, and leaves nothing running', async () => {
    const blocker = await database.pool.connect();
    try {
      await blocker.query('begin');
      await blocker.query('lock table post in access exclusive mode');
      await expect(backlog.read()).rejects.toThrow(/statement timeout/);
      const { rows } = await blocker.query(
        `select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
           and state = 'active' and backend_type = 'client backend'`,
      );
      expect(rows).toEqual([]);
    } finally {
      await blocker.query('rollback');
      blocker.release();
    }
    expect(await backlog.read()).toEqual(NOTHING);
  });
});
