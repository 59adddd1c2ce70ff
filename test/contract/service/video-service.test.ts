import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtureVideo, inChunks } from '../../support/fixture-videos.ts';
import type { GrpcClients } from '../../support/grpc-client.ts';
import { realService, type Surroundings } from '../../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectAccount,
  dateOf,
  fieldsOf,
  getPost,
  indistinguishable,
  methodsOf,
  postThat,
  publish,
  recorded,
  refused,
  type Timestamp,
  timestamp,
  unique,
  upload,
  type Video,
  WORKSPACE,
} from '../../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let clients: GrpcClients;
let called: ReadonlySet<string>;
let connection: Connection;
let files: FileServer;

/** Answers when the test says so. */
type FileServer = { readonly origin: string; asked(path: string): Promise<ServerResponse>; readonly server: Server };

async function fileServer(): Promise<FileServer> {
  const calls = new Map<string, PromiseWithResolvers<ServerResponse>>();
  const callOf = (path: string) => {
    const call = calls.get(path) ?? Promise.withResolvers<ServerResponse>();
    calls.set(path, call);
    return call;
  };
  const server = createServer((request, response) => callOf(request.url ?? '').resolve(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, server, asked: (path) => callOf(path).promise };
}

beforeAll(async () => {
  world = await surroundings();
  files = await fileServer();
  const service = await world.start({ environment: { IMPORT_ALLOWED_ORIGINS: files.origin } });
  ({ clients, called } = recorded(service.clients));
  connection = await connectAccount({ clients, sandbox: world.sandbox });
});

afterAll(async () => {
  files.server.closeAllConnections();
  files.server.close();
});

type Imported = { readonly video: Video; readonly replayed: boolean };
const importVideo = (request: object) =>
  clients.videos.ImportVideo<Imported>({ workspace_id: WORKSPACE, request_id: unique('import'), ...request });
const get = async ({ video_id }: Pick<Video, 'video_id'>) =>
  (await clients.videos.GetVideo<{ video: Video }>({ video_id })).video;
const storedFiles = () => readdir(world.videoFolder).catch(() => []);
const tomorrow = () => timestamp(new Date(Date.now() + 86_400_000));

describe('UploadVideo', () => {
  it('gives the stored video, as read from the file itself', async () => {
    const bytes = await fixtureVideo('vertical.mp4');
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const metadata = {
      workspace_id: WORKSPACE,
      file_name: '../../etc/My video.mov',
      size_bytes: bytes.length,
      sha256: sha256.toUpperCase(),
    };
    const { video } = (await clients.upload(metadata, inChunks(bytes))) as { video: Video };
    expect(video).toEqual({
      video_id: expect.stringMatching(/^vid_[0-9a-z]{26}$/),
      workspace_id: WORKSPACE,
      state: 'VIDEO_STATE_READY',
      spec: {
        container: 'mp4',
        video_codec: 'h264',
        audio_codec: 'aac',
        width: 540,
        height: 960,
        rotation: 0,
        frame_rate: expect.closeTo(30, 1),
        duration: { seconds: '5', nanos: expect.any(Number) },
        bit_rate: expect.stringMatching(/^\d+$/),
      },
      findings: [],
      size_bytes: String(bytes.length),
      sha256,
      create_time: expect.anything(),
      file_name: '../../etc/My video.mov',
    });
    expect(Math.abs(dateOf(video['create_time'] as Timestamp).getTime() - Date.now())).toBeLessThan(10_000);
    expect(await get(video)).toEqual(video);
    expect(await storedFiles()).toContain(video.video_id);
  });

  it('makes another video each time', async () => {
    const [first, second] = [await upload(clients), await upload(clients)];
    expect(second.video_id).not.toBe(first.video_id);
    expect(second.sha256).toBe(first.sha256);
  });

  it('warns of a video that does not fill the screen, and keeps it', async () => {
    expect(await upload(clients, { file: 'landscape.mp4' })).toMatchObject({
      state: 'VIDEO_STATE_READY',
      findings: [
        {
          code: 'VIDEO_NOT_VERTICAL',
          severity: 'SEVERITY_WARNING',
          field: 'spec.width',
          message: expect.stringMatching(/./),
          remedy: expect.stringMatching(/./),
          observed: '640 × 360 px',
          limit: expect.stringContaining('9:16'),
        },
      ],
    });
  });

  it.each([
    'vertical.mov',
    'vertical.webm',
    'vp8.webm',
    'hevc.mp4',
    'index-at-end.mp4',
    'rotated.mp4',
    'three-seconds.mp4',
  ])('takes %s', async (file) => {
    expect(await upload(clients, { file })).toMatchObject({ state: 'VIDEO_STATE_READY' });
  });
});

describe('a workspace that may store only so much', () => {
  it('is told how much it uses, and keeps nothing of what does not fit; others go on (MED-02)', async () => {
    const limit = 100_000;
    const narrow = await world.start({
      environment: { WORKSPACE_VIDEO_BYTES: String(limit) },
    });
    const [workspaceId, other] = [unique('ws-narrow'), unique('ws-other')];
    const first = await upload(narrow.clients, { workspaceId });
    const before = await storedFiles();
    const full = {
      code: status.RESOURCE_EXHAUSTED,
      reason: 'WORKSPACE_QUOTA_EXCEEDED',
      errorInfos: [{ metadata: { used_bytes: first.size_bytes, limit_bytes: String(limit) } }],
    };
    expect(await refused(upload(narrow.clients, { workspaceId }))).toMatchObject(full);
    const announced = narrow.clients.upload(
      { workspace_id: workspaceId, size_bytes: 74_142 },
      inChunks(await fixtureVideo('vertical.mp4')),
    );
    expect(await refused(announced)).toMatchObject(full);
    expect(await storedFiles()).toEqual(before);

    await upload(narrow.clients, { workspaceId: other });
    await narrow.clients.videos.DeleteVideo({ video_id: first.video_id });
    await upload(narrow.clients, { workspaceId });
    await narrow.stop();
  });
});

describe('ImportVideo', () => {
  it('fetches in the background', async () => {
    const bytes = await fixtureVideo('vertical.mp4');
    const uri = `${files.origin}/good.mp4`;
    const { video, replayed } = await importVideo({ uri });
    expect(replayed).toBe(false);
    expect(video).toMatchObject({
      video_id: expect.stringMatching(/^vid_[0-9a-z]{26}$/),
      workspace_id: WORKSPACE,
      state: 'VIDEO_STATE_IMPORTING',
      spec: null,
      findings: [],
      size_bytes: '0',
      sha256: '',
    });
    // A post that waits for it tells when it is there.
    const request = { ...aPost(connection, video), schedule_time: tomorrow() };
    const waiting = await publish(clients, request);
    expect(waiting.state).toBe('POST_STATE_PREPARING');

    (await files.asked('/good.mp4')).end(bytes);
    await postThat(clients, waiting.post_id, 'SCHEDULED');
    expect(await get(video)).toMatchObject({
      video_id: video.video_id,
      state: 'VIDEO_STATE_READY',
      spec: { width: 540, height: 960 },
      size_bytes: String(bytes.length),
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
  });

  it('rejects a file that is no video, and fails the posts that waited for it', async () => {
    const { video } = await importVideo({ uri: `${files.origin}/image.mp4` });
    const waiting = await publish(clients, aPost(connection, video));
    (await files.asked('/image.mp4')).end(await fixtureVideo('image.jpg'));
    const failed = await postThat(clients, waiting.post_id, 'FAILED');
    expect(failed).toMatchObject({
      error: { code: 'NOT_A_VIDEO', actor: 'ACTOR_USER', retryable: false, tiktok_code: '' },
      attempts: [],
    });
    expect(await get(video)).toMatchObject({
      state: 'VIDEO_STATE_REJECTED',
      findings: [{ code: 'NOT_A_VIDEO', severity: 'SEVERITY_ERROR' }],
    });
    expect(await storedFiles()).not.toContain(video.video_id);
    expect(await refused(publish(clients, aPost(connection, video)))).toMatchObject({ reason: 'NOT_A_VIDEO' });
  });

  it('rejects an address that says no', async () => {
    const { video } = await importVideo({ uri: `${files.origin}/missing.mp4` });
    const waiting = await publish(clients, aPost(connection, video));
    (await files.asked('/missing.mp4')).writeHead(404).end();
    expect(await postThat(clients, waiting.post_id, 'FAILED')).toMatchObject({ error: { code: 'VIDEO_FETCH_FAILED' } });
  });

  it('answers a repeated request with the same video, at any time and from many callers at once', async () => {
    const request = { uri: `${files.origin}/repeated.mp4`, request_id: unique('import') };
    const answers = await Promise.all(Array.from({ length: 10 }, () => importVideo(request)));
    expect(new Set(answers.map(({ video }) => video.video_id)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect((await importVideo({ ...request, workspace_id: 'ws_b' })).replayed).toBe(false);
  });

  it('refuses a request id that came with another address', async () => {
    const request_id = unique('import');
    await importVideo({ uri: `${files.origin}/one.mp4`, request_id });
    expect(await refused(importVideo({ uri: `${files.origin}/two.mp4`, request_id }))).toMatchObject({
      code: status.INVALID_ARGUMENT,
      reason: 'REQUEST_ID_REUSED',
      errorInfos: [{ metadata: { request_id } }],
    });
  });

  it.each([
    ['no address', { uri: '' }, ['uri']],
    ['an address without TLS', { uri: 'http://example.com/video.mp4' }, ['uri']],
    ['an address of this machine', { uri: 'https://127.0.0.1/video.mp4' }, ['uri']],
    ['an address of cloud metadata', { uri: 'https://169.254.169.254/latest' }, ['uri']],
    ['a file', { uri: 'file:///etc/passwd' }, ['uri']],
    ['a password in the address', { uri: 'https://user:secret@example.com/video.mp4' }, ['uri']],
    ['a long address', { uri: `https://example.com/${'x'.repeat(2000)}` }, ['uri']],
    ['no request id', { uri: 'https://example.com/video.mp4', request_id: '' }, ['request_id']],
    ['nothing at all', { workspace_id: '', uri: '', request_id: '' }, ['workspace_id', 'request_id', 'uri']],
  ])('refuses %s', async (_, request, fields) => {
    const refusal = await refused(importVideo(request));
    expect(refusal.code).toBe(status.INVALID_ARGUMENT);
    expect(refusal.violations.map(({ field }) => field)).toEqual(fields);
    expect(JSON.stringify(refusal)).not.toContain('secret');
  });
});

describe('Every RPC that names a video', () => {
  it.each(['GetVideo', 'DeleteVideo'] as const)('%s answers for a foreign one as for a missing one', async (method) => {
    const video = await upload(clients);
    await indistinguishable((id) => clients.videos[method]({ video_id: id, workspace_id: 'ws_other' }), {
      foreign: video.video_id,
      missing: 'vid_00000000000000000000000000',
    });
    expect(await get(video)).toEqual(video);
    expect(fieldsOf(await refused(clients.videos[method]({})))).toEqual(['video_id FIELD_REQUIRED']);
  });
});

describe('ListVideos', () => {
  type Page = { readonly videos: readonly Video[]; readonly next_page_token: string };
  const list = (request: object = {}) => clients.videos.ListVideos<Page>({ workspace_id: 'ws_list', ...request });
  const ids = ({ videos }: Page) => videos.map(({ video_id }) => video_id);

  let all: readonly string[];
  beforeAll(async () => {
    const made: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      made.unshift((await upload(clients, { workspaceId: 'ws_list' })).video_id);
    }
    const { video } = await importVideo({ workspace_id: 'ws_list', uri: `${files.origin}/listed.mp4` });
    all = [video.video_id, ...made];
  });

  it('lists newest first, page by page', async () => {
    expect(ids(await list())).toEqual(all);
    const first = await list({ page_size: 3 });
    expect(ids(first)).toEqual(all.slice(0, 3));
    const second = await list({ page_size: 3, page_token: first.next_page_token });
    expect(second).toMatchObject({ next_page_token: '' });
    expect(ids(second)).toEqual(all.slice(3));
  });

  it('shows no video twice when another comes between two pages', async () => {
    const workspaceId = unique('ws_moving');
    const older = [await upload(clients, { workspaceId }), await upload(clients, { workspaceId })];
    const first = await list({ workspace_id: workspaceId, page_size: 1 });
    await upload(clients, { workspaceId });
    const second = await list({ workspace_id: workspaceId, page_size: 1, page_token: first.next_page_token });
    expect([...ids(first), ...ids(second)]).toEqual(older.map(({ video_id }) => video_id).reverse());
  });

  it('lists by state, and nothing of others', async () => {
    expect(ids(await list({ states: ['VIDEO_STATE_IMPORTING'] }))).toEqual(all.slice(0, 1));
    expect(ids(await list({ states: ['VIDEO_STATE_READY', 'VIDEO_STATE_REJECTED'] }))).toEqual(all.slice(1));
    expect(ids(await list({ workspace_id: 'ws_nobody' }))).toEqual([]);
  });

  it.each([
    ['no workspace', { workspace_id: '' }, 'workspace_id FIELD_REQUIRED'],
    ['pages of 501', { page_size: 501 }, 'page_size FIELD_INVALID'],
    ['a token that is not ours', { page_token: 'abc' }, 'page_token FIELD_INVALID'],
    ['a state that nobody knows', { states: [99] }, 'states FIELD_INVALID'],
  ])('refuses %s', async (_, request, field) => {
    expect(fieldsOf(await refused(list(request)))).toEqual([field]);
  });
});

describe('DeleteVideo', () => {
  const remove = ({ video_id }: Video) => clients.videos.DeleteVideo({ video_id });

  it('removes the video and its file', async () => {
    const video = await upload(clients);
    expect(await remove(video)).toEqual({});
    expect(await refused(get(video))).toMatchObject({ code: status.NOT_FOUND });
    expect(await refused(remove(video))).toMatchObject({ code: status.NOT_FOUND });
    expect(await refused(publish(clients, aPost(connection, video)))).toMatchObject({ code: status.NOT_FOUND });
    expect(await storedFiles()).not.toContain(video.video_id);
  });

  it('refuses while a post may still need it', async () => {
    const video = await upload(clients);
    const { post_id } = await publish(clients, { ...aPost(connection, video), schedule_time: tomorrow() });
    expect(await refused(remove(video))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'VIDEO_IN_USE',
      preconditions: [{ type: 'VIDEO_IN_USE', subject: video.video_id }],
    });
    await clients.posts.CancelPost({ post_id });
    expect(await remove(video)).toEqual({});
    expect((await getPost(clients, post_id)).state).toBe('POST_STATE_CANCELLED');
  });

  it('leaves what was published', async () => {
    const video = await upload(clients);
    const { post_id } = await publish(clients, aPost(connection, video));
    await postThat(clients, post_id, 'PUBLISHED');
    expect(await remove(video)).toEqual({});
    expect(await getPost(clients, post_id)).toMatchObject({ state: 'POST_STATE_PUBLISHED', video_id: video.video_id });
  });
});

it('Every method of VideoService was called', () => {
  expect(methodsOf('VideoService').filter((method) => !called.has(method))).toEqual([]);
});
