import { beforeAll, describe, expect, it } from 'vitest';
import { outcomesOf } from '../support/judge.ts';
import { breaksBy } from '../support/preloaded.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  type Post,
  postThatHurries,
  publish,
  publishedOnce,
  upload,
  type Video,
} from '../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let connection: Connection;
let video: Video;

beforeAll(async () => {
  world = await surroundings();
  const service = await world.start();
  connection = await connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
  video = await upload(service.clients);
  await service.stop();
});

/** As one that restarts what ends with anything but 0. */
async function supervised(service: ServiceProcess, start: () => Promise<ServiceProcess>) {
  const how = await service.ended();
  if (how === 0) throw new Error('it ended as if it had been told to');
  return { how, next: await start() };
}

async function goesOutOnce({ clients }: ServiceProcess, { post_id }: Post): Promise<Post> {
  const after = await postThatHurries({ clients, sql: world.sql }, post_id, 'PUBLISHED');
  publishedOnce(world.sandbox, after, video);
  return after;
}

describe('OPS-02 a process that breaks while posts are on their way', () => {
  it.each([
    [
      'by a rejection that nobody handles',
      'rejection',
      1,
      { origin: 'unhandledRejection', message: 'nobody waits for this' },
    ],
    [
      'by an exception that nobody catches',
      'exception',
      1,
      { origin: 'uncaughtException', message: 'nobody catches this' },
    ],
    ['for want of memory', 'memory', 'SIGABRT', undefined],
  ] as const)(
    'OPS-02 %s says so, ends with a code, is started again, and no post is lost or made twice',
    { timeout: 120_000 },
    async (_, way, how, told) => {
      const start = () => world.start({ environment: { ...breaksBy(way), LEASE_SECONDS: '2' } });
      const service = await start();
      const { control } = world.sandbox;
      // One whose announcement TikTok took and did not answer yet, and one whose bytes are on their way.
      const [announcing, sending] = [
        control.addFault({ endpoint: 'video_init', kind: 'hold', when: 'after' }),
        control.addFault({ endpoint: 'upload', kind: 'hold', when: 'after' }),
      ];
      const announced = await publish(service.clients, aPost(connection, video));
      const first = await control.waitForHold({ faultId: announcing.id });
      const sent = await publish(service.clients, aPost(connection, video));
      const second = await control.waitForHold({ faultId: sending.id });

      service.signal('SIGUSR2');
      const { how: ended, next } = await supervised(service, start);
      expect(ended).toBe(how);
      for (const { id } of [first, second]) control.release(id, 'drop');
      if (told === undefined) expect(service.output()).toContain('JavaScript heap out of memory');
      else {
        const line = await service.logged(
          'this process ends on a failure that nothing caught; it is to be started again',
          { origin: told.origin },
        );
        expect(line).toMatchObject({ level: 60, error: { message: told.message } });
      }

      expect(outcomesOf(await goesOutOnce(next, announced))).toEqual(['ORPHANED', 'PUBLISHED']);
      expect(outcomesOf(await goesOutOnce(next, sent))).toEqual(['PUBLISHED']);
      await next.kill();
    },
  );

  it('OPS-02 that can not start says why, once', async () => {
    const nowhere = new URL(world.databaseUrl);
    nowhere.port = '1';
    const started = world.start({ environment: { DATABASE_URL: nowhere.href } });
    const said = await started.then(
      () => 'it started',
      (error: Error) => error.message,
    );
    expect(said).toMatch(/with code 1:/);
    expect(said.match(/ECONNREFUSED/g)).toHaveLength(1);
    expect(said).not.toContain('did not stop cleanly');
  });
});
