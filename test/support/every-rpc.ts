import { expect } from 'vitest';
import type { GrpcClients, Message } from './grpc-client.ts';
import type { ServiceProcess, Surroundings } from './service-process.ts';
import {
  aPost,
  type Connection,
  type ConnectionEvent,
  connectNewAccount,
  getPost,
  hurry,
  type Post,
  type PostEvent,
  postThat,
  publish,
  refused,
  timestamp,
  unique,
  upload,
  type Video,
  WORKSPACE,
} from './story.ts';

type Listed<Name extends string, T> = Readonly<Record<Name, readonly T[]>> & { readonly next_page_token: string };

/** For all processes of one service: TikTok gives a code to the address that it was asked with. */
export const SAME_ADDRESS = { PUBLIC_URL: 'http://127.0.0.1:8080' };

/**
 * Every RPC of the contract, of two processes on one database and one store of videos: whatever one begins the other takes up, and what
 * either tells of it is the same.
 */
export async function everyRpc(
  { sandbox, sql }: Pick<Surroundings, 'sandbox' | 'sql'>,
  { clients: one }: Pick<ServiceProcess, 'clients'>,
  { clients: other }: Pick<ServiceProcess, 'clients'>,
): Promise<void> {
  await connections(sandbox, one, other);
  const connection = await connectNewAccount({ clients: one, sandbox });
  await videos(one, other);
  const video = await upload(one);
  await posts({ sandbox, sql }, one, other, connection, video);
  await analytics(one, other, connection);
  const { cancelled_post_count } = await other.connections.DisconnectConnection<Message>({
    connection_id: connection.connection_id,
  });
  expect(cancelled_post_count).toBe(0);
  expect((await connectionOf(one, connection)).state).toBe('CONNECTION_STATE_DISCONNECTED');
}

const connectionOf = async (clients: GrpcClients, { connection_id }: Pick<Connection, 'connection_id'>) =>
  (await clients.connections.GetConnection<{ connection: Connection }>({ connection_id })).connection;

async function connections(sandbox: Surroundings['sandbox'], one: GrpcClients, other: GrpcClients): Promise<void> {
  const username = unique('glow').replaceAll('-', '.');
  sandbox.control.addAccount({ username });
  const watch = await other.watchConnections({ workspace_id: WORKSPACE }, { deadlineMilliseconds: 40_000 });
  const { authorize_uri } = await one.connections.StartConnection<{ authorize_uri: string }>({
    workspace_id: WORKSPACE,
  });
  const { state, code } = await sandbox.control.consent({ authorizeUri: authorize_uri, account: username });
  const { connection } = await other.connections.CompleteConnection<{ connection: Connection }>({ state, code });
  // What was written of others just before may still be told here.
  let told: Connection;
  do ({ connection: told } = (await watch.next<{ event: ConnectionEvent }>()).event);
  while (told.connection_id !== connection.connection_id);
  watch.cancel();
  expect(await connectionOf(one, connection)).toEqual(connection);

  const { connection_id } = connection;
  await one.connections.RefreshConnection({ connection_id });
  expect(await connectionOf(other, connection)).toEqual(await connectionOf(one, connection));
  const can = await other.connections.GetPublishingCapabilities({ connection_id });
  expect(can).toMatchObject({ username, can_publish: true });
  const list = (clients: GrpcClients, page_token: string) =>
    clients.connections.ListConnections<Listed<'connections', Connection>>({
      workspace_id: WORKSPACE,
      page_size: 1,
      page_token,
    });
  await connectNewAccount({ clients: one, sandbox });
  const first = await list(one, '');
  const token = first.next_page_token;
  expect(token).not.toBe('');
  expect(await list(other, token)).toEqual(await list(one, token));
}

async function videos(one: GrpcClients, other: GrpcClients): Promise<void> {
  const uploads = [await upload(one), await upload(one)];
  for (const { video_id } of uploads) {
    expect(await other.videos.GetVideo({ video_id })).toEqual(await one.videos.GetVideo({ video_id }));
  }
  const list = (clients: GrpcClients, page_token: string) =>
    clients.videos.ListVideos<Listed<'videos', Video>>({ workspace_id: WORKSPACE, page_size: 1, page_token });
  const { next_page_token } = await list(one, '');
  expect((await list(other, next_page_token)).videos).toMatchObject([{ video_id: uploads[0]?.video_id }]);

  const request = { workspace_id: WORKSPACE, uri: 'https://nobody.invalid/a.mp4', request_id: unique('import') };
  type Imported = { readonly video: Video; readonly replayed: boolean };
  const begun = await one.videos.ImportVideo<Imported>(request);
  const { video, replayed } = await other.videos.ImportVideo<Imported>(request);
  expect([video.video_id, begun.replayed, replayed]).toEqual([begun.video.video_id, false, true]);

  const { video_id } = uploads[1] as Video;
  await other.videos.DeleteVideo({ video_id });
  expect(await refused(one.videos.GetVideo({ video_id }))).toMatchObject({ reason: 'NOT_FOUND' });
}

async function posts(
  { sandbox, sql }: Pick<Surroundings, 'sandbox' | 'sql'>,
  one: GrpcClients,
  other: GrpcClients,
  connection: Connection,
  video: Video,
): Promise<void> {
  const schedule_time = timestamp(new Date(Date.now() + 86_400_000));
  const request = { ...aPost(connection, video), schedule_time };
  const watch = await other.watch({ workspace_id: WORKSPACE }, { deadlineMilliseconds: 40_000 });
  const post = await publish(one, request);
  const { event } = await watch.next<{ event: PostEvent }>();
  expect(event.post).toMatchObject({ post_id: post.post_id, state: 'POST_STATE_SCHEDULED' });
  watch.cancel();
  const { post_id, etag } = post;
  expect(await other.posts.PublishPost(request)).toMatchObject({ post: { post_id }, replayed: true });
  expect(await getPost(other, post_id)).toEqual(await getPost(one, post_id));
  // Where a watch of the one broke off, the other goes on.
  const another = await publish(one, { ...aPost(connection, video), schedule_time });
  const resumed = await other.watch(
    { workspace_id: WORKSPACE, resume_token: event.resume_token },
    { deadlineMilliseconds: 40_000 },
  );
  expect((await resumed.next<{ event: PostEvent }>()).event.post.post_id).toBe(another.post_id);
  resumed.cancel();

  const change = (clients: GrpcClients, caption: string) =>
    clients.posts.UpdatePost({ post: { post_id, caption }, update_mask: { paths: ['caption'] }, etag });
  await change(other, 'Changed over there');
  expect(await refused(change(one, 'Changed here'))).toMatchObject({ reason: 'ETAG_MISMATCH' });
  const list = (clients: GrpcClients, page_token: string) =>
    clients.posts.ListPosts<Listed<'posts', Post>>({ workspace_id: WORKSPACE, page_size: 1, page_token });
  const page = await list(one, '');
  expect(page.posts).toMatchObject([{ post_id: another.post_id }]);
  expect((await list(other, page.next_page_token)).posts).toMatchObject([{ post_id, caption: 'Changed over there' }]);
  for (const id of [post_id, another.post_id]) {
    await other.posts.CancelPost({ post_id: id });
    expect((await getPost(one, id)).state).toBe('POST_STATE_CANCELLED');
  }

  // Refused by TikTok, mended, retried elsewhere, and retried again here by the same request.
  sandbox.control.addFault({
    endpoint: 'video_init',
    kind: 'error',
    code: 'privacy_level_option_mismatch',
    account: connection.account.username,
  });
  const refusedPost = await publish(one, aPost(connection, video));
  await postThat(other, refusedPost.post_id, 'FAILED');
  const retry = { post_id: refusedPost.post_id, request_id: unique('retry') };
  sandbox.control.addFault({ kind: 'stuck', account: connection.account.username });
  await other.posts.RetryPost(retry);
  await one.posts.RetryPost(retry);
  const sent = await postThat(one, retry.post_id, ({ phase }) => phase.endsWith('PROCESSING'), {
    meanwhile: () => hurry({ clients: one, sql }, retry.post_id),
  });
  sandbox.control.finishProcessing(sent.publish_id);
  const { post: reconciled } = await other.posts.ReconcilePost<{ post: Post }>({ post_id: retry.post_id });
  expect(reconciled.state).toBe('POST_STATE_PUBLISHED');
  expect((await getPost(one, retry.post_id)).state).toBe('POST_STATE_PUBLISHED');
  expect(sandbox.control.ledger().posts.filter(({ title }) => title === refusedPost.caption)).toHaveLength(1);
}

async function analytics(one: GrpcClients, other: GrpcClients, connection: Connection): Promise<void> {
  const { connection_id } = connection;
  const filter = { workspace_id: WORKSPACE, connection_ids: [connection_id] };
  const { posts: known } = await one.posts.ListPosts<{ posts: readonly Post[] }>(filter);
  const { post_id } = known.find(({ state }) => state === 'POST_STATE_PUBLISHED') as Post;
  for (const ask of [
    (clients: GrpcClients) => clients.analytics.GetPostMetrics({ post_id }),
    (clients: GrpcClients) => clients.analytics.ListPostMetrics(filter),
    (clients: GrpcClients) => clients.analytics.ListPostMetricSnapshots({ post_id }),
    (clients: GrpcClients) => clients.analytics.GetAccountMetrics({ connection_id }),
  ]) {
    expect(await ask(other)).toEqual(await ask(one));
  }
}
