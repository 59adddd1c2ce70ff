import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { manyConnections } from '../support/crowds.ts';
import { refusalOf } from '../support/grpc-client.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  type ConnectionEvent,
  connectNewAccount,
  postThat,
  publish,
  publishedOnce,
  upload,
  type Video,
} from '../support/story.ts';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts';

const surroundings = realService();
const STORED_LATER = 'a refreshed token pair is not stored yet';
const DEAD = 'TikTok no longer accepts the grant: the person has to reconnect';

let world: Surroundings;
let service: ServiceProcess;
/** The only way to the database for who is started `behind` it. */
let way: TcpProxy;
let video: Video;

beforeAll(async () => {
  world = await surroundings({ tokenRegime: 'rotating' });
  way = await tcpProxy(world.databaseUrl);
  service = await world.start();
  video = await upload(service.clients);
});
beforeEach(() => way.resume());
afterAll(() => way.close());

type Named = Pick<Connection, 'connection_id'>;

const connect = (): Promise<Connection> => connectNewAccount({ clients: service.clients, sandbox: world.sandbox });
const makeStale = ({ connection_id }: Named) =>
  world.sql('update credential set access_expire_time = now() where connection_id = $1', [connection_id]);
const makeDue = ({ connection_id }: Named) =>
  world.sql('update credential set refresh_due = now() where connection_id = $1', [connection_id]);
const endClaim = ({ connection_id }: Named) =>
  world.sql('update credential set refreshing_until = now() where connection_id = $1', [connection_id]);
const capabilities = ({ clients }: ServiceProcess, { connection_id }: Named) =>
  clients.connections.GetPublishingCapabilities<{ can_publish: boolean }>({ connection_id });
const stateOf = async ({ connection_id }: Named): Promise<Connection> =>
  (await service.clients.connections.GetConnection<{ connection: Connection }>({ connection_id })).connection;

const refreshTokensOf = ({ account }: Connection) =>
  world.sandbox.control.ledger().tokens.filter((each) => each.kind === 'refresh' && each.account === account.open_id);

/** TikTok's live pair is the one that is used: asked for by its own way, nothing is refreshed for it. */
async function hasLiveToken(connection: Connection, by = service): Promise<void> {
  const before = refreshTokensOf(connection).length;
  expect(await capabilities(by, connection)).toMatchObject({ can_publish: true });
  expect(refreshTokensOf(connection)).toHaveLength(before);
  const live = refreshTokensOf(connection).filter(({ state }) => state === 'LIVE');
  expect(live).toHaveLength(1);
}

const rotated = (connection: Connection) =>
  world.sandbox.control.waitUntil(({ tokens }) =>
    tokens.some(
      (each) => each.kind === 'refresh' && each.account === connection.account.open_id && each.state === 'REPLACED',
    ),
  );

describe('TOK-01 200 callers of four processes with one stale token', () => {
  it('spend each refresh token once, rotation by rotation', { timeout: 120_000 }, async () => {
    const processes = [service, ...(await Promise.all([world.start(), world.start(), world.start()]))];
    const connection = await connect();
    for (let rotation = 1; rotation <= 3; rotation += 1) {
      await makeStale(connection);
      const answers = await Promise.allSettled(
        Array.from({ length: 200 }, (_, index) =>
          capabilities(processes[index % processes.length] as ServiceProcess, connection),
        ),
      );
      // TikTok answers this call twenty times a minute: the others had a token and no turn.
      const reasons = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
      const told = await Promise.all(reasons.map((reason) => refusalOf(Promise.reject(reason))));
      expect(new Set(told.map(({ reason }) => reason))).toEqual(new Set(['UPSTREAM_RATE_LIMITED']));
      const tokens = refreshTokensOf(connection);
      expect(tokens).toHaveLength(rotation + 1);
      expect(tokens.map(({ state, uses, spentTwice }) => `${state} ${uses} ${spentTwice}`)).toEqual([
        ...Array(rotation).fill('REPLACED 1 false'),
        'LIVE 0 false',
      ]);
    }
    await Promise.all(processes.slice(1).map((each) => each.stop()));
  });

  it('and none of them spends a token that the background renews', async () => {
    const other = await world.start();
    const accounts = await Promise.all(Array.from({ length: 10 }, connect));
    for (const account of accounts) await makeDue(account);
    for (const account of accounts) await rotated(account);
    await Promise.all(accounts.flatMap((account) => [capabilities(service, account), capabilities(other, account)]));
    for (const account of accounts) {
      expect(refreshTokensOf(account).map(({ state, uses }) => `${state} ${uses}`)).toEqual(['REPLACED 1', 'LIVE 0']);
    }
    const due = await world.sql(
      `select extract(epoch from refresh_due - now())::float8 / 7200 as share from credential
       where connection_id = any($1)`,
      [accounts.map(({ connection_id }) => connection_id)],
    );
    // Half of TikTok's two hours, and not all at the same time.
    const shares = due.map(({ share }) => Number(share));
    for (const share of shares) {
      expect(share).toBeGreaterThan(0.48);
      expect(share).toBeLessThanOrEqual(0.6);
    }
    expect(new Set(shares.map((share) => Math.round(share * 1000))).size).toBeGreaterThan(3);
    await other.stop();
  });
});

describe('TOK-02 a process killed between the answer and its storing', () => {
  it('is followed by a try with the old token: in the legacy regime nothing is lost', {
    timeout: 120_000,
  }, async () => {
    const legacy = await surroundings({ tokenRegime: 'legacy' });
    const survivor = await legacy.start();
    const connection = await connectNewAccount({ clients: survivor.clients, sandbox: legacy.sandbox });
    const doomed = await legacy.start({ haltAt: 'refresh-answered' });
    const claim = 'update credential set refresh_due = $2, refreshing_until = now() where connection_id = $1';
    await legacy.sql('update credential set access_expire_time = now() where connection_id = $1', [
      connection.connection_id,
    ]);
    const unanswered = capabilities(doomed, connection).catch((error) => error);
    await doomed.halted('refresh-answered');
    await doomed.kill();
    expect(await unanswered).toBeInstanceOf(Error);
    await legacy.sql(claim, [connection.connection_id, new Date()]);
    expect(await capabilities(survivor, connection)).toMatchObject({ can_publish: true });
    const { connection: after } = await survivor.clients.connections.GetConnection<{ connection: Connection }>({
      connection_id: connection.connection_id,
    });
    expect(after).toMatchObject({ state: 'CONNECTION_STATE_ACTIVE', grant_lost: false });
  });

  it('in the background is flagged in the rotating regime: log, metric, field and event', {
    timeout: 150_000,
  }, async () => {
    const alone = await surroundings({ tokenRegime: 'rotating' });
    const doomed = await alone.start({ haltAt: 'refresh-answered' });
    const connection = await connectNewAccount({ clients: doomed.clients, sandbox: alone.sandbox });
    const { connection_id } = connection;
    await alone.sql('update credential set refresh_due = now() where connection_id = $1', [connection_id]);
    await doomed.halted('refresh-answered');
    await doomed.kill();
    // Both its claims end now and not in minutes.
    await alone.sql('update credential set refresh_due = now(), refreshing_until = now() where connection_id = $1', [
      connection_id,
    ]);
    const survivor = await alone.start();
    const watch = await survivor.clients.watchConnections({ workspace_id: connection.workspace_id });
    await survivor.logged('a grant was lost with an answer of TikTok', { connectionId: connection_id });
    const { event } = await watch.next<{ event: ConnectionEvent }>();
    watch.cancel();
    expect(event).toMatchObject({
      previous_state: 'CONNECTION_STATE_ACTIVE',
      connection: { connection_id, state: 'CONNECTION_STATE_RECONNECT_REQUIRED', grant_lost: true },
    });
    const metrics = await (await fetch(`${survivor.httpUrl}/metrics`)).text();
    expect(metrics).toMatch(/^tiktok_connector_grants_lost_total 1$/m);
  });
});

describe('TOK-03 an answer that arrives after the claim was taken over', () => {
  it('is stored when its reader thaws: the newest pair stays', { timeout: 120_000 }, async () => {
    const connection = await connect();
    await makeStale(connection);
    const sleeper = await world.start({ stoppable: true });
    const stop = await sleeper.stopAt('refresh-answered');
    const sleeping = capabilities(sleeper, connection);
    await stop.reached();
    sleeper.freeze();
    await endClaim(connection);
    // Whoever takes over finds the old token spent, and waits for the sleeper. The caller is told at once to come again.
    expect(await refusalOf(capabilities(service, connection))).toMatchObject({
      code: 14,
      reason: 'PLATFORM_UNAVAILABLE',
    });
    expect(await stateOf(connection)).toMatchObject({ state: 'CONNECTION_STATE_ACTIVE' });
    sleeper.thaw();
    await stop.goOn();
    expect(await sleeping).toMatchObject({ can_publish: true });
    await hasLiveToken(connection);
    expect(await stateOf(connection)).toMatchObject({ state: 'CONNECTION_STATE_ACTIVE', grant_lost: false });
    expect(
      service.log().filter(({ msg, connectionId }) => msg === DEAD && connectionId === connection.connection_id),
    ).toEqual([]);
    await sleeper.kill();
  });

  it('is stored as well when the whole process slept while TikTok answered', { timeout: 120_000 }, async () => {
    const connection = await connect();
    await makeStale(connection);
    const sleeper = await world.start();
    const { id: faultId } = world.sandbox.control.addFault({
      endpoint: 'token',
      grantType: 'refresh_token',
      kind: 'hold',
      when: 'after',
      account: connection.account.username,
    });
    const sleeping = capabilities(sleeper, connection);
    const { id } = await world.sandbox.control.waitForHold({ faultId });
    sleeper.freeze();
    world.sandbox.control.release(id);
    await endClaim(connection);
    expect(await refusalOf(capabilities(service, connection))).toMatchObject({
      code: 14,
      reason: 'PLATFORM_UNAVAILABLE',
    });
    sleeper.thaw();
    expect(await sleeping).toMatchObject({ can_publish: true });
    await hasLiveToken(connection);
    await sleeper.kill();
  });
});

describe('TOK-04 a pair that TikTok rotated', () => {
  it('is stored when the database comes back, and used by nobody before', { timeout: 120_000 }, async () => {
    const behind = await world.start({
      stoppable: true,
      environment: { DATABASE_URL: way.through(world.databaseUrl) },
    });
    const connection = await connect();
    await makeStale(connection);
    const stop = await behind.stopAt('refresh-answered');
    const asked = capabilities(behind, connection);
    await stop.reached();
    way.cut();
    await stop.goOn();
    await behind.logged(STORED_LATER);
    expect(
      await world.sql('select version from credential where connection_id = $1', [connection.connection_id]),
    ).toEqual([{ version: 1 }]);
    way.resume();
    expect(await asked).toMatchObject({ can_publish: true });
    await hasLiveToken(connection);
    await behind.kill();
  });

  it('is stored by a process that was told to end before TikTok answered', { timeout: 120_000 }, async () => {
    // The hold is the test's, and must not be taken for a lost answer.
    const leaving = await world.start({ environment: { TIKTOK_TOKEN_SECONDS: '60' } });
    const connection = await connect();
    const { id: faultId } = world.sandbox.control.addFault({
      endpoint: 'token',
      grantType: 'refresh_token',
      kind: 'hold',
      when: 'after',
      account: connection.account.username,
    });
    await makeStale(connection);
    const asked = capabilities(leaving, connection).catch((error) => error);
    const { id } = await world.sandbox.control.waitForHold({ faultId });
    const ended = leaving.stop();
    // It says that it takes nothing new, so that it does know.
    await vi.waitUntil(
      () =>
        fetch(`${leaving.httpUrl}/readyz`).then(
          ({ ok }) => !ok,
          () => true,
        ),
      { timeout: 20_000 },
    );
    world.sandbox.control.release(id);
    expect(await ended).toBe(0);
    await asked;
    await hasLiveToken(connection);
  });

  it('keeps no upload waiting, however long TikTok hangs over another account', { timeout: 120_000 }, async () => {
    const impatient = await world.start({ environment: { TIKTOK_TOKEN_SECONDS: '1' } });
    const [stuck, other] = [await connect(), await connect()];
    const { id: faultId } = world.sandbox.control.addFault({
      endpoint: 'token',
      grantType: 'refresh_token',
      kind: 'hold',
      times: 2,
      account: stuck.account.username,
    });
    await makeStale(stuck);
    const asked = refusalOf(capabilities(impatient, stuck));
    await world.sandbox.control.waitForHold({ faultId });
    const { post_id } = await publish(impatient.clients, aPost(other, video));
    publishedOnce(world.sandbox, await postThat(impatient.clients, post_id, 'PUBLISHED'), video);
    expect(await asked).toMatchObject({ code: 14, reason: 'PLATFORM_UNAVAILABLE' });
    world.sandbox.control.release(undefined, 'drop');
    expect(await stateOf(stuck)).toMatchObject({ state: 'CONNECTION_STATE_ACTIVE' });
    expect(await capabilities(impatient, stuck)).toMatchObject({ can_publish: true });
    await impatient.kill();
  });
});

describe('TOK-06 invalid_client for every account', () => {
  it('opens the breaker, marks nobody, and all are renewed once the secret is right', {
    timeout: 120_000,
  }, async () => {
    const alone = await surroundings({ tokenRegime: 'rotating' });
    const right = await alone.start();
    const many = await manyConnections(alone, right, 40);
    const watch = await right.clients.watchConnections({ workspace_id: many[0]?.workspace_id });
    await right.kill();
    await alone.sql('update credential set refresh_due = now()');
    const wrong = await alone.start({ environment: { TIKTOK_CLIENT_SECRET: 'not-the-secret' } });
    const REFUSED =
      'TikTok refuses the app: no token is renewed until it takes TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET; no account has to reconnect';
    await wrong.logged(REFUSED);
    // Whoever asks for an account is told so, and TikTok is not asked again.
    const [first] = many;
    if (first === undefined) throw new Error('no connections');
    await alone.sql('update credential set access_expire_time = now() where connection_id = $1', [first.connection_id]);
    const { code, reason } = await refusalOf(capabilities(wrong, first));
    expect([code, reason]).toEqual([14, 'APP_CREDENTIALS_REJECTED']);
    const refused = alone.sandbox.control.ledger().calls.filter(({ endpoint }) => endpoint === 'token');
    // Eight were under way when the first was refused.
    expect(refused.length).toBeLessThanOrEqual(8);
    expect(await alone.sql('select state, count(*)::integer as connections from connection group by state')).toEqual([
      { state: 'ACTIVE', connections: many.length },
    ]);
    const metrics = await (await fetch(`${wrong.httpUrl}/metrics`)).text();
    expect(metrics).toMatch(/backlog_shut_gates\{code="APP_CREDENTIALS_REJECTED",state="SHUT"\} 1/);
    await wrong.kill();
    watch.cancel();

    // Half a minute later.
    await alone.sql('update gate set shut_until = now()');
    await alone.sql('update credential set refresh_due = now()');
    await alone.start();
    await alone.sandbox.control.waitUntil(
      ({ tokens }) =>
        tokens.filter(({ kind, state }) => kind === 'refresh' && state === 'REPLACED').length === many.length,
    );
    expect(await alone.sql("select 1 from connection where state <> 'ACTIVE'")).toEqual([]);
    expect(await alone.sql('select 1 from gate')).toEqual([]);
  });
});

describe('The warning before a refresh token ends', () => {
  it('is told once, by the stream, the field and the metric, also after a restart', { timeout: 120_000 }, async () => {
    const alone = await surroundings({ tokenRegime: 'legacy' });
    const before = await alone.start();
    const connection = await connectNewAccount({ clients: before.clients, sandbox: alone.sandbox });
    const { connection_id, workspace_id } = connection;
    const ends = (days: number) =>
      alone.sql('update connection set refresh_expire_time = now() + make_interval(days => $2) where id = $1', [
        connection_id,
        days,
      ]);
    const watch = await before.clients.watchConnections({ workspace_id });
    const next = async () => (await watch.next<{ event: ConnectionEvent }>()).event;
    await ends(10);
    let event = await next();
    while (event.connection.reconnect_warning_days === 0) event = await next();
    expect(event.connection).toMatchObject({
      connection_id,
      reconnect_warning_days: 14,
      state: 'CONNECTION_STATE_ACTIVE',
    });
    await before.logged('the person has to reconnect before the refresh token ends', {
      connectionId: connection_id,
      days: 14,
    });
    expect(await (await fetch(`${before.httpUrl}/metrics`)).text()).toMatch(/reconnect_warnings_total\{days="14"\} 1/);
    await before.kill();

    const after = await alone.start();
    const resumed = await after.clients.watchConnections({ workspace_id, resume_token: event.resume_token });
    await ends(3);
    // The very next event: the first warning did not come again.
    const { event: second } = await resumed.next<{ event: ConnectionEvent }>();
    expect(second.connection).toMatchObject({ connection_id, reconnect_warning_days: 7 });
    resumed.cancel();
    await after.kill();
  });
});
