import { readdirSync, watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixtureVideo, inChunks } from '../../support/fixture-videos.ts';
import { type ErrorDetails, errorDetails, type GrpcClients } from '../../support/grpc-client.ts';
import { realService, type Surroundings } from '../../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectAccount,
  dateOf,
  type Post,
  postThat,
  publish,
  refused,
  type Timestamp,
  timestamp,
  upload,
  type Video,
  WORKSPACE,
} from '../../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let clients: GrpcClients;
let connection: Connection;
let foreignConnection: Connection;
let video: Video;
let foreignVideo: Video;
let published: ReturnType<typeof aPost>;

beforeAll(async () => {
  world = await surroundings();
  ({ clients } = await world.start());
  const story = { clients, sandbox: world.sandbox };
  connection = await connectAccount(story);
  foreignConnection = await connectAccount(story, { account: 'glow.private', workspaceId: 'ws_other' });
  video = await upload(clients);
  foreignVideo = await upload(clients, { workspaceId: 'ws_other' });
  published = aPost(connection, video);
  const { post_id } = await publish(clients, published);
  await postThat(clients, post_id, 'PUBLISHED');
});

/** Everything there is: in both workspaces, on the disk, at TikTok. */
async function everything() {
  const lists = ['ws_other', WORKSPACE].map(async (workspace_id) => [
    await clients.posts.ListPosts({ workspace_id, page_size: 500 }),
    await clients.videos.ListVideos({ workspace_id, page_size: 500 }),
    await clients.connections.ListConnections({ workspace_id, page_size: 500 }),
  ]);
  const rows = await world.sql(
    `select (select count(*) from post) as posts, (select count(*) from video) as videos,
       (select count(*) from attempt) as attempts, (select count(*) from request_key) as keys,
       (select count(*) from post_event) as events`,
  );
  return {
    lists: await Promise.all(lists),
    rows,
    files: (await readdir(world.videoFolder)).sort(),
    tiktok: world.sandbox.control.ledger(),
  };
}

/** Refused, in words that a person can act on; and as if it had never been sent. */
async function refusedWithoutTrace(call: () => Promise<unknown>): Promise<ErrorDetails> {
  const before = await everything();
  const refusal = await refused(call());
  expect(await everything()).toEqual(before);
  return refusal;
}

const later = (days: number) => timestamp(new Date(Date.now() + days * 86_400_000));

type Row = {
  readonly what: string;
  /** Over a post that is fine. */
  readonly request: () => object;
  readonly code?: number;
  readonly reason: string;
  /** Path, what was seen, the limit, what to do. */
  readonly field?: string;
  readonly seen?: string;
  readonly limit?: string;
  readonly remedy: string;
};

const SELF_ONLY = { privacy_level: 'PRIVACY_LEVEL_SELF_ONLY' };

const rows: readonly Row[] = [
  {
    what: 'a connection that does not exist',
    request: () => ({ connection_id: 'conn_00000000000000000000000000' }),
    code: status.NOT_FOUND,
    reason: 'NOT_FOUND',
    remedy: 'Check the id',
  },
  {
    what: "another workspace's connection",
    request: () => ({ connection_id: foreignConnection.connection_id }),
    code: status.NOT_FOUND,
    reason: 'NOT_FOUND',
    remedy: 'Check the id',
  },
  {
    what: 'a video that does not exist',
    request: () => ({ video_id: 'vid_00000000000000000000000000' }),
    code: status.NOT_FOUND,
    reason: 'NOT_FOUND',
    remedy: 'Check the id',
  },
  {
    what: "another workspace's video",
    request: () => ({ video_id: foreignVideo.video_id }),
    code: status.NOT_FOUND,
    reason: 'NOT_FOUND',
    remedy: 'Check the id',
  },
  {
    what: 'an id that is text of somebody else',
    request: () => ({ connection_id: "'; drop table post; --" }),
    code: status.NOT_FOUND,
    reason: 'NOT_FOUND',
    remedy: 'Check the id',
  },
  {
    what: 'no workspace',
    request: () => ({ workspace_id: '' }),
    reason: 'FIELD_REQUIRED',
    field: 'workspace_id',
    seen: 'nothing',
    limit: '1 to 200 characters',
    remedy: 'Set workspace_id.',
  },
  {
    what: 'no connection',
    request: () => ({ connection_id: '' }),
    reason: 'FIELD_REQUIRED',
    field: 'connection_id',
    seen: 'nothing',
    limit: '1 to 200 characters',
    remedy: 'Set connection_id.',
  },
  {
    what: 'no request id',
    request: () => ({ request_id: '' }),
    reason: 'FIELD_REQUIRED',
    field: 'request_id',
    seen: 'nothing',
    limit: '1 to 200 characters',
    remedy: 'Set request_id.',
  },
  {
    what: 'another destination',
    request: () => ({ destination: 'instagram' }),
    reason: 'DESTINATION_UNKNOWN',
    field: 'destination',
    seen: 'instagram',
    limit: 'tiktok',
    remedy: 'Set destination to',
  },
  {
    what: 'no video',
    request: () => ({ video_id: undefined }),
    reason: 'VIDEO_REQUIRED',
    field: 'video_id',
    seen: 'nothing',
    limit: 'video_id or video_uri',
    remedy: 'Upload a video',
  },
  {
    what: 'an empty caption',
    request: () => ({ caption: '' }),
    reason: 'CAPTION_REQUIRED',
    field: 'caption',
    seen: '0 UTF-16 units',
    limit: '1 to 2200 UTF-16 units',
    remedy: 'Write a caption',
  },
  {
    what: 'a caption of blanks',
    request: () => ({ caption: ' \n\t ' }),
    reason: 'CAPTION_REQUIRED',
    field: 'caption',
    seen: '4 UTF-16 units',
    limit: '1 to 2200 UTF-16 units',
    remedy: 'Write a caption',
  },
  {
    what: 'a caption of 2201 letters',
    request: () => ({ caption: 'x'.repeat(2_201) }),
    reason: 'CAPTION_TOO_LONG',
    field: 'caption',
    seen: '2201 UTF-16 units',
    limit: 'at most 2200 UTF-16 units',
    remedy: 'Shorten it to 2200',
  },
  {
    what: 'a caption of 1101 emoji, which count two each',
    request: () => ({ caption: '🥐'.repeat(1_101) }),
    reason: 'CAPTION_TOO_LONG',
    field: 'caption',
    seen: '2202 UTF-16 units',
    limit: 'at most 2200 UTF-16 units',
    remedy: 'emoji counts two',
  },
  {
    what: 'a caption with a NUL',
    request: () => ({ caption: 'a\0b' }),
    reason: 'FIELD_INVALID',
    field: 'caption',
    seen: 'NUL',
    limit: 'without NUL',
    remedy: 'Send caption without',
  },
  {
    what: 'a schedule beyond a year',
    request: () => ({ schedule_time: later(370) }),
    reason: 'SCHEDULE_TOO_FAR',
    field: 'schedule_time',
    seen: '20',
    limit: 'at most 20',
    remedy: 'within a year',
  },
  {
    what: 'a time that is none',
    request: () => ({ schedule_time: { seconds: '1', nanos: -1 } }),
    reason: 'FIELD_INVALID',
    field: 'schedule_time',
    seen: '-1 ns',
    limit: 'years 1 to 9999',
    remedy: 'Send a valid',
  },
  {
    what: 'no privacy level',
    request: () => ({ settings: {} }),
    reason: 'PRIVACY_LEVEL_REQUIRED',
    field: 'settings.privacy_level',
    seen: 'none',
    limit: 'one privacy level',
    remedy: 'Let the person choose',
  },
  {
    what: 'no settings at all',
    request: () => ({ settings: undefined }),
    reason: 'PRIVACY_LEVEL_REQUIRED',
    field: 'settings.privacy_level',
    seen: 'none',
    limit: 'one privacy level',
    remedy: 'Let the person choose',
  },
  {
    what: 'a privacy level that nobody knows',
    request: () => ({ settings: { privacy_level: 42 } }),
    reason: 'FIELD_INVALID',
    field: 'settings.privacy_level',
    seen: '42',
    limit: 'SELF_ONLY',
    remedy: 'Send one of',
  },
  {
    what: 'private branded content',
    request: () => ({ settings: { ...SELF_ONLY, branded_content: true } }),
    reason: 'BRANDED_CONTENT_NOT_PRIVATE',
    field: 'settings.branded_content',
    seen: 'SELF_ONLY',
    limit: 'any other privacy level',
    remedy: 'wider audience',
  },
  {
    what: 'a cover behind the end',
    request: () => ({ settings: { ...SELF_ONLY, cover_timestamp: { seconds: '6', nanos: 0 } } }),
    reason: 'COVER_OUTSIDE_VIDEO',
    field: 'settings.cover_timestamp',
    seen: '6 s',
    limit: '0 s to 5 s',
    remedy: 'within the video',
  },
  {
    what: 'half a consent record',
    request: () => ({ settings: { ...SELF_ONLY, consent: { user_id: 'person' } } }),
    reason: 'FIELD_REQUIRED',
    field: 'settings.consent.declaration',
    seen: 'nothing',
    limit: 'characters',
    remedy: 'Set settings.consent.declaration',
  },
  {
    what: 'a late policy of no time',
    request: () => ({ late_policy: { max_lateness: { seconds: '0', nanos: 0 }, action: 'LATE_ACTION_FAIL' } }),
    reason: 'FIELD_INVALID',
    field: 'late_policy.max_lateness',
    seen: '0 s',
    limit: 'more than 0 s',
    remedy: 'positive length',
  },
  {
    what: 'a reference of 201 characters',
    request: () => ({ external_ref: 'r'.repeat(201) }),
    reason: 'FIELD_INVALID',
    field: 'external_ref',
    seen: '201 characters',
    limit: 'at most 200 characters',
    remedy: 'at most 200',
  },
  {
    what: '65 labels',
    request: () => ({ labels: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`l${index}`, ''])) }),
    reason: 'FIELD_INVALID',
    field: 'labels',
    seen: '65 labels',
    limit: 'at most 64',
    remedy: 'fewer labels',
  },
  {
    what: 'a label of 256 characters',
    request: () => ({ labels: { campaign: 'x'.repeat(256) } }),
    reason: 'FIELD_INVALID',
    field: 'labels.campaign',
    seen: '256 characters',
    limit: 'at most 255 characters',
    remedy: 'at most 255',
  },
  {
    what: 'an http: address',
    request: () => ({ video_id: undefined, video_uri: 'http://example.com/video.mp4' }),
    reason: 'URI_NOT_ALLOWED',
    field: 'video_uri',
    seen: 'http://example.com/video.mp4',
    limit: 'https://',
    remedy: 'public https:// address',
  },
  {
    what: 'an address of this machine',
    request: () => ({ video_id: undefined, video_uri: 'https://[::1]/video.mp4' }),
    reason: 'URI_NOT_ALLOWED',
    field: 'video_uri',
    seen: 'https://[::1]/video.mp4',
    limit: 'public internet',
    remedy: 'public https:// address',
  },
];

describe('PublishPost refuses, and nothing is stored', () => {
  it.each(rows)('$what', async ({ request, code, reason, field, seen = '', limit = '', remedy }) => {
    for (const validate_only of [false, true]) {
      const refusal = await refusedWithoutTrace(() =>
        publish(clients, { ...aPost(connection, video), ...request(), validate_only }),
      );
      expect(refusal).toMatchObject({ code: code ?? status.INVALID_ARGUMENT, reason });
      expect(refusal.message).toContain(remedy);
      if (field === undefined) continue;
      const violation = refusal.violations.find((each) => each.field === field);
      expect(violation).toMatchObject({ field, description: expect.stringContaining(remedy) });
      const [, saw = '', allowed = ''] = /Seen: (.*?)\. Limit: (.*)$/.exec(violation?.description ?? '') ?? [];
      expect(saw).toContain(seen);
      expect(allowed).toContain(limit);
    }
  });

  it('names all that is wrong at once', async () => {
    const refusal = await refusedWithoutTrace(() =>
      publish(clients, {
        ...aPost(connection, video),
        request_id: '',
        destination: '',
        caption: '',
        settings: { branded_content: true, privacy_level: 42 },
        schedule_time: later(400),
        late_policy: { action: 'LATE_ACTION_HOLD' },
      }),
    );
    expect(refusal.violations.map(({ field }) => field).sort()).toEqual([
      'caption',
      'destination',
      'late_policy.max_lateness',
      'request_id',
      'schedule_time',
      'settings.privacy_level',
    ]);
  });

  it('a request id that came with another payload', async () => {
    const others = [
      { caption: 'Another caption' },
      { video_id: video.video_id, settings: { privacy_level: 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE' } },
      { labels: { other: 'label' } },
      { schedule_time: later(1) },
      { external_ref: 'other' },
    ];
    for (const other of others) {
      expect(await refusedWithoutTrace(() => publish(clients, { ...published, ...other }))).toMatchObject({
        code: status.INVALID_ARGUMENT,
        reason: 'REQUEST_ID_REUSED',
        message: expect.stringContaining('choose a new request_id'),
        errorInfos: [{ metadata: { request_id: published.request_id } }],
      });
    }
  });

  it('a video that is too long for this very account', async () => {
    const { control } = world.sandbox;
    control.addAccount({ username: 'glow.four', maxVideoPostDurationSec: 4 });
    const four = await connectAccount({ clients, sandbox: world.sandbox }, { account: 'glow.four' });
    const refusal = await refusedWithoutTrace(() => publish(clients, aPost(four, video)));
    expect(refusal).toMatchObject({ reason: 'VIDEO_TOO_LONG' });
    expect(refusal.violations[0]?.description).toContain('Limit: at most 4 s');
  });
});

describe('What is not refused', () => {
  it('a schedule in the past means now', async () => {
    const before = Date.now();
    const accepted = await publish(clients, {
      ...aPost(connection, video),
      schedule_time: timestamp(new Date(before - 86_400_000)),
    });
    expect(dateOf(accepted['schedule_time'] as Timestamp).getTime()).toBeGreaterThanOrEqual(before - 1_000);
    const post = await postThat(clients, accepted.post_id, 'PUBLISHED');
    expect(world.sandbox.control.ledger().posts.filter(({ title }) => title === post.caption)).toHaveLength(1);
  });

  it('a caption of exactly 2200 units', async () => {
    const caption = '🥐'.repeat(1_100);
    const { post_id } = await publish(clients, { ...aPost(connection, video), caption });
    await postThat(clients, post_id, 'PUBLISHED');
    expect(world.sandbox.control.ledger().posts.some(({ title }) => title === caption)).toBe(true);
  });
});

/** Resolves when the names in the folder of videos are such. */
function folderThat(fits: (names: readonly string[]) => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => {
    if (!fits(readdirSync(world.videoFolder))) return;
    watcher.close();
    resolve();
  };
  const watcher = watch(world.videoFolder, look);
  look();
  return promise;
}

type File = {
  readonly file: string;
  readonly reason: string;
  readonly field: string;
  readonly seen: string;
  readonly limit: string;
};

const files: readonly File[] = [
  { file: 'image.jpg', reason: 'NOT_A_VIDEO', field: '', seen: '', limit: '' },
  { file: 'image.png', reason: 'NOT_A_VIDEO', field: '', seen: '', limit: '' },
  { file: 'text.txt', reason: 'NOT_A_VIDEO', field: '', seen: '', limit: '' },
  { file: 'audio.mp3', reason: 'NOT_A_VIDEO', field: '', seen: '', limit: '' },
  { file: 'audio-only.m4a', reason: 'NOT_A_VIDEO', field: '', seen: '', limit: '' },
  { file: 'truncated.mp4', reason: 'VIDEO_CORRUPT', field: '', seen: '', limit: '' },
  { file: 'truncated-index.mp4', reason: 'VIDEO_CORRUPT', field: '', seen: '', limit: '' },
  { file: 'empty.mp4', reason: 'VIDEO_CORRUPT', field: 'size_bytes', seen: '0 bytes', limit: 'at least 1 byte' },
  { file: 'silent.mp4', reason: 'VIDEO_NO_AUDIO', field: 'spec.audio_codec', seen: 'no sound', limit: 'a sound track' },
  { file: 'short-2.9s.mp4', reason: 'VIDEO_TOO_SHORT', field: 'spec.duration', seen: '2.9', limit: 'at least 3 s' },
  { file: 'long-601s.mp4', reason: 'VIDEO_TOO_LONG', field: 'spec.duration', seen: '601', limit: 'at most 600 s' },
  { file: 'fps-15.mp4', reason: 'VIDEO_FRAME_RATE', field: 'spec.frame_rate', seen: '15 fps', limit: '23 to 60 fps' },
  { file: 'small-240.mp4', reason: 'VIDEO_RESOLUTION', field: 'spec.', seen: '240 × 426', limit: '360 to 4096' },
  { file: 'av1.mp4', reason: 'VIDEO_UNSUPPORTED_CODEC', field: 'spec.video_codec', seen: 'AV1', limit: 'H.264' },
  { file: 'movie.mkv', reason: 'VIDEO_UNSUPPORTED_CONTAINER', field: 'spec.container', seen: 'MKV', limit: 'MP4' },
];

describe('UploadVideo refuses, and keeps nothing', () => {
  it.each(files)('$file', async ({ file, reason, field, seen, limit }) => {
    const refusal = await refusedWithoutTrace(() => upload(clients, { file }));
    expect(refusal).toMatchObject({ code: status.INVALID_ARGUMENT, reason });
    const violation = refusal.violations.find((each) => each.reason === reason);
    expect(violation?.field).toContain(field);
    const [, saw = '', allowed = ''] = /Seen: (.*?)\. Limit: (.*)$/.exec(violation?.description ?? '') ?? [];
    expect(saw).toContain(seen);
    expect(allowed).toContain(limit);
  });

  const good = () => fixtureVideo('vertical.mp4');
  const send = async (metadata: object, bytes: Uint8Array) =>
    clients.upload({ workspace_id: WORKSPACE, ...metadata }, inChunks(bytes, 16_384));

  it('a stream that ends before its announced size', async () => {
    const bytes = await good();
    const refusal = await refusedWithoutTrace(() => send({ size_bytes: bytes.length }, bytes.subarray(0, 50_000)));
    expect(refusal).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'VIDEO_SIZE_MISMATCH' });
    expect(refusal.violations[0]?.description).toContain('Seen: 50000 bytes. Limit: exactly 74142 bytes.');
  });

  it('a stream that goes on behind its announced size', async () => {
    const refusal = await refusedWithoutTrace(async () => send({ size_bytes: 1_000 }, await good()));
    expect(refusal).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'VIDEO_SIZE_MISMATCH' });
  });

  it('other bytes than announced', async () => {
    const refusal = await refusedWithoutTrace(async () => send({ sha256: '0'.repeat(64) }, await good()));
    expect(refusal).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'VIDEO_CHECKSUM_MISMATCH' });
    expect(refusal.violations[0]?.description).toContain(video.sha256);
  });

  it.each([
    ['no workspace', { workspace_id: '' }, 'metadata.workspace_id'],
    ['a file name of 256 characters', { file_name: 'x'.repeat(256) }, 'metadata.file_name'],
    ['a size of 0', { size_bytes: 0 }, 'metadata.size_bytes'],
    ['a size below 0', { size_bytes: -5 }, 'metadata.size_bytes'],
    ['a checksum that is none', { sha256: 'abc' }, 'metadata.sha256'],
  ])('%s', async (_, metadata, field) => {
    const refusal = await refusedWithoutTrace(async () => send(metadata, await good()));
    expect(refusal).toMatchObject({ code: status.INVALID_ARGUMENT, violations: [{ field }] });
  });

  it('more than TikTok takes, before a byte is sent', async () => {
    const refusal = await refusedWithoutTrace(async () => send({ size_bytes: 5 * 2 ** 30 }, await good()));
    expect(refusal).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'VIDEO_TOO_LARGE' });
  });

  it.each([
    ['nothing', async () => []],
    ['bytes without metadata', async () => [{ chunk: await good() }]],
    ['metadata twice', async () => [{ metadata: { workspace_id: WORKSPACE } }, { metadata: { workspace_id: 'ws_b' } }]],
    ['an empty message', async () => [{ metadata: { workspace_id: WORKSPACE } }, {}]],
    [
      'a chunk above 4 MiB',
      async () => [{ metadata: { workspace_id: WORKSPACE } }, { chunk: Buffer.alloc(4 * 2 ** 20 + 1) }],
    ],
  ])('a stream of %s', async (_, messages) => {
    const refusal = await refusedWithoutTrace(async () => {
      const call = clients.openUpload();
      for (const message of await messages()) await call.send(message);
      call.end();
      return call.answer;
    });
    expect([status.INVALID_ARGUMENT, status.RESOURCE_EXHAUSTED]).toContain(refusal.code);
  });

  it('a caller that goes away in the middle', async () => {
    const before = await everything();
    const half = (names: readonly string[]) => names.some((name) => name.endsWith('.partial'));
    const asBefore = (names: readonly string[]) => names.toSorted().join() === before.files.join();
    const call = clients.openUpload();
    const written = folderThat(half);
    await call.send({ metadata: { workspace_id: WORKSPACE } });
    await call.send({ chunk: (await good()).subarray(0, 60_000) });
    await written;
    const removed = folderThat(asBefore);
    call.cancel();
    expect(errorDetails(await call.answer.catch((error) => error)).code).toBe(status.CANCELLED);
    await removed;
    expect(await everything()).toEqual(before);
  });
});

describe('Nothing is lost by a refusal', () => {
  it('the same request id can be used once the mistake is mended', async () => {
    const request = aPost(connection, video);
    await refused(publish(clients, { ...request, caption: '' }));
    const { post, replayed } = await clients.posts.PublishPost<{ post: Post; replayed: boolean }>(request);
    expect(replayed).toBe(false);
    await postThat(clients, post.post_id, 'PUBLISHED');
  });
});
