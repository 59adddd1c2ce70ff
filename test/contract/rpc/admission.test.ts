import {
  Code,
  ConnectError,
  createClient,
  createConnectRouter,
  createContextValues,
  createRouterTransport,
  type Interceptor,
} from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { admission } from '../../../src/adapters/rpc/admission.ts';
import { AnalyticsService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_service_pb.js';
import { ConnectionService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PostService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/video_service_pb.js';
import { ErrorInfoSchema } from '../../../src/adapters/rpc/gen/google/rpc/error_details_pb.js';
import { Health } from '../../../src/adapters/rpc/gen/grpc/health/v1/health_pb.js';
import { ServerReflection } from '../../../src/adapters/rpc/gen/grpc/reflection/v1/reflection_pb.js';
import { ruleOf } from '../../../src/adapters/rpc/policy.ts';
import { connectorRoutes } from '../../../src/adapters/rpc/routes.ts';
import type { UseCases } from '../../../src/adapters/rpc/rpc-needs.ts';
import type { Callers } from '../../../src/application/ports/callers.ts';
import type { PostEvent } from '../../../src/application/ports/post-events.ts';
import { type Caller, type LoginRefusal, ROLES, type Role, type Workspaces } from '../../../src/domain/caller.ts';
import type { WorkspaceId } from '../../../src/domain/ids.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { aConnection, aPlan, aVideo } from './examples.ts';
import { fakeNeeds, NOW } from './fake-needs.ts';

const within = (...names: string[]): Workspaces => new Set(names as WorkspaceId[]);
const aCaller = (parts: Partial<Caller> = {}): Caller => ({
  name: 'tester',
  workspaces: within('ws_a'),
  roles: new Set(ROLES),
  ...parts,
});
const only = (caller: Caller): Callers => ({ identify: async () => ok(caller) });
const refusing = (refusal: LoginRefusal): Callers => ({ identify: async () => err(refusal) });

const transport = (answers: Partial<UseCases>, needs: Parameters<typeof fakeNeeds>[1]) =>
  createRouterTransport(connectorRoutes(fakeNeeds(answers, needs)));

async function refusalOf(call: Promise<unknown>): Promise<{ code: string; reason: string; message: string }> {
  const error = await call.catch((reason: unknown) => reason);
  if (!(error instanceof ConnectError)) throw new Error('the call was accepted');
  const [info] = error.findDetails(ErrorInfoSchema);
  return { code: Code[error.code], reason: info?.reason ?? '', message: error.rawMessage };
}

/** What this service answers to, whatever it is called. */
const HANDLERS = (() => {
  const router = createConnectRouter();
  connectorRoutes(fakeNeeds({}))(router);
  return [...new Map(router.handlers.map(({ method }) => [`${method.parent.name}/${method.name}`, method]))];
})();

async function ask(method: (typeof HANDLERS)[number][1], callers: Callers): Promise<void> {
  const messages = (async function* () {
    yield {};
  })();
  const through = transport({}, { callers });
  if (method.methodKind === 'unary') {
    await through.unary(method as never, undefined, undefined, undefined, {} as never);
  } else {
    const { message } = await through.stream(method as never, undefined, undefined, undefined, messages as never);
    for await (const _ of message) break;
  }
}
const callAny = (...call: Parameters<typeof ask>) => refusalOf(ask(...call));

const EXPECTED: Readonly<Record<string, Role | 'ANYONE'>> = {
  'ConnectionService/StartConnection': 'connect',
  'ConnectionService/CompleteConnection': 'connect',
  'ConnectionService/GetConnection': 'read',
  'ConnectionService/ListConnections': 'read',
  'ConnectionService/RefreshConnection': 'connect',
  'ConnectionService/DisconnectConnection': 'connect',
  'ConnectionService/GetPublishingCapabilities': 'read',
  'ConnectionService/WatchConnections': 'read',
  'VideoService/UploadVideo': 'publish',
  'VideoService/ImportVideo': 'publish',
  'VideoService/GetVideo': 'read',
  'VideoService/ListVideos': 'read',
  'VideoService/DeleteVideo': 'publish',
  'PostService/PublishPost': 'publish',
  'PostService/GetPost': 'read',
  'PostService/ListPosts': 'read',
  'PostService/UpdatePost': 'publish',
  'PostService/CancelPost': 'publish',
  'PostService/RetryPost': 'publish',
  'PostService/ReconcilePost': 'publish',
  'PostService/WatchPosts': 'read',
  'AnalyticsService/GetPostMetrics': 'read',
  'AnalyticsService/ListPostMetrics': 'read',
  'AnalyticsService/ListPostMetricSnapshots': 'read',
  'AnalyticsService/GetAccountMetrics': 'read',
  'Health/Check': 'ANYONE',
  'Health/List': 'ANYONE',
  'Health/Watch': 'ANYONE',
  'ServerReflection/ServerReflectionInfo': 'read',
};
const CLOSED = HANDLERS.filter(([name]) => EXPECTED[name] !== 'ANYONE');
const OPEN = HANDLERS.filter(([name]) => EXPECTED[name] === 'ANYONE');
const roleOf = (name: string): Role => {
  const role = EXPECTED[name];
  if (role === undefined || role === 'ANYONE') throw new Error(`${name} is not for callers of one role`);
  return role;
};

describe('TEN-02 every RPC this service answers to', () => {
  it('has a rule, and the one that is written down', () => {
    const rules = HANDLERS.map(([name, method]) => [name, ruleOf(method)?.role ?? 'NO RULE']);
    expect(Object.fromEntries(rules)).toEqual(EXPECTED);
  });

  it('is all of the contract', () => {
    const contract = [ConnectionService, VideoService, PostService, AnalyticsService, Health, ServerReflection].flatMap(
      ({ name, methods }) => methods.map((method) => `${name}/${method.name}`),
    );
    expect(HANDLERS.map(([name]) => name).toSorted()).toEqual(contract.toSorted());
  });

  it.each(OPEN)('%s asks nobody for a login', async (_, method) => {
    await ask(method, { identify: () => Promise.reject(new Error('a login was looked at')) });
  });

  it.each(CLOSED)('%s is for nobody we don’t know', async (_, method) => {
    expect(await callAny(method, refusing({ code: 'CREDENTIALS_MISSING' }))).toMatchObject({
      code: 'Unauthenticated',
      reason: 'CREDENTIALS_MISSING',
    });
  });

  it.each(CLOSED)('%s is for nobody without its role', async (name, method) => {
    const roles = new Set(ROLES.filter((role) => role !== EXPECTED[name] && role !== 'admin'));
    const told = await callAny(method, only(aCaller({ roles })));
    expect(told).toMatchObject({ code: 'PermissionDenied', reason: 'ROLE_MISSING' });
  });

  it.each(CLOSED)('%s is for whoever has its role, or is admin', async (name, method) => {
    for (const role of [roleOf(name), 'admin'] as const) {
      const error = await ask(method, only(aCaller({ roles: new Set([role]) }))).catch((reason: unknown) => reason);
      expect(ConnectError.from(error ?? 'answered').code).not.toBe(Code.PermissionDenied);
    }
  });

  it.each(CLOSED)('%s is for nobody without a workspace', async (_, method) => {
    const told = await callAny(method, only(aCaller({ workspaces: within() })));
    expect(told).toMatchObject({ code: 'PermissionDenied', reason: 'WORKSPACES_MISSING' });
  });

  it('is refused to everybody while nobody decided about it', async () => {
    const log = recordingLog();
    const counted: string[] = [];
    const door: Interceptor = admission({
      onRefused: (code) => counted.push(code),
      callers: only(aCaller({ workspaces: 'ALL' })),
      workspaceOf: async () => undefined,
      clock: { now: () => NOW },
      log,
    });
    const undecided = { ...PostService.method.getPost, localName: 'getSomethingNew', name: 'GetSomethingNew' };
    const call = door(() => Promise.reject(new Error('it was let through')));
    const request = {
      service: PostService,
      method: undecided,
      stream: false,
      header: new Headers(),
      contextValues: createContextValues(),
    };
    const told = await refusalOf(call(request as never));
    expect(told).toMatchObject({ code: 'PermissionDenied', reason: 'RPC_WITHOUT_RULE' });
    expect(log.lines).toHaveLength(1);
    expect(counted).toEqual(['RPC_WITHOUT_RULE']);
  });
});

describe('who is not let in', () => {
  it.each<[LoginRefusal, string]>([
    [{ code: 'CREDENTIALS_MISSING' }, 'Unauthenticated'],
    [{ code: 'CREDENTIALS_INVALID', detail: 'a secret of the log' }, 'Unauthenticated'],
    [{ code: 'CREDENTIALS_EXPIRED' }, 'Unauthenticated'],
    [{ code: 'CERTIFICATE_UNKNOWN', subject: 'CN=nobody' }, 'PermissionDenied'],
    [{ code: 'CREDENTIALS_DISAGREE', certificate: 'one', authorization: 'two' }, 'PermissionDenied'],
    [{ code: 'ISSUER_UNREACHABLE', issuer: 'https://i.example', error: new Error('10.0.0.7') }, 'Unavailable'],
  ])('is told by %j', async (refusal, code) => {
    const log = recordingLog();
    const counted: string[] = [];
    const needs = { callers: refusing(refusal), log, onRefused: (why: string) => counted.push(why) };
    const told = await refusalOf(createClient(PostService, transport({}, needs)).getPost({ postId: 'post_01' }));
    expect(counted).toEqual([refusal.code]);
    expect(told).toMatchObject({ code, reason: refusal.code });
    expect(told.message).not.toMatch(/secret of the log|10\.0\.0\.7/);
    expect(log.lines).toMatchObject([{ fields: { rpc: 'glowtify.tiktok.v1.PostService/GetPost', ...refusal } }]);
  });

  it('learns nothing of what else is wrong with the call', async () => {
    const client = createClient(PostService, transport({}, { callers: refusing({ code: 'CREDENTIALS_MISSING' }) }));
    expect((await refusalOf(client.getPost({ postId: 'post\0' }))).code).toBe('Unauthenticated');
  });
});

describe('a caller of some workspaces', () => {
  /** What the use case is asked. */
  function asking(workspaces: Workspaces, owners: Readonly<Record<string, string>> = {}) {
    const asked: object[] = [];
    const looked: string[] = [];
    const client = createClient(
      ConnectionService,
      transport(
        {
          getConnection: async (input) => {
            asked.push(input);
            return ok(aConnection());
          },
        },
        {
          callers: only(aCaller({ workspaces })),
          workspaceOf: async (resource, id) => {
            looked.push(`${resource} ${id}`);
            return owners[id] as WorkspaceId | undefined;
          },
        },
      ),
    );
    return {
      asked,
      looked,
      get: (id: string, workspaceId = '') => client.getConnection({ connectionId: id, workspaceId }),
    };
  }

  it('is kept to the only one', async () => {
    const { asked, looked, get } = asking(within('ws_a'), { conn_01: 'ws_b' });
    await get('conn_01');
    expect(asked).toEqual([{ connectionId: 'conn_01', workspaceId: 'ws_a' }]);
    expect(looked).toEqual([]);
  });

  it('is kept to the one of the resource, when it is one of them', async () => {
    const { asked, get } = asking(within('ws_a', 'ws_b'), { conn_01: 'ws_b', conn_02: 'ws_c' });
    await get('conn_01');
    await get('conn_02');
    await get('conn_03');
    expect(asked).toEqual([
      { connectionId: 'conn_01', workspaceId: 'ws_b' },
      { connectionId: 'conn_02', workspaceId: 'ws_a' },
      { connectionId: 'conn_03', workspaceId: 'ws_a' },
    ]);
  });

  it('looks nothing up by what can be no id', async () => {
    const { looked, get } = asking(within('ws_a', 'ws_b'));
    for (const id of ['', 'conn\0', 'x'.repeat(201)]) expect((await refusalOf(get(id))).code).toBe('InvalidArgument');
    expect(looked).toEqual([]);
  });

  it('is asked nothing more when it may act everywhere', async () => {
    const { asked, looked, get } = asking('ALL');
    await get('conn_01');
    expect(asked).toEqual([{ connectionId: 'conn_01' }]);
    expect(looked).toEqual([]);
  });

  it('finds nothing in another, whoever has the id', async () => {
    const { asked, looked, get } = asking(within('ws_a', 'ws_b'), { conn_01: 'ws_a' });
    expect(await refusalOf(get('conn_01', 'ws_c'))).toMatchObject({ code: 'NotFound', reason: 'NOT_FOUND' });
    expect([...asked, ...looked]).toEqual([]);
  });

  it('can not upload into another', async () => {
    const client = createClient(
      VideoService,
      transport({ uploadVideo: async () => ok(aVideo()) }, { callers: only(aCaller()) }),
    );
    const told = await refusalOf(
      client.uploadVideo(
        (async function* () {
          yield { payload: { case: 'metadata' as const, value: { workspaceId: 'ws_b' } } };
          yield { payload: { case: 'chunk' as const, value: new Uint8Array(3) } };
        })(),
      ),
    );
    expect(told).toMatchObject({ code: 'NotFound', reason: 'NOT_FOUND' });
  });
});

describe('a watch', () => {
  const event: PostEvent = { step: { post: { ...aPlan(), state: 'SCHEDULED' } }, eventTime: NOW, cursor: '1' };

  it.each<[string, Awaited<ReturnType<Callers['identify']>>, string]>([
    ['is gone', err({ code: 'CREDENTIALS_INVALID', detail: '' }), 'CREDENTIALS_INVALID'],
    ['has a token that expired', err({ code: 'CREDENTIALS_EXPIRED' }), 'CREDENTIALS_EXPIRED'],
    ['lost the role', ok(aCaller({ roles: new Set(['publish']) })), 'ROLE_MISSING'],
    ['lost the workspace', ok(aCaller({ workspaces: within('ws_b') })), 'NOT_FOUND'],
  ])('sends nothing more to a caller that %s', async (_, later, reason) => {
    let login: typeof later = ok(aCaller());
    const client = createClient(
      PostService,
      transport(
        {
          watchPosts: async () =>
            ok(
              (async function* () {
                yield event;
                login = later;
                yield event;
              })(),
            ),
        },
        { callers: { identify: async () => login } },
      ),
    );
    const seen: unknown[] = [];
    const watching = (async () => {
      for await (const each of client.watchPosts({ workspaceId: 'ws_a' })) seen.push(each);
    })();
    expect(await refusalOf(watching)).toMatchObject({ reason });
    expect(seen).toHaveLength(1);
  });
});
