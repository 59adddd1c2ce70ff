import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DescField, DescMessage, DescMethod, MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { AnalyticsService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_service_pb.js';
import { ConnectionState } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_pb.js';
import { ConnectionService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PrivacyLevel } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_pb.js';
import { PostService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/video_service_pb.js';
import { ErrorInfoSchema } from '../../../src/adapters/rpc/gen/google/rpc/error_details_pb.js';
import { anAuthority } from '../../support/certificates.ts';
import { realService, type ServiceProcess, type Surroundings } from '../../support/service-process.ts';
import { aPost, connectAccount, publish, unique, upload } from '../../support/story.ts';
import { anIssuer, digestOf, trusted } from '../../support/tokens-of-callers.ts';

/** What a workspace has of its own. */
type Belongings = {
  readonly workspaceId: string;
  readonly connectionId: string;
  readonly videoId: string;
  readonly postId: string;
  /** Of a video of that account, which was posted otherwise. */
  readonly tiktokPostId: string;
  /** Of the post. */
  readonly etag: string;
  /** Of an authorization that was begun. */
  readonly state: string;
  readonly code: string;
  readonly pageTokens: Readonly<Record<string, string>>;
  readonly resumeTokens: Readonly<Record<string, string>>;
};

type AnyMethod = DescMethod & { readonly localName: string };
const SERVICES = [ConnectionService, VideoService, PostService, AnalyticsService] as const;
const METHODS = SERVICES.flatMap(({ methods }): readonly AnyMethod[] => methods);
type Rpc = keyof (typeof ConnectionService.method &
  typeof VideoService.method &
  typeof PostService.method &
  typeof AnalyticsService.method);

const soon = () => ({ seconds: BigInt(Math.floor(Date.now() / 1000) + 86_400), nanos: 0 });

/**
 * A request for each RPC that is right in every way, for whoever owns these belongings. A new RPC has to be added here, or this
 * does not compile.
 */
const REQUESTS: Readonly<Record<Rpc, (own: Belongings) => object>> = {
  startConnection: ({ workspaceId, connectionId }) => ({ workspaceId, reconnectConnectionId: connectionId }),
  completeConnection: ({ state, code }) => ({ state, code }),
  getConnection: ({ workspaceId, connectionId }) => ({ workspaceId, connectionId }),
  listConnections: ({ workspaceId }) => ({ workspaceId, pageSize: 1 }),
  refreshConnection: ({ workspaceId, connectionId }) => ({ workspaceId, connectionId }),
  disconnectConnection: ({ workspaceId, connectionId }) => ({ workspaceId, connectionId }),
  getPublishingCapabilities: ({ workspaceId, connectionId }) => ({ workspaceId, connectionId }),
  uploadVideo: ({ workspaceId }) => ({ payload: { case: 'metadata', value: { workspaceId } } }),
  importVideo: ({ workspaceId }) => ({ workspaceId, uri: 'https://bell.invalid/a.mp4', requestId: unique('request') }),
  getVideo: ({ workspaceId, videoId }) => ({ workspaceId, videoId }),
  listVideos: ({ workspaceId }) => ({ workspaceId, pageSize: 1 }),
  deleteVideo: ({ workspaceId, videoId }) => ({ workspaceId, videoId }),
  publishPost: ({ workspaceId, connectionId, videoId }) => ({
    workspaceId,
    connectionId,
    requestId: unique('request'),
    destination: 'tiktok',
    caption: 'A caption',
    video: { case: 'videoId', value: videoId },
    scheduleTime: soon(),
    settings: { privacyLevel: PrivacyLevel.SELF_ONLY },
  }),
  getPost: ({ workspaceId, postId }) => ({ workspaceId, postId }),
  listPosts: ({ workspaceId }) => ({ workspaceId, pageSize: 1 }),
  updatePost: ({ workspaceId, postId, etag }) => ({
    workspaceId,
    post: { postId, caption: 'Another caption' },
    updateMask: { paths: ['caption'] },
    etag,
    validateOnly: true,
  }),
  cancelPost: ({ workspaceId, postId }) => ({ workspaceId, postId }),
  retryPost: ({ workspaceId, postId }) => ({ workspaceId, postId, requestId: unique('request') }),
  reconcilePost: ({ workspaceId, postId }) => ({ workspaceId, postId }),
  watchPosts: ({ workspaceId, resumeTokens }) => ({ workspaceId, resumeToken: resumeTokens['watchPosts'] }),
  watchConnections: ({ workspaceId, resumeTokens }) => ({
    workspaceId,
    resumeToken: resumeTokens['watchConnections'],
  }),
  getPostMetrics: ({ workspaceId, postId }) => ({ workspaceId, postId }),
  listPostMetrics: ({ workspaceId }) => ({ workspaceId, pageSize: 1 }),
  listPostMetricSnapshots: ({ workspaceId, connectionId, tiktokPostId }) => ({
    workspaceId,
    connectionId,
    tiktokPostId,
    pageSize: 1,
  }),
  getAccountMetrics: ({ workspaceId, connectionId }) => ({ workspaceId, connectionId }),
};

/** What each field that names something of somebody's is filled with. */
const NAMES: Readonly<Record<string, (of: Belongings, rpc: string) => string>> = {
  workspace_id: ({ workspaceId }) => workspaceId,
  connection_id: ({ connectionId }) => connectionId,
  connection_ids: ({ connectionId }) => connectionId,
  reconnect_connection_id: ({ connectionId }) => connectionId,
  video_id: ({ videoId }) => videoId,
  video_ids: ({ videoId }) => videoId,
  post_id: ({ postId }) => postId,
  post_ids: ({ postId }) => postId,
  tiktok_post_id: ({ tiktokPostId }) => tiktokPostId,
  state: ({ state }) => state,
  page_token: ({ pageTokens }, rpc) => pageTokens[rpc] ?? 'no page token of this list',
  resume_token: ({ resumeTokens }, rpc) => resumeTokens[rpc] ?? 'no resume token of this watch',
};

/** What was never there, of the same shape. */
const NOWHERE: Belongings = {
  workspaceId: 'ws_nowhere',
  connectionId: 'conn_00000000000000000000000000',
  videoId: 'vid_00000000000000000000000000',
  postId: 'post_00000000000000000000000000',
  tiktokPostId: '7000000000000000000',
  etag: '1',
  state: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  code: 'code',
  pageTokens: {
    listConnections: 'bm93aGVyZQ',
    listVideos: 'bm93aGVyZQ',
    listPosts: 'bm93aGVyZQ',
    listPostMetrics: 'bm93aGVyZQ',
    listPostMetricSnapshots: 'bm93aGVyZQ',
  },
  resumeTokens: { watchPosts: 'bm93aGVyZQ', watchConnections: 'bm93aGVyZQ' },
};

type Place = {
  readonly rpc: Rpc;
  readonly method: AnyMethod;
  readonly path: readonly string[];
  readonly list: boolean;
};
const nameOf = ({ rpc, path }: Pick<Place, 'rpc' | 'path'>): string => `${rpc} ${path.join('.')}`;

/** Every field of a request that names something, however deep. What is only ever read from answers counts too: it can be sent. */
function placesIn(
  message: DescMessage,
  path: readonly string[] = [],
  seen: readonly DescMessage[] = [],
): Omit<Place, 'rpc' | 'method'>[] {
  if (seen.includes(message)) return [];
  return message.fields.flatMap((field: DescField) => {
    const here = [...path, field.name];
    if (field.message !== undefined && field.fieldKind === 'message') {
      return placesIn(field.message, here, [...seen, message]);
    }
    const named = NAMES[field.name] !== undefined && (field.fieldKind === 'scalar' || field.fieldKind === 'list');
    return named && field.scalar !== undefined ? [{ path: here, list: field.fieldKind === 'list' }] : [];
  });
}

const PLACES: readonly Place[] = METHODS.flatMap((method) =>
  placesIn(method.input).map((place) => ({ ...place, rpc: method.localName as Rpc, method })),
);

/** NOT_FOUND unless it is said here: a new field has to answer so, or say what it does. */
const OTHERWISE: Readonly<Record<string, 'UNUSED' | 'INVALID' | 'FILTERED'>> = {
  // An unknown state and a token that isn't ours are wrong in themselves.
  'completeConnection state': 'INVALID',
  'listConnections page_token': 'INVALID',
  'listVideos page_token': 'INVALID',
  'listPosts page_token': 'INVALID',
  'listPostMetrics page_token': 'INVALID',
  'listPostMetricSnapshots page_token': 'INVALID',
  // It names the video in a second way; TEN-01 below names it in this one.
  'listPostMetricSnapshots post_id': 'INVALID',
  // One more condition beside the workspace.
  'listPosts connection_ids': 'FILTERED',
  'listPostMetrics connection_ids': 'FILTERED',
  'watchConnections connection_ids': 'FILTERED',
  'watchConnections resume_token': 'FILTERED',
  'watchPosts connection_ids': 'FILTERED',
  'watchPosts post_ids': 'FILTERED',
  'watchPosts resume_token': 'FILTERED',
  // A post as it was read may be sent back; only what the mask names is looked at.
  'updatePost post.workspace_id': 'UNUSED',
  'updatePost post.connection_id': 'UNUSED',
  'updatePost post.video_id': 'UNUSED',
  'updatePost post.tiktok_post_id': 'UNUSED',
};
const expectationOf = (place: Place) => OTHERWISE[nameOf(place)] ?? 'NOT_FOUND';

/** The request with this place filled from elsewhere. */
function filled({ rpc, method, path, list }: Place, own: Belongings, other: Belongings): object {
  const request = structuredClone(REQUESTS[rpc](own)) as Record<string, unknown>;
  let message: DescMessage = method.input;
  let target = request;
  for (const [depth, name] of path.entries()) {
    const field = message.fields.find((each) => each.name === name);
    if (field === undefined) throw new Error(`${method.name} has no ${path.join('.')}`);
    const last = depth === path.length - 1;
    const value = NAMES[name]?.(other, rpc);
    if (field.oneof !== undefined) {
      const filling = target[field.oneof.localName] as { case: string; value: Record<string, unknown> } | undefined;
      const chosen = last
        ? { case: field.localName, value }
        : filling?.case === field.localName
          ? filling
          : { case: field.localName, value: {} };
      target[field.oneof.localName] = chosen;
      target = chosen.value as Record<string, unknown>;
    } else if (last) {
      target[field.localName] = list ? [value] : value;
    } else {
      target[field.localName] ??= {};
      target = target[field.localName] as Record<string, unknown>;
    }
    if (field.message !== undefined) message = field.message;
  }
  return request;
}

/** What a caller is told: an answer, or a refusal in all of its words but the id it asked for. */
type Told = { readonly answer: unknown } | { readonly code: string; readonly reason: string; readonly words: string };

async function call(transport: Transport, { method }: Pick<Place, 'method'>, request: object): Promise<Told> {
  try {
    if (method.methodKind === 'unary') {
      const { message } = await transport.unary(method as never, undefined, 20_000, undefined, request as never);
      return { answer: message };
    }
    const ending = new AbortController();
    const sent = (async function* () {
      yield request as MessageInitShape<DescMessage>;
    })();
    const { message } = await transport.stream(method as never, ending.signal, 20_000, undefined, sent as never);
    for await (const first of message) {
      ending.abort();
      return { answer: first };
    }
    return { answer: undefined };
  } catch (error) {
    const refusal = ConnectError.from(error);
    const [info] = refusal.findDetails(ErrorInfoSchema);
    return { code: Code[refusal.code], reason: info?.reason ?? 'NONE', words: refusal.message };
  }
}

const saying =
  (key: string): Interceptor =>
  (next) =>
  (request) => {
    request.header.set('authorization', `Bearer ${key}`);
    return next(request);
  };

const makeService = realService();
let surroundings: Surroundings;
let guarded: ServiceProcess;
let mine: Belongings;
let theirs: Belongings;
/** Acts in one workspace, in two that are not theirs, in theirs. */
let callers: Record<'one' | 'two' | 'them', Transport>;

const issuer = await anIssuer();

const FILE = {
  jwt: [trusted({ keys: [issuer.publicJwk] })],
  callers: [
    { name: 'one', key_sha256: digestOf('key-one'), workspaces: ['ws_mine'], roles: ['admin'] },
    { name: 'two', key_sha256: digestOf('key-two'), workspaces: ['ws_spare', 'ws_mine'], roles: ['admin'] },
    { name: 'them', key_sha256: digestOf('key-them'), workspaces: ['ws_theirs'], roles: ['admin'] },
  ],
};

beforeAll(async () => {
  surroundings = await makeService();
  const open = await surroundings.start();
  const file = join(surroundings.dataDir, 'callers.json');
  await writeFile(file, JSON.stringify(FILE));
  guarded = await surroundings.start({ environment: { CALLERS_FILE: file } });
  const transportOf = (key: string) =>
    createGrpcTransport({
      baseUrl: `http://127.0.0.1:${guarded.environment['RPC_PORT']}`,
      interceptors: [saying(key)],
    });
  callers = { one: transportOf('key-one'), two: transportOf('key-two'), them: transportOf('key-them') };
  theirs = await belongingsOf(open, 'ws_theirs', callers.them);
  mine = await belongingsOf(open, 'ws_mine', callers.one);
  await open.stop();
});

/** Two of everything, so that every list has a second page. */
async function belongingsOf({ clients }: ServiceProcess, workspaceId: string, as: Transport): Promise<Belongings> {
  const { sandbox } = surroundings;
  const watches = {
    watchPosts: await clients.watch({ workspace_id: workspaceId }),
    watchConnections: await clients.watchConnections({ workspace_id: workspaceId }),
  };
  const made = [];
  for (const _ of [1, 2]) {
    const username = unique('glow').replaceAll('-', '.');
    sandbox.control.addAccount({ username });
    const connection = await connectAccount({ clients, sandbox }, { account: username, workspaceId });
    const video = await upload(clients, { workspaceId });
    const post = await publish(clients, {
      ...aPost(connection, video),
      workspace_id: workspaceId,
      schedule_time: { seconds: String(soon().seconds), nanos: 0 },
    });
    made.push({
      connectionId: connection.connection_id,
      videoId: video.video_id,
      postId: post.post_id,
      etag: post.etag,
    });
  }
  const resumeTokens: Record<string, string> = {};
  for (const [rpc, watch] of Object.entries(watches)) {
    const { event } = await watch.next<{ event: { resume_token: string } }>();
    resumeTokens[rpc] = event.resume_token;
    watch.cancel();
  }
  const tiktokPostId = await collected(workspaceId, made[0]?.connectionId ?? '');
  const list = { workspaceId, pageSize: 1 };
  const begun = await createClient(ConnectionService, as).startConnection({ workspaceId });
  const { code } = await sandbox.control.consent({ authorizeUri: begun.authorizeUri, account: 'glow.bakery' });
  const [first] = made;
  if (first === undefined) throw new Error('nothing was made');
  return {
    ...first,
    workspaceId,
    tiktokPostId,
    state: begun.state,
    code,
    resumeTokens,
    pageTokens: {
      listConnections: (await createClient(ConnectionService, as).listConnections(list)).nextPageToken,
      listVideos: (await createClient(VideoService, as).listVideos(list)).nextPageToken,
      listPosts: (await createClient(PostService, as).listPosts(list)).nextPageToken,
      listPostMetrics: (await createClient(AnalyticsService, as).listPostMetrics(list)).nextPageToken,
      listPostMetricSnapshots: (
        await createClient(AnalyticsService, as).listPostMetricSnapshots({
          ...list,
          connectionId: first.connectionId,
          tiktokPostId,
        })
      ).nextPageToken,
    },
  };
}

/** Two videos that TikTok told numbers of, twice: so every list of these has a second page too. Gives the id of one. */
async function collected(workspaceId: string, connectionId: string): Promise<string> {
  const [one, other] = [unique('7551').replaceAll('-', ''), unique('7551').replaceAll('-', '')];
  for (const tiktokPostId of [one, other]) {
    const [video] = await surroundings.sql(
      `insert into measured_video (workspace_id, connection_id, tiktok_post_id, create_time, caption, numbers, details, collect_time,
         activity_time) values ($1, $2, $3, now(), 'A caption', '{}', '{"curves": {}, "breakdowns": {}}', now(), now()) returning id`,
      [workspaceId, connectionId, tiktokPostId],
    );
    await surroundings.sql(
      `insert into video_snapshot (video_id, time, views) values ($1, now() - interval '1 hour', 1), ($1, now(), 2)`,
      [video?.['id']],
    );
  }
  return one;
}

/** All that is stored of a workspace. */
async function everythingOf(workspaceId: string): Promise<readonly unknown[]> {
  const all = [];
  for (const table of ['connection', 'credential', 'video', 'post', 'pending_authorization']) {
    all.push(await surroundings.sql(`select * from ${table} where workspace_id = $1 order by 1`, [workspaceId]));
  }
  return all;
}

const withoutIds = (told: Told, ...ids: readonly string[]): Told =>
  'words' in told ? { ...told, words: ids.reduce((words, id) => words.replaceAll(id, '…'), told.words) } : told;

describe('TEN-01 what belongs to another workspace', () => {
  const perCaller = (['one', 'two'] as const).flatMap((caller) =>
    PLACES.map((place) => [nameOf(place), caller, place] as const),
  );

  it('is named by some field of every RPC, and these tests know all such fields', () => {
    expect(new Set(PLACES.map(({ rpc }) => rpc))).toEqual(new Set(METHODS.map(({ localName }) => localName)));
    expect(Object.keys(OTHERWISE).filter((name) => !PLACES.some((place) => nameOf(place) === name))).toEqual([]);
    const others = METHODS.flatMap(({ input }) => input.fields.map(({ name }) => name)).filter(
      (name) => /(_id|_ids|_token|^state)$/.test(name) && NAMES[name] === undefined,
    );
    expect(new Set(others)).toEqual(new Set(['request_id']));
  });

  it.each(perCaller)('is as good as nothing in %s, to a caller of %s', async (_, caller, place) => {
    const before = await everythingOf('ws_theirs');
    const expected = expectationOf(place);
    const isId = place.path.at(-1) !== 'workspace_id';
    // An id alone, and beside the caller's own workspace.
    for (const own of isId && place.method.input.fields.some(({ name }) => name === 'workspace_id')
      ? [mine, { ...mine, workspaceId: '' }]
      : [mine]) {
      if (own.workspaceId === '' && !OPTIONAL_WORKSPACE.has(place.rpc)) continue;
      if (expected === 'FILTERED' && place.method.methodKind === 'server_streaming') continue; // below: a watch has no end
      const foreign = await call(callers[caller], place, filled(place, own, theirs));
      const missing = await call(callers[caller], place, filled(place, own, NOWHERE));
      const name = place.path.at(-1) ?? '';
      const ids = [NAMES[name]?.(theirs, place.rpc) ?? '', NAMES[name]?.(NOWHERE, place.rpc) ?? ''];
      if (expected === 'NOT_FOUND') expect(foreign).toMatchObject({ code: 'NotFound', reason: 'NOT_FOUND' });
      if (expected === 'INVALID') expect(foreign).toMatchObject({ code: 'InvalidArgument' });
      if (expected === 'FILTERED')
        expect(foreign).toMatchObject({ answer: { ...nothingIn(place), nextPageToken: '' } });
      if (expected === 'UNUSED') expect(foreign).toMatchObject({ answer: { post: { workspaceId: 'ws_mine' } } });
      else expect(withoutIds(foreign, ...ids)).toEqual(withoutIds(missing, ...ids));
    }
    expect(await everythingOf('ws_theirs')).toEqual(before);
  });

  /** What a list answers that holds nothing. */
  const nothingIn = ({ method }: Place): object =>
    Object.fromEntries(
      method.output.fields.filter(({ fieldKind }) => fieldKind === 'list').map(({ localName }) => [localName, []]),
    );

  it.each(['one', 'two'] as const)('has no history by its post, to a caller of %s', async (caller) => {
    const client = createClient(AnalyticsService, callers[caller]);
    for (const postId of [theirs.postId, NOWHERE.postId]) {
      await expect(client.listPostMetricSnapshots({ postId })).rejects.toMatchObject({ code: Code.NotFound });
    }
    expect((await client.listPostMetricSnapshots({ postId: mine.postId })).snapshots).toEqual([]);
  });

  /** Those that may leave it out; the others refuse an empty one. */
  const OPTIONAL_WORKSPACE = new Set<Rpc>(
    METHODS.filter(({ input }) =>
      input.fields.some(({ name }) => ['connection_id', 'video_id', 'post_id', 'post'].includes(name)),
    )
      .map(({ localName }) => localName as Rpc)
      .filter((rpc) => rpc !== 'publishPost'),
  );

  it.each(
    METHODS.filter(
      ({ localName }) => !OPTIONAL_WORKSPACE.has(localName as Rpc) && localName !== 'completeConnection',
    ).map((method) => [method.localName as Rpc, method] as const),
  )('is not reached by leaving the workspace of %s out', async (rpc, method) => {
    const place = { rpc, method };
    for (const caller of ['one', 'two'] as const) {
      expect(await call(callers[caller], place, REQUESTS[rpc]({ ...theirs, workspaceId: '' }))).toMatchObject({
        code: 'InvalidArgument',
        reason: 'FIELD_REQUIRED',
      });
    }
  });

  it.each<[string, () => object]>([
    ['its resume token', () => ({ resumeToken: String(theirs.resumeTokens['watchPosts']) })],
    [
      'its account',
      () => ({
        resumeToken: String(theirs.resumeTokens['watchPosts']),
        connectionIds: [theirs.connectionId, mine.connectionId],
      }),
    ],
    [
      'its post',
      () => ({ resumeToken: String(theirs.resumeTokens['watchPosts']), postIds: [theirs.postId, mine.postId] }),
    ],
  ])('is not heard of in WatchPosts by %s', async (_, filter) => {
    const ending = new AbortController();
    const events = createClient(PostService, callers.one).watchPosts(
      { workspaceId: 'ws_mine', ...filter() },
      { signal: ending.signal },
    );
    // The token is older than all that was made in this workspace, and than the second post of theirs.
    for await (const { event } of events) {
      expect(event?.post?.workspaceId).toBe('ws_mine');
      if (event?.post?.postId === mine.postId) break;
    }
    ending.abort();
  });

  it.each<[string, () => object]>([
    ['its resume token', () => ({})],
    ['its account', () => ({ connectionIds: [theirs.connectionId, mine.connectionId] })],
  ])('is not heard of in WatchConnections by %s', async (_, filter) => {
    const ending = new AbortController();
    const resumeToken = String(theirs.resumeTokens['watchConnections']);
    const events = createClient(ConnectionService, callers.one).watchConnections(
      { workspaceId: 'ws_mine', resumeToken, ...filter() },
      { signal: ending.signal },
    );
    for await (const { event } of events) {
      expect(event?.connection?.workspaceId).toBe('ws_mine');
      if (event?.connection?.connectionId === mine.connectionId) break;
    }
    ending.abort();
  });
});

describe('TEN-05 an authorization', () => {
  const complete = (caller: keyof typeof callers, state: string, code: string): Promise<Told> =>
    call(callers[caller], { method: ConnectionService.method.completeConnection }, { state, code });
  const STATE_INVALID = { code: 'InvalidArgument', reason: 'STATE_INVALID' };

  async function begun(caller: keyof typeof callers, workspaceId: string, account = 'glow.bakery', reconnects = '') {
    const client = createClient(ConnectionService, callers[caller]);
    const { authorizeUri } = await client.startConnection({ workspaceId, reconnectConnectionId: reconnects });
    return surroundings.sandbox.control.consent({ authorizeUri, account });
  }

  it("is not another tenant's to end, and still its own tenant's", async () => {
    const { state, code } = await begun('them', 'ws_theirs');
    expect(await complete('one', state, code)).toMatchObject(STATE_INVALID);
    expect(await complete('two', state, code)).toMatchObject(STATE_INVALID);
    expect(await complete('them', state, code)).toMatchObject({ answer: { connection: { workspaceId: 'ws_theirs' } } });
  });

  it('ends once, by whichever way', async () => {
    const { state, code } = await begun('one', 'ws_mine');
    expect(await complete('one', state, code)).toMatchObject({ answer: { connection: { workspaceId: 'ws_mine' } } });
    expect(await complete('one', state, code)).toMatchObject(STATE_INVALID);
    const query = new URLSearchParams({ state, code });
    const page = await fetch(`${guarded.httpUrl}/oauth/tiktok/callback?${query}`);
    expect(page.status).toBe(400);
    expect(await page.text()).toContain('unknown, was used before');
  });

  it('can not be ended with a code that was used', async () => {
    const first = await begun('one', 'ws_mine');
    await complete('one', first.state, first.code);
    const second = await begun('one', 'ws_mine');
    expect(await complete('one', second.state, first.code)).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'ACCOUNT_SESSION_INVALID',
    });
  });

  it('can not mend a connection with the code of another account', async () => {
    surroundings.sandbox.control.addAccount({ username: 'swapped.code' });
    const mending = await begun('one', 'ws_mine', 'swapped.code', mine.connectionId);
    expect(await complete('one', mending.state, mending.code)).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'RECONNECT_OTHER_ACCOUNT',
    });
  });

  it('can not be ended with the code of another tenant, where the app has PKCE', async () => {
    const file = join(surroundings.dataDir, 'pkce.json');
    await writeFile(file, JSON.stringify(FILE));
    const service = await surroundings.start({ environment: { CALLERS_FILE: file, TIKTOK_PKCE: '1' } });
    const clientOf = (key: string) =>
      createClient(
        ConnectionService,
        createGrpcTransport({
          baseUrl: `http://127.0.0.1:${service.environment['RPC_PORT']}`,
          interceptors: [saying(key)],
        }),
      );
    const begin = async (key: string, workspaceId: string) => {
      const { authorizeUri } = await clientOf(key).startConnection({ workspaceId });
      return surroundings.sandbox.control.consent({ authorizeUri, account: 'glow.bakery' });
    };
    const ours = await begin('key-one', 'ws_mine');
    const others = await begin('key-them', 'ws_theirs');
    const swapped = clientOf('key-one').completeConnection({ state: ours.state, code: others.code });
    const refusal = ConnectError.from(await swapped.catch((error: unknown) => error));
    expect(refusal.code).toBe(Code.FailedPrecondition);
    expect(refusal.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: 'ACCOUNT_SESSION_INVALID' }]);

    const again = await begin('key-one', 'ws_mine');
    expect((await clientOf('key-one').completeConnection(again)).connection?.workspaceId).toBe('ws_mine');
    await service.stop();
  });

  it('keeps to the workspace it was begun for, whatever the caller may do elsewhere', async () => {
    const { state, code } = await begun('two', 'ws_spare');
    expect(await complete('two', state, code)).toMatchObject({ answer: { connection: { workspaceId: 'ws_spare' } } });
  });
});

describe('TEN-06 one TikTok account in two workspaces', () => {
  type Tenant = { readonly as: keyof typeof callers; readonly connectionId: string };

  async function linked(): Promise<readonly [Tenant, Tenant]> {
    const username = unique('shared').replaceAll('-', '.');
    surroundings.sandbox.control.addAccount({ username });
    const link = async (as: keyof typeof callers, workspaceId: string): Promise<Tenant> => {
      const client = createClient(ConnectionService, callers[as]);
      const { authorizeUri } = await client.startConnection({ workspaceId });
      const answer = await surroundings.sandbox.control.consent({ authorizeUri, account: username });
      const { connection } = await client.completeConnection(answer);
      return { as, connectionId: connection?.connectionId ?? '' };
    };
    return [await link('one', 'ws_mine'), await link('them', 'ws_theirs')];
  }

  const client = ({ as }: Tenant) => createClient(ConnectionService, callers[as]);

  it('is two connections, and neither workspace hears of the other', async () => {
    const [first, second] = await linked();
    expect(first.connectionId).not.toBe(second.connectionId);
    for (const [tenant, other] of [
      [first, second],
      [second, first],
    ] as const) {
      await client(tenant).getConnection({ connectionId: tenant.connectionId });
      await expect(client(tenant).getConnection({ connectionId: other.connectionId })).rejects.toMatchObject({
        code: Code.NotFound,
      });
      const { connections } = await client(tenant).listConnections({
        workspaceId: tenant.as === 'one' ? 'ws_mine' : 'ws_theirs',
        pageSize: 500,
      });
      const seen = connections.map(({ connectionId }) => connectionId);
      expect(seen).toContain(tenant.connectionId);
      expect(seen).not.toContain(other.connectionId);
    }
  });

  it('has a grant for each, that only its own connection refreshes', async () => {
    const [first, second] = await linked();
    const pair = ({ connectionId }: Tenant) =>
      surroundings.sql('select version, access_token from credential where connection_id = $1', [connectionId]);
    const before = await pair(second);
    // How many were spent is the ledger's to say.
    await Promise.all(
      Array.from({ length: 5 }, () => client(first).refreshConnection({ connectionId: first.connectionId })),
    );
    expect(await pair(second)).toEqual(before);
    await client(second).refreshConnection({ connectionId: second.connectionId });
    await client(first).getPublishingCapabilities({ connectionId: first.connectionId });
    const { tokens } = surroundings.sandbox.control.ledger();
    expect(tokens.filter(({ spentTwice }) => spentTwice)).toEqual([]);
  });

  it('stays connected for the one until both have ended it', async () => {
    const [first, second] = await linked();
    const revocations = () => surroundings.sandbox.control.ledger().tokens.filter(({ state }) => state === 'REVOKED');
    const before = revocations().length;
    await client(first).disconnectConnection({ connectionId: first.connectionId });
    expect(revocations()).toHaveLength(before);
    await client(second).getPublishingCapabilities({ connectionId: second.connectionId });
    expect((await client(second).getConnection({ connectionId: second.connectionId })).connection?.state).toBe(
      ConnectionState.ACTIVE,
    );
    await client(second).disconnectConnection({ connectionId: second.connectionId });
    expect(revocations().length).toBeGreaterThan(before);
  });

  it('ends for both when the person ends it, each by its own look', async () => {
    const [first, second] = await linked();
    const { connection } = await client(first).getConnection({ connectionId: first.connectionId });
    surroundings.sandbox.control.disconnectAccount(connection?.account?.username ?? '');
    for (const tenant of [first, second]) {
      await expect(client(tenant).refreshConnection({ connectionId: tenant.connectionId })).rejects.toMatchObject({
        code: Code.FailedPrecondition,
      });
      const { connection: ended } = await client(tenant).getConnection({ connectionId: tenant.connectionId });
      expect(ended?.state).toBe(ConnectionState.RECONNECT_REQUIRED);
    }
  });
});

describe('callers of a running service', () => {
  it('show themselves on the HTTP port as well', async () => {
    const post = (headers: Readonly<Record<string, string>>) =>
      fetch(`${guarded.httpUrl}/glowtify.tiktok.v1.PostService/GetPost`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ postId: mine.postId }),
      });
    expect((await post({})).status).toBe(401);
    expect((await post({ authorization: 'Bearer key-wrong' })).status).toBe(401);
    expect((await post({ authorization: 'Bearer key-them' })).status).toBe(404);
    expect((await post({ authorization: 'Bearer key-one' })).status).toBe(200);
    // A certificate is proven by TLS on the RPC port only, and never by what a header says.
    expect((await post({ 'x-forwarded-client-cert': 'Subject="CN=one"' })).status).toBe(401);
    expect((await fetch(`${guarded.httpUrl}/healthz`)).status).toBe(200);
  });

  it('TEN-01 reach all of their own: what is refused above is refused for its owner only', async () => {
    const last = ['disconnectConnection', 'cancelPost', 'deleteVideo'];
    const ordered = METHODS.toSorted((one, other) => last.indexOf(one.localName) - last.indexOf(other.localName));
    for (const method of ordered) {
      const rpc = method.localName as Rpc;
      const told = await call(callers.them, { method }, REQUESTS[rpc](theirs));
      if ('code' in told)
        expect(told, rpc).not.toMatchObject({ code: expect.stringMatching(/NotFound|Permission|Unauth/) });
    }
  });

  it('TEN-03 may bring a token, on either port', async () => {
    const forger = await anIssuer();
    const claims = { workspaces: ['ws_theirs'], roles: 'read publish' };
    const tokens = {
      good: await issuer.sign(claims),
      forged: await forger.sign(claims),
      expired: await issuer.sign({ ...claims, exp: Math.floor(Date.now() / 1000) - 60 }),
    };
    async function told(token: string, postId: string): Promise<readonly unknown[]> {
      const transport = createGrpcTransport({
        baseUrl: `http://127.0.0.1:${guarded.environment['RPC_PORT']}`,
        interceptors: [saying(token)],
      });
      const overGrpc = await call(transport, { method: PostService.method.getPost }, { postId });
      const overHttp = await fetch(`${guarded.httpUrl}/glowtify.tiktok.v1.PostService/GetPost`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ postId }),
      });
      return ['code' in overGrpc ? overGrpc.code : 'LET_IN', overHttp.status];
    }
    expect(await told(tokens.good, theirs.postId)).toEqual(['LET_IN', 200]);
    expect(await told(tokens.good, mine.postId)).toEqual(['NotFound', 404]);
    expect(await told(tokens.forged, theirs.postId)).toEqual(['Unauthenticated', 401]);
    expect(await told(tokens.expired, theirs.postId)).toEqual(['Unauthenticated', 401]);
  });

  it('are never told by their keys, nor by parts of tokens, in what the service writes', async () => {
    const token = await (await anIssuer()).sign({});
    const [header = '', payload = '', signature = ''] = token.split('.');
    const ask = (key: string) =>
      fetch(`${guarded.httpUrl}/glowtify.tiktok.v1.PostService/ListPosts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify({ workspaceId: 'ws_mine' }),
      });
    for (const key of ['key-one', 'key-them', 'key-canary', token, `${token}x`]) await ask(key);
    await guarded.logged('a caller was not let in', { detail: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
    const digests = ['key-one', 'key-them', 'key-canary'].map(digestOf);
    for (const secret of ['key-one', 'key-them', 'key-canary', header, payload, signature, ...digests]) {
      expect(guarded.output()).not.toContain(secret);
    }
  });

  it('are needed in a file that can be used: nothing starts without', async () => {
    await expect(surroundings.start({ environment: { CALLERS_FILE: '/nowhere/callers.json' } })).rejects.toThrow(
      /CALLERS_FILE=\/nowhere\/callers\.json can't be used:\n {2}- it can't be read: ENOENT/,
    );
  });

  it('TEN-04 may show a client certificate on the RPC port', async () => {
    const authority = anAuthority();
    const server = authority.issue({ subject: [['CN', 'connector']], addresses: ['127.0.0.1'] });
    const files = {
      CALLERS_FILE: JSON.stringify({
        callers: [{ name: 'desk', subject: 'CN=desk', workspaces: ['ws_mine'], roles: ['read'] }],
      }),
      RPC_TLS_CERT_FILE: server.cert,
      RPC_TLS_KEY_FILE: server.key,
      RPC_TLS_CLIENT_CA_FILE: authority.cert,
    };
    const environment: Record<string, string> = {};
    for (const [name, text] of Object.entries(files)) {
      environment[name] = join(surroundings.dataDir, name);
      await writeFile(environment[name], text);
    }
    const service = await surroundings.start({ environment });
    const clientWith = (shown: object) =>
      createClient(
        PostService,
        createGrpcTransport({
          baseUrl: `https://127.0.0.1:${service.environment['RPC_PORT']}`,
          nodeOptions: { ca: authority.cert, ...shown },
        }),
      );
    const desk = clientWith(authority.issue({ subject: [['CN', 'desk']] }));
    expect((await desk.getPost({ postId: mine.postId })).post?.postId).toBe(mine.postId);
    await expect(desk.getPost({ postId: theirs.postId })).rejects.toMatchObject({ code: Code.NotFound });
    await expect(desk.cancelPost({ postId: mine.postId })).rejects.toMatchObject({ code: Code.PermissionDenied });
    await expect(clientWith({}).getPost({ postId: mine.postId })).rejects.toThrow();
    expect(await service.stop()).toBe(0);
  });

  it('may be taken out without a restart: an open watch ends with its next event', async () => {
    const file = join(surroundings.dataDir, 'reloaded.json');
    await writeFile(file, JSON.stringify(FILE));
    const service = await surroundings.start({ environment: { CALLERS_FILE: file } });
    const transport = createGrpcTransport({
      baseUrl: `http://127.0.0.1:${service.environment['RPC_PORT']}`,
      interceptors: [saying('key-one')],
    });
    const client = createClient(PostService, transport);
    const ending = new AbortController();
    const events = client
      .watchPosts(
        { workspaceId: 'ws_mine', resumeToken: String(theirs.resumeTokens['watchPosts']) },
        { signal: ending.signal },
      )
      [Symbol.asyncIterator]();
    expect((await events.next()).done).toBe(false);

    await rm(file);
    await service.logged('the changed callers file is refused; those of before go on');
    await client.listPosts({ workspaceId: 'ws_mine' });

    await writeFile(file, JSON.stringify({ ...FILE, callers: FILE.callers.slice(1) }));
    await service.logged('the callers were read again', { callers: 2 });
    await expect(client.listPosts({ workspaceId: 'ws_mine' })).rejects.toMatchObject({ code: Code.Unauthenticated });
    // The one left makes something happen that the one taken out would have heard of.
    await createClient(PostService, callers.two).cancelPost({ postId: mine.postId });
    await expect(
      (async () => {
        for (;;) await events.next();
      })(),
    ).rejects.toMatchObject({ code: Code.Unauthenticated });
    ending.abort();
    await service.stop();
  });
});
