import { readFile } from 'node:fs/promises';
import type { Client } from 'pg';
import { aesGcmCipher, parseKeyRing } from '../../src/adapters/crypto/aes-gcm-cipher.ts';
import { openDatabase } from '../../src/adapters/persistence/database.ts';
import { databaseClock } from '../../src/adapters/persistence/database-clock.ts';
import { postgresPosts } from '../../src/adapters/persistence/postgres-posts.ts';
import { postgresVideos } from '../../src/adapters/persistence/postgres-videos.ts';
import { randomIds } from '../../src/adapters/system/random-ids.ts';
import { mediabunnyVideoProbe } from '../../src/adapters/video-probe/mediabunny-video-probe.ts';
import { fileVideoStore } from '../../src/adapters/video-store/file-video-store.ts';
import { NO_TRACES } from '../../src/application/ports/traces.ts';
import { takeInVideo } from '../../src/application/take-in-video.ts';
import type { Active } from '../../src/domain/connection/connection.ts';
import type { WorkspaceId } from '../../src/domain/ids.ts';
import type { Scheduled } from '../../src/domain/post/post.ts';
import { restingStep } from '../../src/domain/post/step.ts';
import { inSeconds } from '../../src/domain/time.ts';
import type { ReadyVideo } from '../../src/domain/video/video.ts';
import { openVideoPolicy } from '../../src/domain/video/video-policy.ts';
import { inParallel } from '../support/in-parallel.ts';
import { putConnection } from '../support/put-connection.ts';
import { openGrant, type SandboxAccount } from '../support/sandbox-process.ts';
import { captionOf, VIDEO } from './sample.ts';

/** A workspace has so many accounts, and one video for all of them. */
const ACCOUNTS_OF_A_WORKSPACE = 25;
/** As many as the pool has connections. */
const AT_ONCE = 16;
/** Until the moment is set: nothing is due while the stage is being set, however slow the machine is. */
const FAR_AWAY_SECONDS = 86_400;
/** The moment is set so far ahead, … */
const AHEAD_SECONDS = 12;
/** … and this much of it has to be left when it is set: a worker looks into the queue every five seconds. */
const REST_SECONDS = 7;
const MOST_TRIES = 10;

/**
 * Fills an empty database with accounts, videos and posts, through the adapters and without the walk through OAuth. The posts are
 * scheduled for tomorrow, all for one moment.
 */
export async function setTheStage(needs: {
  readonly databaseUrl: string;
  readonly tokenKeys: string;
  readonly videoFolder: string;
  readonly accounts: readonly SandboxAccount[];
  readonly posts: number;
}): Promise<{ readonly workspaces: number }> {
  const { databaseUrl, tokenKeys, videoFolder, accounts, posts } = needs;
  const database = await openDatabase(databaseUrl);
  const clock = await databaseClock(database, console);
  const cipher = aesGcmCipher(parseKeyRing(tokenKeys));
  const ids = randomIds(clock);
  try {
    const workspaces = Array.from(
      { length: Math.ceil(accounts.length / ACCOUNTS_OF_A_WORKSPACE) },
      (_, index) => `ws_bench_${index}` as WorkspaceId,
    );
    const videos = await putVideos(workspaces);
    const connections = await inParallel(AT_ONCE, accounts, putAccount);
    const scheduleTime = inSeconds(clock.now(), FAR_AWAY_SECONDS);
    await inParallel(AT_ONCE, Array.from({ length: posts }), (_, index) => putPost(index, scheduleTime));
    return { workspaces: workspaces.length };

    async function putPost(index: number, scheduleTime: Date): Promise<void> {
      const connection = connections[index % connections.length];
      const video = connection && videos.get(connection.workspaceId);
      if (connection === undefined || video === undefined) throw new Error('a post without an account or a video');
      const post = scheduledPost(index, connection, video, scheduleTime);
      const stored = await postgresPosts(database, cipher, () => undefined).add(restingStep(post), {
        requestId: `request-${index}`,
        payloadHash: `payload-${index}`,
      });
      if (!stored.ok) throw new Error(`a post was refused: ${stored.error.code}`);
    }
  } finally {
    clock.close();
    await database.close();
  }

  async function putVideos(workspaces: readonly WorkspaceId[]): Promise<ReadonlyMap<WorkspaceId, ReadyVideo>> {
    const bytes = await readFile(VIDEO);
    const store = fileVideoStore(videoFolder);
    const takeIn = takeInVideo({
      store,
      probe: mediabunnyVideoProbe(),
      policy: openVideoPolicy,
      traces: NO_TRACES,
      log: console,
    });
    const made = new Map<WorkspaceId, ReadyVideo>();
    let first: ReadyVideo | undefined;
    for (const workspaceId of workspaces) {
      const named = { id: ids.videoId(), workspaceId, createTime: clock.now() };
      if (first === undefined) {
        const judged = await takeIn({ ...named, state: 'IMPORTING' }, inOnePiece(bytes), {});
        if (!judged.ok || judged.value.state !== 'READY') throw new Error('the video of the bench is no good');
        first = judged.value;
      } else {
        // The same bytes again: what they hold is known.
        await store.put(named.id, inOnePiece(bytes), { maxBytes: bytes.length });
      }
      const video = { ...first, ...named };
      await postgresVideos(database).add(video);
      made.set(workspaceId, video);
    }
    return made;
  }

  function putAccount({ username, tokens }: SandboxAccount, index: number): Promise<Active> {
    const workspaceId = `ws_bench_${Math.floor(index / ACCOUNTS_OF_A_WORKSPACE)}` as WorkspaceId;
    return putConnection({ database, cipher, ids, clock }, 'OPEN', workspaceId, username, openGrant(tokens));
  }

  function scheduledPost(index: number, connection: Active, video: ReadyVideo, scheduleTime: Date): Scheduled {
    const now = clock.now();
    return {
      id: ids.postId(),
      workspaceId: connection.workspaceId,
      connectionId: connection.id,
      videoId: video.id,
      caption: captionOf(index),
      settings: {
        // For nobody else: TikTok tells the link of a public post late, and asking for it is no part of publishing.
        privacyLevel: 'SELF_ONLY',
        allowComment: true,
        allowDuet: false,
        allowStitch: false,
        yourBrand: false,
        brandedContent: false,
        aiGenerated: false,
        draft: false,
      },
      scheduleTime,
      latePolicy: { maxLatenessSeconds: 86_400, action: 'PUBLISH' },
      labels: {},
      createTime: now,
      updateTime: now,
      version: 1,
      attempts: [],
      setbacks: 0,
      state: 'SCHEDULED',
    };
  }
}

/** Makes all posts due at one moment some seconds from now, which it gives: workers that run know of it before. */
export async function setTheMoment(database: Pick<Client, 'query'>): Promise<Date> {
  for (let tries = 1; ; tries += 1) {
    const { rows } = await database.query<{ moment: Date }>(
      `select date_trunc('second', now()) + make_interval(secs => $1) as moment`,
      [AHEAD_SECONDS * tries],
    );
    const [row] = rows;
    if (row === undefined) throw new Error('the database has no time');
    await database.query('update post set schedule_time = $1, next_action_at = $1', [row.moment]);
    // As it would be after the hours that posts usually wait: no trace of how they were put in.
    await database.query('vacuum (analyze)');
    if (Date.now() < inSeconds(row.moment, -REST_SECONDS).getTime()) return row.moment;
    if (tries === MOST_TRIES) throw new Error('this machine is too slow to make the posts due');
  }
}

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
