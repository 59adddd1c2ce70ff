import { beforeAll, describe, expect, it } from 'vitest';
import { errorDetails, refusalOf } from '../support/grpc-client.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import { type Connection, connectNewAccount } from '../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;
let other: ServiceProcess;

beforeAll(async () => {
  world = await surroundings({ tokenRegime: 'rotating' });
  [service, other] = await Promise.all([world.start(), world.start()]);
});

const connect = (): Promise<Connection> => connectNewAccount({ clients: service.clients, sandbox: world.sandbox });

/** Its access token has to be refreshed before it is used again. */
const makeStale = ({ connection_id }: Connection) =>
  world.sql('update credential set access_expire_time = now() where connection_id = $1', [connection_id]);

const refreshTokensOf = ({ account }: Connection) =>
  world.sandbox.control.ledger().tokens.filter((each) => each.kind === 'refresh' && each.account === account.open_id);

const capabilities = ({ clients }: ServiceProcess, { connection_id }: Connection) =>
  clients.connections.GetPublishingCapabilities<{ can_publish: boolean }>({ connection_id });

const stateOf = async ({ connection_id }: Connection) => {
  const { connection } = await service.clients.connections.GetConnection<{ connection: Connection }>({ connection_id });
  return connection;
};

describe('A refresh token', () => {
  it('is spent once by 60 callers of two processes at the same moment', async () => {
    const connection = await connect();
    await makeStale(connection);
    const answers = await Promise.allSettled(
      Array.from({ length: 60 }, (_, index) => capabilities(index % 2 === 0 ? service : other, connection)),
    );
    // All had a token; TikTok answers this call twenty times a minute, so that the others are told when to come back.
    const told = answers.map((answer) =>
      answer.status === 'fulfilled' ? answer.value.can_publish : errorDetails(answer.reason).reason,
    );
    expect(told.filter((each) => each === true)).toHaveLength(20);
    expect(told.filter((each) => each === 'UPSTREAM_RATE_LIMITED')).toHaveLength(40);
    const tokens = refreshTokensOf(connection);
    expect(tokens.map(({ state }) => state).sort()).toEqual(['LIVE', 'REPLACED']);
    expect(tokens.filter(({ spentTwice }) => spentTwice)).toEqual([]);
    expect(tokens.reduce((sum, { uses }) => sum + uses, 0)).toBe(1);
  });

  it('is presented once when every caller meets a dead access token at the same moment', async () => {
    const connection = await connect();
    // The service believes the token to be good, TikTok says that it is not: everyone is refused, one refreshes.
    world.sandbox.control.addFault({
      endpoint: 'creator_info',
      kind: 'error',
      code: 'access_token_invalid',
      times: 10,
      account: connection.account.username,
    });
    // Nobody gets the new token before all ten were refused the old one.
    const held = world.sandbox.control.addFault({
      endpoint: 'token',
      grantType: 'refresh_token',
      kind: 'hold',
      account: connection.account.username,
    });
    const asked = Promise.all(Array.from({ length: 10 }, () => capabilities(service, connection)));
    const { id } = await world.sandbox.control.waitForHold({ faultId: held.id });
    await world.sandbox.control.waitUntil(
      ({ calls }) =>
        calls.filter(
          ({ endpoint, account, errorCode }) =>
            endpoint === 'creator_info' &&
            account === connection.account.open_id &&
            errorCode === 'access_token_invalid',
        ).length === 10,
    );
    world.sandbox.control.release(id);
    const answers = await asked;
    expect(answers.every(({ can_publish }) => can_publish)).toBe(true);
    expect(refreshTokensOf(connection).filter(({ spentTwice }) => spentTwice)).toEqual([]);
    expect((await stateOf(connection)).state).toBe('CONNECTION_STATE_ACTIVE');
  });

  it('is presented again when the refresh never reached TikTok', async () => {
    const connection = await connect();
    await makeStale(connection);
    world.sandbox.control.addFault({
      endpoint: 'token',
      grantType: 'refresh_token',
      kind: 'drop_before',
      account: connection.account.username,
    });
    expect(await capabilities(service, connection)).toMatchObject({ can_publish: true });
    expect(
      refreshTokensOf(connection)
        .map(({ state }) => state)
        .sort(),
    ).toEqual(['LIVE', 'REPLACED']);
    expect(await stateOf(connection)).toMatchObject({ state: 'CONNECTION_STATE_ACTIVE', reconnect_reason: null });
  });

  it('that is lost with an answer needs a reconnect, and the log says so', async () => {
    const connection = await connect();
    await makeStale(connection);
    world.sandbox.control.addFault({
      endpoint: 'token',
      grantType: 'refresh_token',
      kind: 'execute_then_drop',
      account: connection.account.username,
    });
    const refusal = await refusalOf(capabilities(service, connection));
    expect(refusal).toMatchObject({ reason: 'ACCOUNT_SESSION_INVALID', code: 9 });
    expect(await stateOf(connection)).toMatchObject({
      state: 'CONNECTION_STATE_RECONNECT_REQUIRED',
      reconnect_reason: { code: 'ACCOUNT_SESSION_INVALID', actor: 'ACTOR_USER' },
      grant_lost: true,
    });
    const about = service.log().filter(({ connectionId }) => connectionId === connection.connection_id);
    expect(about.map(({ msg }) => msg)).toEqual([
      'a token refresh was not answered: the token may be spent',
      'a grant was lost with an answer of TikTok',
      'TikTok no longer accepts the grant: the person has to reconnect',
    ]);
    // Presented twice, knowingly: nobody else was given the second pair.
    expect(refreshTokensOf(connection).filter(({ spentTwice }) => spentTwice)).toHaveLength(1);
  });

  it('is not given up while TikTok is in trouble', async () => {
    const connection = await connect();
    await makeStale(connection);
    world.sandbox.control.addFault({
      endpoint: 'token',
      kind: 'status',
      status: 503,
      times: 2,
      account: connection.account.username,
    });
    expect(await refusalOf(capabilities(service, connection))).toMatchObject({
      code: 14,
      reason: 'PLATFORM_UNAVAILABLE',
    });
    expect(await stateOf(connection)).toMatchObject({ state: 'CONNECTION_STATE_ACTIVE' });
    expect(await capabilities(service, connection)).toMatchObject({ can_publish: true });
  });

  it('is not given up when TikTok refuses the app itself', async () => {
    const connection = await connect();
    await makeStale(connection);
    world.sandbox.control.addFault({
      endpoint: 'token',
      kind: 'error',
      code: 'invalid_client',
      times: 2,
      account: connection.account.username,
    });
    expect(await refusalOf(capabilities(service, connection))).toMatchObject({
      code: 14,
      reason: 'APP_CREDENTIALS_REJECTED',
    });
    expect(await stateOf(connection)).toMatchObject({ state: 'CONNECTION_STATE_ACTIVE', reconnect_reason: null });
    // The others here need no breaker.
    await world.sql('delete from gate');
  });

  it('is never shown: no answer and no line of the log holds a token or the app secret', async () => {
    const connection = await connect();
    const told = JSON.stringify([
      await service.clients.connections.RefreshConnection({ connection_id: connection.connection_id }),
      await service.clients.connections.ListConnections({ workspace_id: connection.workspace_id }),
      service.output(),
      other.output(),
    ]);
    const secrets = world.sandbox.control.ledger().tokens.map(({ token }) => token);
    expect(secrets.length).toBeGreaterThan(10);
    for (const secret of [...secrets, world.sandbox.clientSecret]) expect(told).not.toContain(secret);
  });
});

describe('A process killed between the answer to a refresh and its storing', () => {
  it('loses the grant in the rotating regime: flagged, never silent', { timeout: 120_000 }, async () => {
    const connection = await connect();
    await makeStale(connection);
    const doomed = await world.start({ haltAt: 'refresh-answered' });
    const unanswered = capabilities(doomed, connection).catch((error) => error);
    await doomed.halted('refresh-answered');
    await doomed.kill();
    expect(await unanswered).toBeInstanceOf(Error);
    // Its claim ends now and not in half a minute.
    await world.sql('update credential set refreshing_until = now() where connection_id = $1', [
      connection.connection_id,
    ]);

    // A frozen process might still store what TikTok gave it; that is waited for, and the caller is told to come back.
    expect(await refusalOf(capabilities(service, connection))).toMatchObject({
      code: 14,
      reason: 'PLATFORM_UNAVAILABLE',
    });
    const { connection_id: connectionId } = connection;
    await service.logged('TikTok no longer accepts the grant: the person has to reconnect', { connectionId });
    expect(await stateOf(connection)).toMatchObject({
      state: 'CONNECTION_STATE_RECONNECT_REQUIRED',
      reconnect_reason: { code: 'ACCOUNT_SESSION_INVALID' },
      grant_lost: true,
    });
  });
});
