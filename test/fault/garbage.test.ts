import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  hurry,
  postThat,
  publish,
  publishedOnce,
  ring,
  timestamp,
  upload,
  type Video,
} from '../support/story.ts';

const surroundings = realService();
const HOUR = 3_600_000;
const COLLECTS = { GARBAGE_SECONDS: '1', VIDEO_RETENTION_DAYS: '1', EVENT_RETENTION_DAYS: '1' };

let world: Surroundings;
let service: ServiceProcess;
let connection: Connection;

beforeAll(async () => {
  world = await surroundings();
  service = await world.start();
  connection = await connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
});

/** Marks of posts lie beside the videos; they are another matter. */
const files = async (): Promise<readonly string[]> =>
  (await readdir(world.videoFolder)).filter((name) => name !== 'marks').toSorted();
const inFolder = (name: string): string => join(world.videoFolder, name);

/** As if everything but these happened three days ago. */
async function letDaysPass(kept: readonly string[]): Promise<void> {
  const by = `interval '3 days'`;
  await world.sql(`update video set create_time = create_time - ${by} where id <> all($1)`, [kept]);
  await world.sql(`update post set update_time = update_time - ${by} where video_id <> all($1)`, [kept]);
  await world.sql(`update post_event set event_time = event_time - ${by}`);
  const then = new Date(Date.now() - 72 * HOUR);
  for (const name of await files()) if (!kept.includes(name)) await utimes(inFolder(name), then, then);
}

it('goes away a piece at a time, whoever is killed over it; what is live stays (MED-07)', async () => {
  const { clients } = service;
  const uploads = (count: number): Promise<Video[]> =>
    Promise.all(Array.from({ length: count }, () => upload(clients)));
  const done = await uploads(3);
  for (const video of done) {
    const { post_id } = await publish(clients, aPost(connection, video));
    await postThat(clients, post_id, 'PUBLISHED');
  }
  const unused = await uploads(2);
  const [waiting, young] = (await uploads(2)) as [Video, Video];
  const tomorrow = timestamp(new Date(Date.now() + 24 * HOUR));
  const post = await publish(clients, { ...aPost(connection, waiting), schedule_time: tomorrow });

  const orphan = `vid_${'0'.repeat(26)}`;
  const dead = spawnSync(process.execPath, ['--version']).pid;
  const host = hostname().replace(/[^\w-]/g, '_');
  const half = `${orphan}.${randomUUID()}.${host}.${dead}.${randomUUID()}.partial`;
  const foreign = 'notes.txt';
  for (const name of [orphan, half, foreign]) await writeFile(inFolder(name), 'bytes');
  await letDaysPass([young.video_id]);
  const lately = `vid_${'1'.repeat(26)}`;
  await writeFile(inFolder(lately), 'an upload whose record is still to be made');
  expect(await files()).toHaveLength(11);
  await service.kill();

  // Each of them dies with a record gone and its file still there.
  const gone = [...done, ...unused];
  for (let left = gone.length; left > 0; left -= 1) {
    const doomed = await world.start({ haltAt: 'video-forgotten', environment: COLLECTS });
    await doomed.halted('video-forgotten');
    await doomed.kill();
    const rows = await world.sql('select id from video');
    expect(rows).toHaveLength(2 + left - 1);
    const stored = new Set(await files());
    for (const { id } of rows) expect(stored).toContain(id);
  }
  // Two at once: they are in nobody's way.
  const both = await Promise.all([world.start({ environment: COLLECTS }), world.start({ environment: COLLECTS })]);
  [service] = both;
  const live = [waiting.video_id, young.video_id, lately, foreign].toSorted();
  await Promise.race(both.map((each) => each.logged('removed what nobody needs')));
  await expect.poll(files, { timeout: 30_000 }).toEqual(live);
  await expect
    .poll(() => world.sql(`select id from post_event join post on id = post_id where state = 'PUBLISHED'`))
    .toEqual([]);

  await world.sql('update post set schedule_time = now() where id = $1', [post.post_id]);
  await hurry({ clients: service.clients, sql: world.sql }, post.post_id);
  await ring(service.clients);
  publishedOnce(world.sandbox, await postThat(service.clients, post.post_id, 'PUBLISHED'), waiting);
  expect(await files()).toEqual(live);
});
