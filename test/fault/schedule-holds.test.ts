import { describe, expect, it } from 'vitest';
import type { EndpointName } from '../../sandbox/endpoint.ts';
import { seen } from '../support/changes.ts';
import { eachPublishedOnce } from '../support/crowds.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  getPost,
  type Post,
  type PublishErrorMessage,
  publish,
  ring,
  type Timestamp,
  timestamp,
  upload,
  type Video,
} from '../support/story.ts';

const surroundings = realService();

type TimelineEntry = {
  readonly state: string;
  readonly phase: string;
  readonly hold_reason: string;
  readonly attempt_number: number;
  readonly count: number;
  readonly calls: readonly { readonly endpoint: string; readonly code: string; readonly log_id: string }[];
  readonly error: PublishErrorMessage | null;
  readonly next_action_time: Timestamp | null;
};

const CREATOR_INFO = '/v2/post/publish/creator_info/query/';
const INIT = '/v2/post/publish/video/init/';
const STATUS = '/v2/post/publish/status/fetch/';

const DAY_MILLISECONDS = 86_400_000;

type Stage = {
  readonly world: Surroundings;
  readonly service: ServiceProcess;
  readonly small: Video;
  connect(properties?: Parameters<typeof connectNewAccount>[1]): Promise<Connection>;
};

async function stage(): Promise<Stage> {
  const world = await surroundings();
  const service = await world.start();
  const small = await upload(service.clients);
  const connect: Stage['connect'] = (properties) =>
    connectNewAccount({ clients: service.clients, sandbox: world.sandbox }, properties);
  return { world, service, small, connect };
}

type Row = {
  readonly id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly release: string | null;
  readonly version: number;
  readonly busy: boolean;
};

const rowsOf = async ({ world }: Stage, posts: readonly Post[]) =>
  (await world.sql(
    `select id, state, hold->>'reason' as reason, hold->>'releaseTime' as release, version, lease_owner is not null as busy
     from post where id = any($1) order by id`,
    [posts.map(({ post_id }) => post_id)],
  )) as readonly Row[];

/** Waits until each of the posts rests in a state that fits. */
const resting = (on: Stage, posts: readonly Post[], fits: (rows: readonly Row[]) => boolean) =>
  seen(
    on.service.clients,
    async () => {
      const rows = await rowsOf(on, posts);
      return rows.every(({ busy }) => !busy) && fits(rows) && rows;
    },
    { describe: () => rowsOf(on, posts) },
  );

const isHeldFor =
  (wanted: string) =>
  ({ state, reason, release }: Row) =>
    state === 'HELD' && reason === wanted && release !== null;

/** Whatever waits for a time that the service chose itself: that time has come. */
async function hurryAll({ world, service }: Stage): Promise<void> {
  await world.sql('delete from turn');
  await world.sql(
    `update post set next_action_at = now(), turn_time = null where lease_owner is null and next_action_at is not null`,
  );
  await ring(service.clients);
}

/** As `hurryAll`, and then all of them have been looked at once, and rest again. */
async function lookedAtAgain(on: Stage, posts: readonly Post[]): Promise<readonly Row[]> {
  const before = new Map((await rowsOf(on, posts)).map(({ id, version }) => [id, version]));
  await hurryAll(on);
  return resting(on, posts, (rows) => rows.every(({ id, version }) => version > (before.get(id) ?? 0)));
}

const callsTo = ({ world }: Stage, endpoints: readonly EndpointName[], { account }: Partial<Connection> = {}) =>
  world.sandbox.control
    .ledger()
    .calls.filter(
      (call) => endpoints.includes(call.endpoint) && (account === undefined || call.account === account.open_id),
    ).length;

const timelineOf = async ({ service }: Stage, { post_id }: Post) =>
  (await getPost(service.clients, post_id))['timeline'] as readonly TimelineEntry[];

const captionsOf = (posts: readonly Post[]) => posts.map(({ caption }) => caption);

describe('A TikTok that answers every announcement with 503', () => {
  it('is left alone after some of them, tried with one post, and then gets all of them one by one', {
    timeout: 180_000,
  }, async () => {
    const on = await stage();
    const { world, service, small } = on;
    const { control } = world.sandbox;
    const ASKING = ['creator_info', 'video_init'] as const;
    const connections = await Promise.all(Array.from({ length: 30 }, () => on.connect()));
    for (const endpoint of ASKING) {
      control.addFault({ endpoint, kind: 'status', status: 503, probability: 1 });
    }

    const schedule_time = timestamp(new Date(Date.now() + 3_600_000));
    const posts = await Promise.all(
      connections.map((connection) => publish(service.clients, { ...aPost(connection, small), schedule_time })),
    );
    // All at one moment.
    await world.sql('update post set schedule_time = now(), next_action_at = now()');
    await ring(service.clients);
    const shut = await service.logged('TikTok is not well: nothing new is begun until one post gets through');
    expect(shut).toMatchObject({ apiFamily: 'OPEN', code: 'PLATFORM_UNAVAILABLE' });
    // No post is kept waiting by what one waits for here: the gate stays shut until it is told otherwise.
    await world.sql(`update gate set shut_until = now() + interval '1 hour' where key = 'platform:OPEN'`);
    await resting(on, posts, (rows) => rows.every(({ version }) => version > 1));
    const asked = callsTo(on, ASKING);
    const held = await lookedAtAgain(on, posts);
    expect(held.filter((row) => !isHeldFor('PLATFORM_OUTAGE')(row))).toEqual([]);
    await lookedAtAgain(on, posts);
    expect(callsTo(on, ASKING)).toBe(asked);

    // It is well again, and nobody knows. One goes ahead, is held up on its way, and all the others wait for it.
    control.clearFaults();
    const fault = control.addFault({ endpoint: 'creator_info', kind: 'hold', when: 'after' });
    await world.sql('update gate set shut_until = now()');
    await hurryAll(on);
    const hold = await control.waitForHold({ faultId: fault.id });
    await world.sql(`update gate set shut_until = now() + interval '1 hour'`);
    const canary = connections.find(({ account }) => account.open_id === hold.account)?.connection_id;
    const others = posts.filter(({ connection_id }) => connection_id !== canary);
    expect(others).toHaveLength(posts.length - 1);
    await resting(on, others, () => true);
    const waiting = await lookedAtAgain(on, others);
    expect(waiting.filter((row) => !isHeldFor('PLATFORM_OUTAGE')(row))).toEqual([]);
    expect(callsTo(on, ASKING)).toBe(asked + 1);

    control.release(hold.id);
    const released = await service.logged('TikTok is well again: the posts that waited for it go out one by one');
    // Twenty a second at most: never all of them at once.
    expect(released).toMatchObject({ released: others.length, seconds: others.length / 20 });
    await resting(on, posts, (rows) => rows.every(({ state }) => state === 'PUBLISHED'));
    eachPublishedOnce(world.sandbox, captionsOf(posts), small);
    expect(await world.sql('select key from gate')).toEqual([]);
    const [first] = others;
    if (first === undefined) throw new Error('there is no other');
    const timeline = await timelineOf(on, first);
    const outage = timeline.find(({ hold_reason }) => hold_reason === 'HOLD_REASON_PLATFORM_OUTAGE');
    expect(outage).toMatchObject({ state: 'POST_STATE_HELD', error: { code: 'PLATFORM_UNAVAILABLE' } });
    expect(outage?.next_action_time).not.toBeNull();
    expect(timeline.at(-1)).toMatchObject({ state: 'POST_STATE_PUBLISHED', attempt_number: 1 });
    await service.kill();
  });
});

describe("TikTok's caps", () => {
  it('of an account a day: what is over it waits for the day to pass, and TikTok is not asked for each', {
    timeout: 120_000,
  }, async () => {
    const on = await stage();
    const { world, service, small } = on;
    const { control } = world.sandbox;
    const CAP = 3;
    const ASKING = ['creator_info', 'video_init'] as const;
    const connection = await on.connect({ dailyPostCap: CAP });
    const send = (): Promise<Post> => publish(service.clients, aPost(connection, small));
    const first = await Promise.all(Array.from({ length: CAP }, send));
    await resting(on, first, (rows) => rows.every(({ state }) => state === 'PUBLISHED'));

    const over = await send();
    await resting(on, [over], ([row]) => row !== undefined && isHeldFor('QUOTA')(row));
    // Who asked says what TikTok said.
    const told = (await timelineOf(on, over)).find(
      ({ state, calls }) => state === 'POST_STATE_HELD' && calls.length > 0,
    );
    expect(told).toMatchObject({
      hold_reason: 'HOLD_REASON_QUOTA',
      calls: [{ endpoint: CREATOR_INFO, code: 'spam_risk_too_many_posts', log_id: expect.stringMatching(/./) }],
      error: {
        code: 'ACCOUNT_DAILY_POST_CAP',
        tiktok_code: 'spam_risk_too_many_posts',
        tiktok_log_id: expect.stringMatching(/./),
      },
    });
    expect(told?.next_action_time).not.toBeNull();
    const asked = callsTo(on, ASKING, connection);
    const more = [await send(), await send()];
    await resting(on, more, (rows) => rows.every(isHeldFor('QUOTA')));
    const waiting = await lookedAtAgain(on, [over, ...more]);
    expect(waiting.filter((row) => !isHeldFor('QUOTA')(row))).toEqual([]);
    expect(callsTo(on, ASKING, connection)).toBe(asked);
    eachPublishedOnce(world.sandbox, captionsOf(first), small);

    // Who only heard of it says the same, and made no call.
    const [, heard] = more;
    if (heard === undefined) throw new Error('there is no other');
    expect((await timelineOf(on, heard)).flatMap(({ calls }) => calls)).toEqual([]);
    const seenByCaller = await getPost(service.clients, heard.post_id);
    expect(seenByCaller).toMatchObject({
      state: 'POST_STATE_HELD',
      hold: { reason: 'HOLD_REASON_QUOTA', release_time: expect.anything() },
      error: { code: 'ACCOUNT_DAILY_POST_CAP' },
      attempts: [],
    });

    control.advanceClock(DAY_MILLISECONDS);
    await world.sql('update gate set shut_until = now()');
    // One tries the gate; who comes meanwhile waits a little longer.
    await seen(
      service.clients,
      async () => (await rowsOf(on, [over, ...more])).every(({ state }) => state === 'PUBLISHED'),
      {
        meanwhile: () => hurryAll(on),
        describe: () => rowsOf(on, [over, ...more]),
      },
    );
    eachPublishedOnce(world.sandbox, captionsOf([...first, over, ...more]), small);
    expect(await world.sql('select key from gate')).toEqual([]);

    const story = await timelineOf(on, over);
    expect(story.at(-1)).toMatchObject({
      state: 'POST_STATE_PUBLISHED',
      attempt_number: 1,
      calls: [{ endpoint: 'upload' }, { endpoint: STATUS, code: 'ok', log_id: expect.stringMatching(/./) }],
    });
    const announced = story.flatMap(({ calls }) => calls).filter(({ endpoint }) => endpoint === INIT);
    expect(announced).toEqual([expect.objectContaining({ code: 'ok', log_id: expect.stringMatching(/./) })]);
    await service.kill();
  });

  it('of an account a day: six posts at one moment are three on TikTok and three that wait', {
    timeout: 90_000,
  }, async () => {
    const on = await stage();
    const { service, small, world } = on;
    const connection = await on.connect({ dailyPostCap: 3 });
    const posts = await Promise.all(
      Array.from({ length: 6 }, () => publish(service.clients, aPost(connection, small))),
    );
    const rows = await resting(on, posts, (all) =>
      all.every((row) => row.state === 'PUBLISHED' || isHeldFor('QUOTA')(row)),
    );
    expect(rows.filter(({ state }) => state === 'PUBLISHED')).toHaveLength(3);
    const published = posts.filter(({ post_id }) =>
      rows.some(({ id, state }) => id === post_id && state === 'PUBLISHED'),
    );
    eachPublishedOnce(world.sandbox, captionsOf(published), small);
    await service.kill();
  });

  it('of accounts a day: who is over it waits, and who has posted already goes on', { timeout: 120_000 }, async () => {
    const on = await stage();
    const { world, service, small } = on;
    const { control } = world.sandbox;
    const ASKING = ['creator_info', 'video_init'] as const;
    control.changeApp({ activeUserCap: 2 });
    const [one, two, ...late] = await Promise.all(Array.from({ length: 5 }, () => on.connect()));
    if (one === undefined || two === undefined) throw new Error('there are no accounts');
    const send = (connection: Connection): Promise<Post> => publish(service.clients, aPost(connection, small));
    const first = await Promise.all([send(one), send(two)]);
    await resting(on, first, (rows) => rows.every(({ state }) => state === 'PUBLISHED'));
    const asked = callsTo(on, ASKING);

    const [third, ...others] = late;
    if (third === undefined) throw new Error('there is no third account');
    const over = await send(third);
    await resting(on, [over], ([row]) => row !== undefined && isHeldFor('QUOTA')(row));
    const more = await Promise.all(others.map(send));
    await resting(on, more, (rows) => rows.every(isHeldFor('QUOTA')));
    expect(callsTo(on, ASKING)).toBe(asked + 1);
    const again = await send(one);
    await resting(on, [again], (rows) => rows.every(({ state }) => state === 'PUBLISHED'));

    expect((await timelineOf(on, over)).find(({ state }) => state === 'POST_STATE_HELD')).toMatchObject({
      hold_reason: 'HOLD_REASON_QUOTA',
      calls: [{ endpoint: CREATOR_INFO, code: 'reached_active_user_cap', log_id: expect.stringMatching(/./) }],
      error: { code: 'APP_DAILY_USER_CAP', tiktok_code: 'reached_active_user_cap' },
    });

    control.advanceClock(DAY_MILLISECONDS);
    control.changeApp({ activeUserCap: 100 });
    await world.sql('update gate set shut_until = now()');
    const waiting = [over, ...more];
    await seen(service.clients, async () => (await rowsOf(on, waiting)).every(({ state }) => state === 'PUBLISHED'), {
      meanwhile: () => hurryAll(on),
      describe: () => rowsOf(on, waiting),
    });
    eachPublishedOnce(world.sandbox, captionsOf([...first, again, ...waiting]), small);
    await service.kill();
  });
});
