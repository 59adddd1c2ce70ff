import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aesGcmCipher } from '../../../src/adapters/crypto/aes-gcm-cipher.ts';
import { type Database, openDatabase } from '../../../src/adapters/persistence/database.ts';
import { postgresCredentials } from '../../../src/adapters/persistence/postgres-credentials.ts';
import { postgresPostEvents } from '../../../src/adapters/persistence/postgres-post-events.ts';
import { postgresPosts } from '../../../src/adapters/persistence/postgres-posts.ts';
import { postgresSealedSecrets } from '../../../src/adapters/persistence/postgres-sealed-secrets.ts';
import { postgresVideos } from '../../../src/adapters/persistence/postgres-videos.ts';
import { Secret } from '../../../src/domain/secret.ts';
import {
  aNewCredential,
  anUploadingPost,
  aReadyVideo,
  aRequest,
  later,
  NOW,
  OTHER_WORKSPACE,
} from '../../support/builders.ts';
import { revealed } from '../../support/copy.ts';
import { freshDatabase } from '../../support/fresh-database.ts';

const cipherOf = (...[first, ...others]: [string, ...string[]]) => {
  const key = (id: string) => ({ id, bytes: createHash('sha256').update(id).digest() });
  return aesGcmCipher([key(first), ...others.map(key)]);
};

let fresh: Awaited<ReturnType<typeof freshDatabase>>;
let database: Database;

beforeAll(async () => {
  fresh = await freshDatabase();
  database = await openDatabase(fresh.url);
});
beforeEach(() => database.pool.query('truncate credential, video, post, attempt, post_event, request_key cascade'));
afterAll(async () => {
  await database.close();
  await fresh.drop();
});

const stores = (...keys: [string, ...string[]]) => {
  const cipher = cipherOf(...keys);
  const posts = postgresPosts(database, cipher, postgresPostEvents(database, cipher).announce);
  return {
    credentials: postgresCredentials(database, cipher),
    posts,
    secrets: postgresSealedSecrets(database, cipher),
  };
};

async function sealAll(secrets: ReturnType<typeof stores>['secrets'], atOnce = 2) {
  const lots: { readonly resealed: number; readonly unreadable: readonly string[] }[] = [];
  for await (const lot of secrets.sealAnew(atOnce)) lots.push(lot);
  return {
    lots: lots.length,
    resealed: lots.reduce((sum, { resealed }) => sum + resealed, 0),
    unreadable: lots.flatMap(({ unreadable }) => unreadable),
  };
}

describe('TOK-08 secrets that an older key sealed', () => {
  it('are all sealed anew, in lots, and read as before', async () => {
    const old = stores('k1');
    const pairs = await Promise.all(Array.from({ length: 5 }, () => old.credentials.put(aNewCredential())));
    const video = aReadyVideo();
    await postgresVideos(database).add(video);
    const post = anUploadingPost({ videoId: video.id });
    expect((await old.posts.add({ post }, aRequest())).ok).toBe(true);
    const turned = stores('k2', 'k1');
    await turned.credentials.put(aNewCredential());
    expect(Object.fromEntries(await turned.secrets.count())).toEqual({ k1: 11, k2: 2 });
    expect(await sealAll(turned.secrets)).toEqual({ lots: 7, resealed: 11, unreadable: [] });
    expect(Object.fromEntries(await turned.secrets.count())).toEqual({ k2: 13 });
    const after = stores('k2');
    for (const pair of pairs) expect(revealed(await after.credentials.find(pair.connectionId))).toEqual(revealed(pair));
    expect(revealed((await after.posts.find(post.id))?.post)).toEqual(
      revealed((await turned.posts.find(post.id))?.post),
    );
    expect(await sealAll(turned.secrets)).toEqual({ lots: 0, resealed: 0, unreadable: [] });
  });

  it('are left alone when they were replaced in the meantime', async () => {
    const old = stores('k1');
    const pair = await old.credentials.put(aNewCredential());
    const turned = stores('k2', 'k1');
    const newer = aNewCredential({ ...pair, refreshToken: new Secret('rft.newer'), refreshDueTime: later(1) });
    // Between the reading of the old pair and the storing of what was made of it.
    let replaced = false;
    const pool = new Proxy(database.pool, {
      get(methods, name) {
        if (name !== 'query') return Reflect.get(methods, name);
        return async (text: string, values: unknown[]) => {
          const answer = await methods.query(text, values);
          if (!replaced && text.includes('limit')) {
            replaced = true;
            await turned.credentials.replace(newer, pair.version);
          }
          return answer;
        };
      },
    });
    const { resealed } = await sealAll(postgresSealedSecrets({ pool }, cipherOf('k2', 'k1')));
    expect([replaced, resealed]).toEqual([true, 0]);
    expect((await stores('k2').credentials.find(pair.connectionId))?.refreshToken.reveal()).toBe('rft.newer');
  });

  it('that no key opens are named, and keep no other', async () => {
    const lost = await stores('k0').credentials.put(aNewCredential());
    await stores('k1').credentials.put(aNewCredential());
    const turned = stores('k2', 'k1');
    const { resealed, unreadable } = await sealAll(turned.secrets, 1);
    expect(resealed).toBe(2);
    expect(unreadable).toEqual([
      `credential.access_token of ${lost.connectionId}`,
      `credential.refresh_token of ${lost.connectionId}`,
    ]);
    expect(await turned.secrets.unopenable()).toEqual(['k0']);
  });

  it('of a key with the same name and other bytes are told from those of the right one', async () => {
    await stores('k1').credentials.put(aNewCredential());
    expect(await stores('k2', 'k1').secrets.unopenable()).toEqual([]);
    const impostor = aesGcmCipher([{ id: 'k1', bytes: createHash('sha256').update('other').digest() }]);
    expect(await postgresSealedSecrets(database, impostor).unopenable()).toEqual(['k1']);
  });

  it('are none in an empty database', async () => {
    const { secrets } = stores('k1');
    expect(await secrets.unopenable()).toEqual([]);
    expect([...(await secrets.count())]).toEqual([]);
  });
});

describe('TOK-07 a sealed token', () => {
  const columns = ['access_token', 'refresh_token'] as const;

  it.each([
    ['another row', 'row'],
    ['another workspace', 'workspace'],
    ['another field', 'field'],
  ])('does not open when it was moved to %s: nothing is read instead', async (_, to) => {
    const { credentials } = stores('k1');
    const one = await credentials.put(aNewCredential());
    const two = await credentials.put(aNewCredential());
    const moves = {
      row: [
        'update credential set access_token = (select access_token from credential where connection_id = $2) where connection_id = $1',
        [one.connectionId, two.connectionId],
      ],
      workspace: [
        'update credential set workspace_id = $2 where connection_id = $1',
        [one.connectionId, OTHER_WORKSPACE],
      ],
      field: [
        'update credential set access_token = refresh_token, refresh_token = access_token where connection_id = $1',
        [one.connectionId],
      ],
    } as const;
    const [text, values] = moves[to as keyof typeof moves];
    await database.pool.query(text, [...values]);
    await expect(credentials.find(one.connectionId)).rejects.toThrow();
    expect((await credentials.find(two.connectionId))?.version).toBe(1);
  });

  it('does not open when any bit of it was flipped', async () => {
    const { credentials } = stores('k1');
    const { connectionId } = await credentials.put(aNewCredential());
    const { rows } = await database.pool.query<Record<(typeof columns)[number], Buffer>>(
      'select access_token, refresh_token from credential',
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...columns), fc.nat(), async (column, number) => {
        const sealed = rows[0]?.[column];
        if (sealed === undefined) throw new Error('nothing is stored');
        const bit = number % (sealed.length * 8);
        const flipped = Buffer.from(sealed);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await database.pool.query(`update credential set ${column} = $1`, [flipped]);
        await expect(credentials.find(connectionId)).rejects.toThrow();
        await database.pool.query(`update credential set ${column} = $1`, [sealed]);
        expect((await credentials.find(connectionId))?.accessExpireTime).toEqual(later(86_400, NOW));
      }),
      { numRuns: 100 },
    );
  });
});
