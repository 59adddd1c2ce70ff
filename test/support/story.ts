import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { expect, vi } from 'vitest';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { fixtureVideo, inChunks } from './fixture-videos.ts';
import { type ErrorDetails, type GrpcClients, type Message, refusalOf } from './grpc-client.ts';
import type { Surroundings } from './service-process.ts';
import { witnessWaited } from './witness-time.ts';

export type Timestamp = { readonly seconds: string; readonly nanos: number };
export type Account = Message & { readonly open_id: string; readonly username: string };
export type PublishErrorMessage = {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly actor: string;
  readonly retryable: boolean;
  readonly retry_time: Timestamp | null;
  readonly tiktok_code: string;
  readonly tiktok_log_id: string;
};
export type Connection = Message & {
  readonly connection_id: string;
  readonly workspace_id: string;
  readonly account: Account;
  readonly state: string;
  readonly etag: string;
  readonly access_expire_time: Timestamp | null;
  readonly refresh_expire_time: Timestamp | null;
  readonly reconnect_reason: PublishErrorMessage | null;
  readonly reconnect_warning_days: number;
  readonly grant_lost: boolean;
};
export type Video = Message & {
  readonly video_id: string;
  readonly state: string;
  readonly size_bytes: string;
  readonly sha256: string;
};
export type Attempt = Message & {
  readonly number: number;
  readonly publish_id: string;
  readonly outcome: string;
  readonly bytes_sent: string;
  readonly error: PublishErrorMessage | null;
};
export type Post = Message & {
  readonly post_id: string;
  readonly connection_id: string;
  readonly video_id: string;
  readonly caption: string;
  readonly state: string;
  readonly phase: string;
  readonly hold: { readonly reason: string; readonly release_time: Timestamp | null } | null;
  readonly error: PublishErrorMessage | null;
  readonly attempts: readonly Attempt[];
  readonly publish_id: string;
  readonly tiktok_post_id: string;
  readonly etag: string;
};
export type PostEvent = {
  readonly post: Post;
  readonly previous_state: string;
  readonly resume_token: string;
  readonly event_time: Timestamp;
};

export type ConnectionEvent = {
  readonly connection: Connection;
  readonly previous_state: string;
  readonly resume_token: string;
  readonly event_time: Timestamp;
};

export const WORKSPACE = 'ws_a';

export const timestamp = (date: Date): Timestamp => ({
  seconds: String(Math.floor(date.getTime() / 1000)),
  nanos: (((date.getTime() % 1000) + 1000) % 1000) * 1e6,
});

export const dateOf = ({ seconds, nanos }: Timestamp): Date => new Date(Number(seconds) * 1000 + nanos / 1e6);

/** A person connects an account: our link, TikTok's page, TikTok's answer. */
export async function connectAccount(
  { clients, sandbox }: { readonly clients: GrpcClients; readonly sandbox: Sandbox },
  options: {
    readonly account?: string;
    readonly workspaceId?: string;
    readonly scopes?: Parameters<Sandbox['control']['consent']>[0]['scopes'];
    readonly reconnects?: string;
    readonly apiFamily?: 'API_FAMILY_OPEN' | 'API_FAMILY_BUSINESS';
  } = {},
): Promise<Connection> {
  const { account = 'glow.bakery', workspaceId = WORKSPACE, scopes, reconnects = '', apiFamily } = options;
  const { authorize_uri } = await clients.connections.StartConnection<{ authorize_uri: string }>({
    workspace_id: workspaceId,
    reconnect_connection_id: reconnects,
    ...(apiFamily === undefined ? {} : { api_family: apiFamily }),
  });
  const { state, code } = await sandbox.control.consent({
    authorizeUri: authorize_uri,
    account,
    ...(scopes === undefined ? {} : { scopes }),
  });
  const { connection } = await clients.connections.CompleteConnection<{ connection: Connection }>({ state, code });
  return connection;
}

let serial = 0;
/** Another one for each account, caption and request id of this process. */
export const unique = (prefix: string): string => `${prefix}-${process.pid}-${++serial}`;

/** An account of its own for a test that would be in the way of others, and its connection. */
export function connectNewAccount(
  story: { readonly clients: GrpcClients; readonly sandbox: Sandbox },
  properties: Omit<Parameters<Sandbox['control']['addAccount']>[0], 'username'> = {},
  options: Pick<NonNullable<Parameters<typeof connectAccount>[1]>, 'apiFamily' | 'scopes'> = {},
): Promise<Connection> {
  const username = unique('glow').replaceAll('-', '.');
  story.sandbox.control.addAccount({ username, dailyPostCap: 1_000, ...properties });
  return connectAccount(story, { ...options, account: username });
}

export async function upload(
  clients: GrpcClients,
  { file = 'vertical.mp4', workspaceId = WORKSPACE }: { readonly file?: string; readonly workspaceId?: string } = {},
): Promise<Video> {
  return uploadBytes(clients, inChunks(await fixtureVideo(file), 64 * 1024), workspaceId);
}

export async function uploadBytes(
  clients: GrpcClients,
  bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  workspaceId = WORKSPACE,
): Promise<Video> {
  const { video } = await clients.upload({ workspace_id: workspaceId }, bytes);
  return video as Video;
}

/** What every post needs. */
export const aPost = (connection: Pick<Connection, 'connection_id'>, video: Pick<Video, 'video_id'>) => ({
  workspace_id: WORKSPACE,
  connection_id: connection.connection_id,
  video_id: video.video_id,
  destination: 'tiktok',
  caption: unique('A caption'),
  request_id: unique('request'),
  settings: { privacy_level: 'PRIVACY_LEVEL_SELF_ONLY' as string, draft: false },
});

export async function publish(clients: GrpcClients, request: object): Promise<Post> {
  const { post } = await clients.posts.PublishPost<{ post: Post }>(request);
  return post;
}

export async function getPost(clients: GrpcClients, postId: string): Promise<Post> {
  const { post } = await clients.posts.GetPost<{ post: Post }>({ post_id: postId });
  return post;
}

export const ENDED = new Set([
  'POST_STATE_PUBLISHED',
  'POST_STATE_IN_CREATOR_INBOX',
  'POST_STATE_FAILED',
  'POST_STATE_UNCONFIRMED',
  'POST_STATE_CANCELLED',
]);

type Waiting = {
  readonly workspaceId?: string;
  readonly withinSeconds?: number;
  /** Called after each change that is not yet the wanted one. */
  readonly meanwhile?: (post: Post) => Promise<unknown>;
};

/** Waits on WatchPosts until the post is as wanted. Throws when it ended otherwise. Gives it with its attempts. */
export async function postThat(
  clients: GrpcClients,
  postId: string,
  wanted: string | ((post: Post) => boolean),
  { workspaceId = WORKSPACE, withinSeconds = 45, meanwhile }: Waiting = {},
): Promise<Post> {
  const fits = typeof wanted === 'string' ? ({ state }: Post) => state === `POST_STATE_${wanted}` : wanted;
  const watch = await clients.watch(
    { workspace_id: workspaceId, post_ids: [postId] },
    { deadlineMilliseconds: withinSeconds * 1000 },
  );
  try {
    for (let post = await getPost(clients, postId); ; ) {
      if (fits(post)) return await getPost(clients, postId);
      if (ENDED.has(post.state)) {
        throw new Error(`post ${postId} ended as ${JSON.stringify(await getPost(clients, postId), null, 2)}`);
      }
      await meanwhile?.(post);
      try {
        ({ post } = (await watch.next<{ event: PostEvent }>()).event);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === status.DEADLINE_EXCEEDED)) throw error;
        const seen = JSON.stringify(await getPost(clients, postId), null, 2);
        throw new Error(`post ${postId} did not get there within ${withinSeconds} s:\n${seen}`, { cause: error });
      }
    }
  } finally {
    watch.cancel();
  }
}

/**
 * As `postThat`, but back-offs and pauses between polls end at once: nobody waits minutes for them here. Only the state that was seen is
 * hurried on: the wanted one may have come in the meantime, and is to stay.
 */
export const postThatHurries = (
  { clients, sql }: { readonly clients: GrpcClients; readonly sql: Surroundings['sql'] },
  postId: string,
  wanted: Parameters<typeof postThat>[2],
  waiting: Waiting = {},
): Promise<Post> =>
  postThat(clients, postId, wanted, {
    ...waiting,
    meanwhile: ({ state }) => hurry({ clients, sql }, postId, state),
  });

/**
 * As `postThatHurries`, of many posts that are all to be published. Gives them in the order of their ids here. With `witnessSeconds` so much
 * time goes by for pulls, too, each time that they rest. The rows tell what changed: a worker that changes nothing lets go without an event.
 */
export async function allThatHurry(
  { clients, sql }: { readonly clients: GrpcClients; readonly sql: Surroundings['sql'] },
  postIds: readonly string[],
  {
    withinSeconds = 120,
    witnessSeconds = 0,
  }: Pick<Waiting, 'withinSeconds'> & { readonly witnessSeconds?: number } = {},
): Promise<Post[]> {
  const look = () =>
    sql('select id, state, version, lease_owner, next_action_at from post where id = any($1) order by id', [postIds]);
  const deadline = Date.now() + withinSeconds * 1000;
  for (;;) {
    const rows = await look();
    const states = rows.map(({ state }) => `POST_STATE_${state}`);
    if (states.some((state) => ENDED.has(state) && state !== 'POST_STATE_PUBLISHED')) throw new Error(`${states}`);
    if (states.every((state) => state === 'POST_STATE_PUBLISHED')) break;
    const resting = await sql(
      `update post set next_action_at = now() where id in (
         select id from post where id = any($1) and lease_owner is null and next_action_at > now() order by id for update)
       returning id`,
      [postIds],
    );
    if (resting.length > 0) {
      if (witnessSeconds > 0) await witnessWaited({ sql }, postIds, witnessSeconds);
      await ring(clients);
    }
    await vi.waitUntil(async () => !isDeepStrictEqual(await look(), rows), { timeout: deadline - Date.now() });
  }
  return Promise.all(postIds.map((postId) => getPost(clients, postId)));
}

/**
 * Makes the post due now, unless a worker has it, or it is not in `state` if that is given: it waits for no turn of its account and before
 * no gate that is shut.
 */
export async function hurry(
  { clients, sql }: { readonly clients: GrpcClients; readonly sql: Surroundings['sql'] },
  postId: string,
  state?: string,
): Promise<void> {
  await sql(
    `update turn set times = '{}' from post, connection
     where post.id = $1 and connection.id = post.connection_id and turn.key like '%:' || connection.open_id`,
    [postId],
  );
  await sql('update gate set shut_until = now() where not tried');
  await sql(
    `update post set next_action_at = now(), turn_time = null
     where id = $1 and lease_owner is null and next_action_at is not null and ($2::text is null or 'POST_STATE_' || state = $2)`,
    [postId, state ?? null],
  );
  await ring(clients);
}

/** The leases of a process that was killed end now, and not within the minute. */
export const endLeases = ({ sql }: Pick<Surroundings, 'sql'>) =>
  sql(`update post set next_action_at = now() where id in (
    select id from post where lease_owner is not null order by id for update)`);

/**
 * Rings the engine of this process: it looks for work at once and not at its next sweep. (The repeated import of an address
 * that leads nowhere changes nothing, and rings.)
 */
export const ring = (clients: GrpcClients): Promise<unknown> =>
  clients.videos.ImportVideo({ workspace_id: 'ws_bell', uri: 'https://bell.invalid/video.mp4', request_id: 'bell' });

/** The judge's word: this post is on TikTok once, with these bytes, and no other try got a byte. */
export function publishedOnce(sandbox: Sandbox, post: Post, video: Pick<Video, 'sha256'>): void {
  const ledger = sandbox.control.ledger();
  expect(ledger.duplicates).toEqual([]);
  const real = ledger.posts.filter(({ title }) => title === post.caption);
  expect(real.map(({ publishId, sha256 }) => ({ publishId, sha256 }))).toEqual([
    { publishId: post.publish_id, sha256: video.sha256 },
  ]);
  const others = ledger.inits.filter(({ title, publishId }) => title === post.caption && publishId !== post.publish_id);
  const bytes = others.map(
    ({ publishId }) => ledger.uploads.find((each) => each.publishId === publishId)?.receivedBytes,
  );
  expect(bytes).toEqual(others.map(() => 0));
}

const protoFolder = fileURLToPath(new URL('../../proto/', import.meta.url));

/** Every method of a service of the contract, as the `.proto` files have them. */
export function methodsOf(service: string): readonly string[] {
  const files = ['connection', 'video', 'post', 'analytics'].map((name) => `glowtify/tiktok/v1/${name}_service.proto`);
  const found = loadSync(files, { includeDirs: [protoFolder] })[`glowtify.tiktok.v1.${service}`];
  if (found === undefined) throw new Error(`the contract has no ${service}`);
  return Object.keys(found).sort();
}

/** The clients, and which methods were called through them. */
export function recorded(clients: GrpcClients): {
  readonly clients: GrpcClients;
  readonly called: ReadonlySet<string>;
} {
  const called = new Set<string>();
  const recording = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(methods, name, receiver) {
        if (typeof name === 'string' && /^[A-Z]/.test(name)) called.add(name);
        return Reflect.get(methods, name, receiver);
      },
    });
  const note = <F extends (...given: never[]) => unknown>(name: string, call: F): F =>
    ((...given: Parameters<F>) => {
      called.add(name);
      return call(...given);
    }) as F;
  return {
    clients: {
      ...clients,
      connections: recording(clients.connections),
      videos: recording(clients.videos),
      posts: recording(clients.posts),
      analytics: recording(clients.analytics),
      upload: note('UploadVideo', clients.upload),
      openUpload: note('UploadVideo', clients.openUpload),
      watch: note('WatchPosts', clients.watch),
      watchConnections: note('WatchConnections', clients.watchConnections),
    },
    called,
  };
}

/** What the call was refused with, after what is true of every refusal was checked (AIP-193). */
export async function refused(call: Promise<unknown>): Promise<ErrorDetails> {
  const details = await refusalOf(call);
  expect(details.errorInfos).toHaveLength(1);
  expect(details.errorInfos[0]).toMatchObject({
    domain: 'tiktok.glowtify',
    reason: expect.stringMatching(/^[A-Z_]+$/),
  });
  expect(details.message).not.toBe('');
  expect(details.localizedMessage).toEqual({ locale: 'en', message: details.message });
  // These two speak of the caller's own login, which nothing here is about.
  expect([status.PERMISSION_DENIED, status.UNAUTHENTICATED]).not.toContain(details.code);
  if (details.code === status.FAILED_PRECONDITION) expect(details.preconditions).toHaveLength(1);
  for (const { field, description, reason, localized_message } of details.violations) {
    expect({ field, description, reason }).toEqual({
      field: expect.stringMatching(/^[a-z]/),
      description: expect.stringMatching(/Seen: .*Limit: /),
      reason: expect.stringMatching(/^[A-Z_]+$/),
    });
    expect(localized_message?.message).not.toBe('');
  }
  return details;
}

/** Field and reason of each violation. */
export const fieldsOf = ({ violations }: ErrorDetails): readonly string[] =>
  violations.map(({ field, reason }) => `${field} ${reason}`);

/** An id is unknown; another is somebody else's. Nobody can tell which is which. */
export async function indistinguishable(
  call: (id: string) => Promise<unknown>,
  { foreign, missing }: { readonly foreign: string; readonly missing: string },
): Promise<void> {
  const [ofForeign, ofMissing] = await Promise.all([refused(call(foreign)), refused(call(missing))]);
  expect(ofForeign).toMatchObject({ code: status.NOT_FOUND, reason: 'NOT_FOUND' });
  expect(JSON.parse(JSON.stringify(ofForeign).replaceAll(foreign, missing))).toEqual(
    JSON.parse(JSON.stringify(ofMissing)),
  );
}
