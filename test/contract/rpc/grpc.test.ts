import { once } from 'node:events';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { connectorRoutes } from '../../../src/adapters/rpc/routes.ts';
import type { RpcNeeds, UseCases } from '../../../src/adapters/rpc/rpc-needs.ts';
import { rpcServer } from '../../../src/adapters/rpc/server.ts';
import type { ConnectionEvent } from '../../../src/application/ports/connection-events.ts';
import type { PostEvent } from '../../../src/application/ports/post-events.ts';
import type { PublishPostInput } from '../../../src/application/publish-post.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { type GrpcClients, grpcClients, refusalOf } from '../../support/grpc-client.ts';
import { call, envelope, FLAG, FRAME, frame, rawHttp2, reset } from '../../support/raw-http2.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { aConnection, anAttempt, aPlan, aVideo, CONNECTION, POST, VIDEO, WORKSPACE } from './examples.ts';
import { fakeNeeds, NOW } from './fake-needs.ts';

const running: { close(): void | Promise<void> }[] = [];
/** Where the servers of this test listen. */
const listening: string[] = [];

afterEach(async () => {
  listening.length = 0;
  for (const one of running.splice(0).reverse()) await one.close();
});

async function serve(answers: Partial<UseCases>, needs: Partial<RpcNeeds> = {}): Promise<GrpcClients> {
  const all = fakeNeeds(answers, needs);
  const server = rpcServer({
    host: '127.0.0.1',
    port: 0,
    routes: connectorRoutes(all),
    log: all.log,
    drainMilliseconds: 200,
  });
  const { address } = await server.listen();
  running.push(server);
  listening.push(address);
  const clients = grpcClients(address);
  running.push(clients);
  return clients;
}

const seconds = (time: string) => ({ seconds: String(Date.parse(`2026-03-01T${time}Z`) / 1000), nanos: 0 });

const CONNECTION_MESSAGE = {
  connection_id: 'conn_01',
  workspace_id: 'ws_a',
  destination: 'tiktok',
  api_family: 'API_FAMILY_OPEN',
  account: {
    open_id: 'open-1',
    username: 'glowtify',
    display_name: 'Glowtify',
    avatar_uri: 'https://cdn.example/a.jpg',
    profile_uri: 'https://tiktok.example/@glowtify',
    account_type: 'ACCOUNT_TYPE_UNSPECIFIED',
    follower_count: '1200',
    following_count: '3',
    likes_count: '0',
    video_count: '17',
    verified: true,
  },
  state: 'CONNECTION_STATE_ACTIVE',
  reconnect_reason: null,
  granted_scopes: ['user.info.basic', 'video.publish'],
  missing_scopes: ['user.info.profile', 'user.info.stats', 'video.list', 'video.upload'],
  access_expire_time: seconds('13:00:00'),
  refresh_expire_time: seconds('14:00:00'),
  create_time: seconds('09:00:00'),
  update_time: seconds('10:00:00'),
  etag: '4',
  sandbox: false,
  reconnect_warning_days: 0,
  grant_lost: false,
};

const VIDEO_MESSAGE = {
  video_id: 'vid_01',
  workspace_id: 'ws_a',
  state: 'VIDEO_STATE_READY',
  spec: {
    container: 'mp4',
    video_codec: 'h264',
    audio_codec: 'aac',
    width: 1080,
    height: 1350,
    rotation: 90,
    frame_rate: 29.97,
    duration: { seconds: '12', nanos: 500_000_000 },
    bit_rate: '4000000',
  },
  findings: [
    {
      code: 'VIDEO_NOT_VERTICAL',
      severity: 'SEVERITY_WARNING',
      field: 'spec.width',
      message: 'The picture is not 9:16.',
      remedy: 'Export it again.',
      observed: '1080 × 1350 px',
      limit: '9:16',
    },
  ],
  size_bytes: '5000000000',
  sha256: 'ab'.repeat(32),
  create_time: seconds('09:30:00'),
  file_name: 'clip.mp4',
};

const SCHEDULED = { ...aPlan(), state: 'SCHEDULED' } as const;
const PUBLISHED = {
  ...aPlan({ attempts: [anAttempt()], dispatchLatenessSeconds: 1.25 }),
  state: 'PUBLISHED',
  publishTime: new Date('2026-03-01T12:00:30Z'),
  tiktokPostIds: ['7300000000000000001', '7300000000000000002'],
  publiclyAvailable: true,
} as const;

const POST_MESSAGE = {
  post_id: 'post_01',
  workspace_id: 'ws_a',
  connection_id: 'conn_01',
  destination: 'tiktok',
  caption: 'Spring #sale with @friend #neu',
  hashtags: ['sale', 'neu'],
  video_id: 'vid_01',
  settings: {
    privacy_level: 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE',
    allow_comment: true,
    allow_duet: false,
    allow_stitch: true,
    cover_timestamp: { seconds: '1', nanos: 500_000_000 },
    your_brand: true,
    branded_content: false,
    ai_generated: true,
    draft: false,
    consent: { user_id: 'user-7', consent_time: seconds('08:00:00'), declaration: 'By posting you agree…' },
  },
  schedule_time: seconds('12:00:00'),
  state: 'POST_STATE_SCHEDULED',
  phase: 'PUBLISHING_PHASE_UNSPECIFIED',
  hold: null,
  error: null,
  attempts: [],
  publish_id: '',
  tiktok_post_id: '',
  share_uri: '',
  publish_time: null,
  dispatch_lateness: null,
  late_policy: { max_lateness: { seconds: '3600', nanos: 0 }, action: 'LATE_ACTION_HOLD' },
  external_ref: 'campaign-9',
  labels: { team: 'growth' },
  etag: '7',
  create_time: seconds('09:45:00'),
  update_time: seconds('12:00:30'),
  next_action_time: seconds('12:00:00'),
  sandbox: false,
  timeline: [],
  publicly_available: false,
};

const PUBLISHED_MESSAGE = {
  ...POST_MESSAGE,
  state: 'POST_STATE_PUBLISHED',
  publish_id: 'v_pub_1',
  tiktok_post_id: '7300000000000000001',
  share_uri: 'https://tiktok.example/@glowtify/video/7300000000000000001',
  publish_time: seconds('12:00:30'),
  dispatch_lateness: { seconds: '1', nanos: 250_000_000 },
  next_action_time: null,
  publicly_available: true,
};

const ATTEMPT_MESSAGE = {
  number: 1,
  start_time: seconds('12:00:01'),
  end_time: seconds('12:00:30'),
  publish_id: 'v_pub_1',
  bytes_sent: '5000000000',
  outcome: 'ATTEMPT_OUTCOME_PUBLISHED',
  error: null,
  size_bytes: '5000000000',
};

const scheduledStep = { post: SCHEDULED, nextActionTime: SCHEDULED.scheduleTime };
const findConnection = async () => aConnection();

describe('ConnectionService over gRPC', () => {
  it('starts a connection', async () => {
    const asked: unknown[] = [];
    const { connections } = await serve({
      startConnection: async (input) => {
        asked.push(input);
        return ok({ authorizeUri: 'https://tiktok.example/auth', state: 's', expireTime: NOW });
      },
    });
    const answer = await connections.StartConnection({
      workspace_id: 'ws_a',
      api_family: 'API_FAMILY_OPEN',
      return_uri: 'https://app.example/back',
      reconnect_connection_id: 'conn_01',
    });
    expect(answer).toEqual({
      authorize_uri: 'https://tiktok.example/auth',
      state: 's',
      expire_time: seconds('12:00:00'),
    });
    await connections.StartConnection({ workspace_id: 'ws_a' });
    expect(asked).toEqual([
      { workspaceId: 'ws_a', apiFamily: 'OPEN', returnUri: 'https://app.example/back', reconnects: 'conn_01' },
      { workspaceId: 'ws_a' },
    ]);
  });

  it('completes a connection', async () => {
    const asked: unknown[] = [];
    const { connections } = await serve({
      completeConnection: async (input) => {
        asked.push(input);
        return ok({ connection: aConnection(), returnUri: 'https://app.example' });
      },
    });
    expect(await connections.CompleteConnection({ state: 's', code: 'a*b!c' })).toEqual({
      connection: CONNECTION_MESSAGE,
    });
    expect(asked).toEqual([{ state: 's', answer: { code: 'a*b!c' }, workspaces: 'ALL' }]);
  });

  it('says why TikTok refused the code', async () => {
    const { connections } = await serve({
      completeConnection: async () =>
        err({
          code: 'TIKTOK_REFUSED',
          error: { code: 'ACCOUNT_SESSION_INVALID', tiktokCode: 'invalid_grant', tiktokLogId: '2026LOG' },
        }),
    });
    expect(await refusalOf(connections.CompleteConnection({ state: 's', code: 'c' }))).toMatchObject({
      code: 9,
      errorInfos: [
        {
          reason: 'ACCOUNT_SESSION_INVALID',
          domain: 'tiktok.glowtify',
          metadata: { tiktok_code: 'invalid_grant', tiktok_log_id: '2026LOG', actor: 'USER' },
        },
      ],
      preconditions: [{ type: 'ACCOUNT_SESSION_INVALID' }],
      localizedMessage: { locale: 'en' },
    });
  });

  it('sends sentences that grpc-js shows as they were written', async () => {
    const { connections } = await serve({ completeConnection: async () => err({ code: 'STATE_INVALID' }) });
    const { message } = await refusalOf(connections.CompleteConnection({ state: 's', code: 'c' }));
    expect(message).toBe(
      'This authorization is unknown, was used before, or is older than ten minutes. Begin again with connecting the account.',
    );
  });

  it('reads, refreshes and lists connections', async () => {
    const asked: unknown[] = [];
    const { connections } = await serve({
      getConnection: async (input) => {
        asked.push(input);
        return ok(aConnection());
      },
      refreshConnection: async (input) => {
        asked.push(input);
        return ok(aConnection());
      },
      listConnections: async (input) => {
        asked.push(input);
        return ok({ items: [aConnection()], next: CONNECTION });
      },
    });
    expect(await connections.GetConnection({ connection_id: 'conn_01', workspace_id: 'ws_a' })).toEqual({
      connection: CONNECTION_MESSAGE,
    });
    expect(await connections.RefreshConnection({ connection_id: 'conn_01' })).toEqual({
      connection: CONNECTION_MESSAGE,
    });
    expect(
      await connections.ListConnections({
        workspace_id: 'ws_a',
        states: ['CONNECTION_STATE_ACTIVE', 'CONNECTION_STATE_DISCONNECTED'],
        page_size: 10,
        page_token: 'token',
      }),
    ).toEqual({
      connections: [CONNECTION_MESSAGE],
      next_page_token: Buffer.from('conn_01\0ws_a').toString('base64url'),
    });
    expect(asked).toEqual([
      { connectionId: 'conn_01', workspaceId: 'ws_a' },
      { connectionId: 'conn_01' },
      { workspaceId: 'ws_a', states: ['ACTIVE', 'DISCONNECTED'], pageSize: 10, pageToken: 'token' },
    ]);
  });

  it('disconnects and counts the cancelled posts', async () => {
    const {
      accessExpireTime: _,
      refreshExpireTime: __,
      ...core
    } = aConnection() as ReturnType<typeof aConnection> & {
      accessExpireTime: Date;
      refreshExpireTime: Date;
    };
    const { connections } = await serve({
      disconnectConnection: async () => ok({ connection: { ...core, state: 'DISCONNECTED' }, cancelledPostCount: 3 }),
    });
    expect(await connections.DisconnectConnection({ connection_id: 'conn_01' })).toEqual({
      connection: {
        ...CONNECTION_MESSAGE,
        state: 'CONNECTION_STATE_DISCONNECTED',
        access_expire_time: null,
        refresh_expire_time: null,
      },
      cancelled_post_count: 3,
    });
  });

  it('tells what the account may publish, and never more than this service', async () => {
    const { connections } = await serve({
      getPublishingCapabilities: async () =>
        ok({
          connection: aConnection(),
          creator: {
            nickname: 'Glow',
            username: 'glowtify',
            privacyLevels: ['PUBLIC_TO_EVERYONE', 'SELF_ONLY'],
            commentAvailable: true,
            duetAvailable: false,
            stitchAvailable: true,
            maxVideoSeconds: 3600,
          },
          fetchTime: NOW,
        }),
    });
    expect(await connections.GetPublishingCapabilities({ connection_id: 'conn_01' })).toEqual({
      nickname: 'Glow',
      username: 'glowtify',
      avatar_uri: 'https://cdn.example/a.jpg',
      privacy_levels: ['PRIVACY_LEVEL_PUBLIC_TO_EVERYONE', 'PRIVACY_LEVEL_SELF_ONLY'],
      comment_available: true,
      duet_available: false,
      stitch_available: true,
      max_video_duration: { seconds: '600', nanos: 0 },
      can_publish: true,
      reason: null,
      fetch_time: seconds('12:00:00'),
      drafts_available: false,
      privacy_selectable: true,
      max_video_bytes: String(4 * 2 ** 30),
    });
  });

  it('tells that an account of the Business family takes smaller files, for everyone, and drafts with their permission', async () => {
    const connection = aConnection({ apiFamily: 'BUSINESS', grantedScopes: ['video.upload'] });
    const { connections } = await serve({
      getPublishingCapabilities: async () =>
        ok({ connection, reason: { code: 'ACCOUNT_DAILY_POST_CAP' }, fetchTime: NOW }),
    });
    expect(await connections.GetPublishingCapabilities({ connection_id: 'conn_01' })).toMatchObject({
      drafts_available: true,
      privacy_selectable: false,
      max_video_bytes: String(2 ** 30),
    });
  });

  it('tells why the account can not publish now', async () => {
    const { connections } = await serve({
      getPublishingCapabilities: async () =>
        ok({ connection: aConnection(), reason: { code: 'ACCOUNT_DAILY_POST_CAP' }, fetchTime: NOW }),
    });
    expect(await connections.GetPublishingCapabilities({ connection_id: 'conn_01' })).toMatchObject({
      nickname: 'Glowtify',
      can_publish: false,
      privacy_levels: [],
      max_video_duration: { seconds: '300', nanos: 0 },
      reason: { code: 'ACCOUNT_DAILY_POST_CAP', actor: 'ACTOR_USER', retryable: true },
    });
  });
});

describe('VideoService over gRPC', () => {
  const collect = (): Pick<UseCases, 'uploadVideo'> & { readonly taken: object[] } => {
    const taken: object[] = [];
    return {
      taken,
      uploadVideo: async ({ bytes, ...rest }) => {
        const chunks: Uint8Array[] = [];
        for await (const chunk of bytes) chunks.push(chunk);
        taken.push({ ...rest, content: Buffer.concat(chunks).toString() });
        return ok(aVideo());
      },
    };
  };

  it('takes an upload in, chunk by chunk', async () => {
    const { taken, uploadVideo } = collect();
    const clients = await serve({ uploadVideo });
    const answer = await clients.upload(
      { workspace_id: 'ws_a', file_name: 'clip.mp4', size_bytes: '6', sha256: 'ab'.repeat(32) },
      [Buffer.from('abc'), Buffer.alloc(0), Buffer.from('def')],
    );
    expect(answer).toEqual({ video: VIDEO_MESSAGE });
    await clients.upload({ workspace_id: 'ws_a' }, [Buffer.from('x')]);
    expect(taken).toEqual([
      { workspaceId: 'ws_a', fileName: 'clip.mp4', sizeBytes: 6, sha256: 'ab'.repeat(32), content: 'abcdef' },
      { workspaceId: 'ws_a', content: 'x' },
    ]);
  });

  it('takes chunks of exactly 4 MiB', async () => {
    const clients = await serve({
      uploadVideo: async ({ bytes }) => {
        let length = 0;
        for await (const chunk of bytes) length += chunk.length;
        return ok(aVideo({ sizeBytes: length }));
      },
    });
    const chunk = Buffer.alloc(4 * 2 ** 20, 1);
    expect(await clients.upload({ workspace_id: 'ws_a' }, [chunk, chunk])).toMatchObject({
      video: { size_bytes: String(8 * 2 ** 20) },
    });
  });

  it.each([
    ['no message at all', [], 'FIELD_REQUIRED', 'metadata'],
    ['bytes before the metadata', [{ chunk: Buffer.from('a') }], 'FIELD_REQUIRED', 'metadata'],
    [
      'a second metadata message',
      [{ metadata: { workspace_id: 'ws_a' } }, { metadata: { workspace_id: 'ws_b' } }],
      'FIELD_INVALID',
      'metadata',
    ],
    ['an empty message', [{ metadata: { workspace_id: 'ws_a' } }, {}], 'FIELD_INVALID', 'chunk'],
    [
      'a chunk over 4 MiB',
      [{ metadata: { workspace_id: 'ws_a' } }, { chunk: Buffer.alloc(4 * 2 ** 20 + 1) }],
      'FIELD_INVALID',
      'chunk',
    ],
    [
      'a negative size',
      [{ metadata: { workspace_id: 'ws_a', size_bytes: '-1' } }],
      'FIELD_INVALID',
      'metadata.size_bytes',
    ],
    [
      'a NUL in the name',
      [{ metadata: { workspace_id: 'ws_a', file_name: 'a\0b' } }],
      'FIELD_INVALID',
      'metadata.file_name',
    ],
  ])('refuses an upload with %s', async (_, messages, reason, field) => {
    const { taken, uploadVideo } = collect();
    const upload = (await serve({ uploadVideo })).openUpload();
    for (const message of messages) await upload.send(message);
    upload.end();
    expect(await refusalOf(upload.answer)).toMatchObject({
      code: 3,
      errorInfos: [{ reason, domain: 'tiktok.glowtify' }],
      violations: [{ field, reason }],
    });
    expect(taken).toEqual([]);
  });

  it('answers a refusal at once, without reading the rest', async () => {
    const clients = await serve({
      uploadVideo: async ({ bytes }) => {
        for await (const _ of bytes) break;
        return err({
          code: 'INVALID',
          findings: [
            {
              code: 'VIDEO_TOO_LARGE',
              severity: 'ERROR',
              field: 'size_bytes',
              message: 'The file is too large.',
              remedy: 'Export it smaller.',
              observed: '5 GB',
              limit: 'at most 4 GB',
            },
          ],
        });
      },
    });
    const upload = clients.openUpload();
    await upload.send({ metadata: { workspace_id: 'ws_a' } });
    await upload.send({ chunk: Buffer.alloc(1000) }); // never ended
    expect(await refusalOf(upload.answer)).toMatchObject({
      code: 3,
      reason: 'VIDEO_TOO_LARGE',
      message: 'The file is too large. Export it smaller.',
      violations: [
        {
          field: 'size_bytes',
          reason: 'VIDEO_TOO_LARGE',
          description: 'The file is too large. Seen: 5 GB. Limit: at most 4 GB. Export it smaller.',
          localized_message: { locale: 'en', message: 'The file is too large. Export it smaller.' },
        },
      ],
    });
  });

  it('goes on serving the connection after refusals that left bytes unread', async () => {
    const clients = await serve({
      uploadVideo: async () => err({ code: 'STORAGE_FULL' }),
      deleteVideo: async () => ok(undefined),
    });
    for (let round = 0; round < 120; round += 1) {
      const refused = await refusalOf(clients.upload({ workspace_id: 'ws_a' }, [Buffer.alloc(200_000)]));
      expect(refused).toMatchObject({ code: 8, reason: 'STORAGE_FULL' });
    }
    expect(await clients.videos.DeleteVideo({ video_id: 'vid_01' }, { deadlineMilliseconds: 5000 })).toEqual({});
  });

  it('keeps nothing of an upload that the caller gave up', async () => {
    const kept = new Set<string>();
    const begun = Promise.withResolvers<void>();
    const noticed = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    const log = recordingLog();
    const clients = await serve(
      {
        uploadVideo: async ({ bytes }) => {
          try {
            for await (const _ of bytes) begun.resolve();
          } catch (error) {
            over.resolve();
            throw error;
          }
          await noticed.promise; // a cancelled grpc-js stream looks whole at first: storing takes longer than that
          kept.add('vid_01');
          return ok(aVideo());
        },
        deleteVideo: async ({ videoId }) => {
          kept.delete(videoId);
          over.resolve();
          return ok(undefined);
        },
      },
      { log },
    );
    const upload = clients.openUpload();
    await upload.send({ metadata: { workspace_id: 'ws_a' } });
    await upload.send({ chunk: Buffer.from('half of it') });
    await begun.promise;
    upload.cancel();
    expect(await refusalOf(upload.answer)).toMatchObject({ code: 1 });
    await refusalOf(clients.videos.GetVideo({})); // on the same connection: whatever was sent before has arrived
    noticed.resolve();
    await over.promise;
    expect([...kept]).toEqual([]);
    expect(log.lines).toEqual([]);
  });

  it('asks for no more bytes than are stored', async () => {
    const hold = Promise.withResolvers<void>();
    const clients = await serve({
      uploadVideo: async ({ bytes }) => {
        for await (const _ of bytes) await hold.promise;
        return ok(aVideo());
      },
    });
    const upload = clients.openUpload();
    await upload.send({ metadata: { workspace_id: 'ws_a' } });
    const chunk = Buffer.alloc(2 ** 20);
    let sent = 0;
    let blocked = false;
    while (!blocked && sent < 200) {
      const room = upload.send({ chunk });
      sent += 1;
      // The other side gets every chance to read before we call it blocked.
      blocked = await Promise.race([room.then(() => false), roundTrips(clients, 50).then(() => true)]);
    }
    expect(blocked).toBe(true);
    expect(sent).toBeLessThan(40);
    hold.resolve();
    upload.end();
    expect(await upload.answer).toEqual({ video: VIDEO_MESSAGE });
  });

  const roundTrips = async (clients: GrpcClients, count: number): Promise<void> => {
    for (let round = 0; round < count; round += 1) await refusalOf(clients.videos.GetVideo({}));
  };

  it('imports, reads, lists and deletes videos', async () => {
    const asked: unknown[] = [];
    const importing = {
      id: VIDEO,
      workspaceId: WORKSPACE,
      createTime: NOW,
      state: 'IMPORTING',
      sourceUri: 'https://cdn.example/v.mp4?secret=1',
    } as const;
    const { videos } = await serve({
      importVideo: async (input) => {
        asked.push(input);
        return ok({ video: importing, replayed: true });
      },
      getVideo: async (input) => {
        asked.push(input);
        return ok(aVideo());
      },
      listVideos: async (input) => {
        asked.push(input);
        return ok({ items: [aVideo()] });
      },
      deleteVideo: async (input) => {
        asked.push(input);
        return ok(undefined);
      },
    });
    expect(
      await videos.ImportVideo({ workspace_id: 'ws_a', uri: 'https://cdn.example/v.mp4?secret=1', request_id: 'r' }),
    ).toEqual({
      video: {
        video_id: 'vid_01',
        workspace_id: 'ws_a',
        state: 'VIDEO_STATE_IMPORTING',
        spec: null,
        findings: [],
        size_bytes: '0',
        sha256: '',
        create_time: seconds('12:00:00'),
        file_name: '',
      },
      replayed: true,
    });
    expect(await videos.GetVideo({ video_id: 'vid_01' })).toEqual({ video: VIDEO_MESSAGE });
    expect(await videos.ListVideos({ workspace_id: 'ws_a', states: ['VIDEO_STATE_READY'], page_size: 5 })).toEqual({
      videos: [VIDEO_MESSAGE],
      next_page_token: '',
    });
    expect(await videos.DeleteVideo({ video_id: 'vid_01', workspace_id: 'ws_a' })).toEqual({});
    expect(asked).toEqual([
      { workspaceId: 'ws_a', uri: 'https://cdn.example/v.mp4?secret=1', requestId: 'r' },
      { videoId: 'vid_01' },
      { workspaceId: 'ws_a', states: ['READY'], pageSize: 5, pageToken: '' },
      { videoId: 'vid_01', workspaceId: 'ws_a' },
    ]);
  });

  it('names the post that needs a video', async () => {
    const { videos } = await serve({ deleteVideo: async () => err({ code: 'VIDEO_IN_USE', id: 'vid_01' }) });
    expect(await refusalOf(videos.DeleteVideo({ video_id: 'vid_01' }))).toMatchObject({
      code: 9,
      errorInfos: [{ reason: 'VIDEO_IN_USE', metadata: { id: 'vid_01' } }],
      preconditions: [{ type: 'VIDEO_IN_USE', subject: 'vid_01' }],
    });
  });
});

describe('PostService over gRPC', () => {
  const PUBLISH_REQUEST = {
    workspace_id: 'ws_a',
    connection_id: 'conn_01',
    request_id: 'req-1',
    destination: 'tiktok',
    caption: 'Spring #sale',
    video_id: 'vid_01',
    schedule_time: seconds('12:00:00'),
    settings: POST_MESSAGE.settings,
    late_policy: POST_MESSAGE.late_policy,
    external_ref: 'campaign-9',
    labels: { team: 'growth' },
  };

  it('publishes a post', async () => {
    const asked: PublishPostInput[] = [];
    const { posts } = await serve(
      {
        publishPost: async (input) => {
          asked.push(input);
          return ok({ step: scheduledStep, findings: aVideo().findings, replayed: true });
        },
      },
      { findConnection },
    );
    expect(await posts.PublishPost(PUBLISH_REQUEST)).toEqual({
      post: POST_MESSAGE,
      findings: VIDEO_MESSAGE.findings,
      replayed: true,
    });
    await posts.PublishPost({ workspace_id: 'ws_a', validate_only: true, video_uri: 'https://cdn.example/v.mp4' });
    expect(asked).toEqual([
      {
        workspaceId: 'ws_a',
        connectionId: 'conn_01',
        requestId: 'req-1',
        validateOnly: false,
        destination: 'tiktok',
        caption: 'Spring #sale',
        video: { videoId: 'vid_01' },
        scheduleTime: SCHEDULED.scheduleTime,
        settings: SCHEDULED.settings,
        latePolicy: SCHEDULED.latePolicy,
        externalRef: 'campaign-9',
        labels: { team: 'growth' },
      },
      {
        workspaceId: 'ws_a',
        connectionId: '',
        requestId: '',
        validateOnly: true,
        destination: '',
        caption: '',
        video: { videoUri: 'https://cdn.example/v.mp4' },
        settings: {
          allowComment: false,
          allowDuet: false,
          allowStitch: false,
          yourBrand: false,
          brandedContent: false,
          aiGenerated: false,
          draft: false,
        },
        labels: {},
      },
    ]);
  });

  it('reports what could not be read together with what the checks found, and stores nothing', async () => {
    const asked: PublishPostInput[] = [];
    const finding = (field: string) =>
      ({
        code: 'CAPTION_TOO_LONG',
        severity: 'ERROR',
        field,
        message: 'm',
        remedy: 'r',
        observed: 'o',
        limit: 'l',
      }) as const;
    const { posts } = await serve({
      publishPost: async (input) => {
        asked.push(input);
        return err({ code: 'INVALID', findings: [finding('caption'), finding('settings.privacy_level')] });
      },
    });
    const refused = await refusalOf(
      posts.PublishPost({
        ...PUBLISH_REQUEST,
        settings: { privacy_level: 99, cover_timestamp: { seconds: '-1' }, consent: { user_id: 'u' } },
        schedule_time: { seconds: '253402300800' },
        late_policy: { max_lateness: { seconds: '-5' } },
      }),
    );
    expect(refused).toMatchObject({ code: 3, reason: 'FIELD_INVALID', errorInfos: [{ domain: 'tiktok.glowtify' }] });
    expect(refused.violations.map(({ field, reason }) => `${field} ${reason}`)).toEqual([
      'schedule_time FIELD_INVALID',
      'settings.privacy_level FIELD_INVALID',
      'settings.cover_timestamp FIELD_INVALID',
      'settings.consent.declaration FIELD_REQUIRED',
      'settings.consent.consent_time FIELD_REQUIRED',
      'late_policy.max_lateness FIELD_INVALID',
      'late_policy.action FIELD_INVALID',
      'caption CAPTION_TOO_LONG',
    ]);
    expect(refused.violations[1]?.description).toContain('99');
    expect(refused.violations[1]?.description).toContain('SELF_ONLY');
    expect(asked.map(({ validateOnly }) => validateOnly)).toEqual([true]);
  });

  it('says when a request_id came with another request', async () => {
    const { posts } = await serve({
      publishPost: async () => err({ code: 'REQUEST_ID_REUSED', requestId: 'req-1' }),
    });
    expect(await refusalOf(posts.PublishPost(PUBLISH_REQUEST))).toMatchObject({
      code: 3,
      errorInfos: [{ reason: 'REQUEST_ID_REUSED', metadata: { request_id: 'req-1' } }],
    });
  });

  it('reads a post with its attempts, and lists posts without', async () => {
    const asked: unknown[] = [];
    const { posts } = await serve(
      {
        getPost: async (input) => {
          asked.push(input);
          return ok({ step: { post: PUBLISHED }, timeline: [] });
        },
        listPosts: async (input) => {
          asked.push(input);
          return ok({ items: [{ post: PUBLISHED }, scheduledStep], next: POST });
        },
      },
      { findConnection, isSandbox: () => true },
    );
    expect(await posts.GetPost({ post_id: 'post_01', workspace_id: 'ws_a' })).toEqual({
      post: { ...PUBLISHED_MESSAGE, sandbox: true, attempts: [ATTEMPT_MESSAGE] },
    });
    expect(
      await posts.ListPosts({
        workspace_id: 'ws_a',
        connection_ids: ['conn_01'],
        states: ['POST_STATE_HELD'],
        schedule_time_from: seconds('10:00:00'),
        schedule_time_before: seconds('11:00:00'),
        external_ref: 'campaign-9',
        page_size: 2,
      }),
    ).toEqual({
      posts: [
        { ...PUBLISHED_MESSAGE, sandbox: true },
        { ...POST_MESSAGE, sandbox: true },
      ],
      next_page_token: Buffer.from('post_01\0ws_a').toString('base64url'),
    });
    await posts.ListPosts({ workspace_id: 'ws_a' });
    expect(asked).toEqual([
      { postId: 'post_01', workspaceId: 'ws_a' },
      {
        filter: {
          workspaceId: 'ws_a',
          connectionIds: ['conn_01'],
          states: ['HELD'],
          scheduledFrom: new Date('2026-03-01T10:00:00Z'),
          scheduledBefore: new Date('2026-03-01T11:00:00Z'),
          externalRef: 'campaign-9',
        },
        pageSize: 2,
        pageToken: '',
      },
      { filter: { workspaceId: 'ws_a', connectionIds: [], states: [] }, pageSize: 0, pageToken: '' },
    ]);
  });

  it('looks each account up once, however long the list', async () => {
    let looks = 0;
    const { posts } = await serve(
      { listPosts: async () => ok({ items: Array.from({ length: 100 }, () => scheduledStep) }) },
      {
        findConnection: async () => {
          looks += 1;
          return aConnection();
        },
      },
    );
    await posts.ListPosts({ workspace_id: 'ws_a' });
    await posts.ListPosts({ workspace_id: 'ws_a' });
    expect(looks).toBe(1);
  });

  it('updates the fields of the mask and no others', async () => {
    const asked: unknown[] = [];
    const { posts } = await serve(
      {
        updatePost: async (input) => {
          asked.push(input);
          return ok({ step: scheduledStep, findings: aVideo().findings });
        },
      },
      { findConnection },
    );
    const post = { ...POST_MESSAGE, state: 0, phase: 0 };
    expect(
      await posts.UpdatePost({
        post,
        update_mask: { paths: ['caption', 'schedule_time', 'settings', 'late_policy', 'labels'] },
        etag: '7',
        validate_only: true,
        workspace_id: 'ws_a',
      }),
    ).toEqual({ post: POST_MESSAGE, findings: VIDEO_MESSAGE.findings });
    await posts.UpdatePost({ post: { post_id: 'post_01' }, update_mask: { paths: ['schedule_time'] }, etag: '7' });
    expect(asked).toEqual([
      {
        postId: 'post_01',
        workspaceId: 'ws_a',
        change: {
          caption: SCHEDULED.caption,
          scheduleTime: SCHEDULED.scheduleTime,
          settings: SCHEDULED.settings,
          latePolicy: SCHEDULED.latePolicy,
          labels: { team: 'growth' },
        },
        etag: '7',
        validateOnly: true,
      },
      { postId: 'post_01', change: { scheduleTime: 'NOW' }, etag: '7', validateOnly: false },
    ]);
  });

  it.each([
    ['no mask', undefined, 'FIELD_REQUIRED', 'caption, schedule_time'],
    ['an empty mask', { paths: [] }, 'FIELD_REQUIRED', 'caption, schedule_time'],
    ['an unknown path', { paths: ['caption', 'state'] }, 'FIELD_INVALID', 'Seen: state.'],
    ['a nested path', { paths: ['settings.privacy_level'] }, 'FIELD_INVALID', 'is not allowed'],
  ])('refuses an update with %s', async (_, update_mask, reason, words) => {
    const { posts } = await serve({ updatePost: async () => ok({ step: scheduledStep, findings: [] }) });
    const refused = await refusalOf(
      posts.UpdatePost({ post: { post_id: 'post_01' }, etag: '7', ...(update_mask && { update_mask }) }),
    );
    expect(refused).toMatchObject({ code: 3, reason, violations: [{ field: 'update_mask', reason }] });
    expect(refused.violations[0]?.description).toContain(words);
  });

  it('tells the current etag to who was too late', async () => {
    const { posts } = await serve({
      updatePost: async () => err({ code: 'ETAG_MISMATCH', observed: '6', current: '7' }),
    });
    expect(
      await refusalOf(
        posts.UpdatePost({ post: { post_id: 'post_01' }, update_mask: { paths: ['caption'] }, etag: '6' }),
      ),
    ).toMatchObject({
      code: 10,
      errorInfos: [{ reason: 'ETAG_MISMATCH', metadata: { observed_etag: '6', current_etag: '7' } }],
    });
  });

  it('cancels, retries and reconciles with all attempts', async () => {
    const asked: unknown[] = [];
    const cancelled = { ...aPlan({ attempts: [anAttempt()] }), state: 'CANCELLED' } as const;
    const record = async (input: unknown) => {
      asked.push(input);
      return ok({ post: cancelled });
    };
    const { posts } = await serve({
      cancelPost: record,
      reconcilePost: record,
      retryPost: async (input) => {
        asked.push(input);
        return ok({ step: { post: cancelled }, replayed: true });
      },
    });
    const post = { state: 'POST_STATE_CANCELLED', attempts: [ATTEMPT_MESSAGE], next_action_time: null };
    expect(await posts.CancelPost({ post_id: 'post_01' })).toMatchObject({ post });
    expect(await posts.ReconcilePost({ post_id: 'post_01', workspace_id: 'ws_a' })).toMatchObject({ post });
    expect(
      await posts.RetryPost({ post_id: 'post_01', request_id: 'again', accept_duplicate_risk: true }),
    ).toMatchObject({ post, replayed: true });
    expect(asked).toEqual([
      { postId: 'post_01' },
      { postId: 'post_01', workspaceId: 'ws_a' },
      { postId: 'post_01', requestId: 'again', acceptDuplicateRisk: true },
    ]);
  });

  it('says that a post was sent already', async () => {
    const { posts } = await serve({
      cancelPost: async () => err({ code: 'POST_ALREADY_SENT', state: 'PUBLISHING', id: POST }),
    });
    expect(await refusalOf(posts.CancelPost({ post_id: 'post_01' }))).toMatchObject({
      code: 9,
      errorInfos: [{ reason: 'POST_ALREADY_SENT', metadata: { id: 'post_01', state: 'PUBLISHING' } }],
      preconditions: [{ type: 'POST_ALREADY_SENT', subject: 'post_01' }],
    });
  });

  it('refuses names that are missing and text that can not be stored', async () => {
    const { posts, connections, videos } = await serve({});
    expect(await refusalOf(posts.GetPost({}))).toMatchObject({ code: 3, violations: [{ field: 'post_id' }] });
    expect(await refusalOf(videos.GetVideo({}))).toMatchObject({ code: 3, violations: [{ field: 'video_id' }] });
    expect(await refusalOf(connections.GetConnection({}))).toMatchObject({
      code: 3,
      violations: [{ field: 'connection_id' }],
    });
    expect(
      await refusalOf(posts.PublishPost({ ...PUBLISH_REQUEST, caption: 'a\0', labels: { 'b\0': '' } })),
    ).toMatchObject({ code: 3, violations: [{ field: 'caption' }, { field: 'labels' }] });
    expect(await refusalOf(posts.ListPosts({ workspace_id: 'ws_a', states: [77] }))).toMatchObject({
      code: 3,
      violations: [{ field: 'states' }],
    });
  });

  it('refuses a message over 1 MiB', async () => {
    const { posts } = await serve({});
    expect(await refusalOf(posts.PublishPost({ caption: 'x'.repeat(2 ** 20) }))).toMatchObject({ code: 8 });
  });

  it('answers long and odd text with an error that fits a header', async () => {
    const id = `${'\u{1F3B5}'.repeat(500)}`;
    const { posts } = await serve({ getPost: async () => err({ code: 'NOT_FOUND', resource: 'post', id }) });
    const refused = await refusalOf(posts.GetPost({ post_id: 'post_x' }));
    expect(refused).toMatchObject({ code: 5, reason: 'NOT_FOUND' });
    expect(JSON.stringify(refused).length).toBeLessThan(2000);
  });
});

describe('WatchConnections over gRPC', () => {
  it('opens at once and then streams what happens', async () => {
    const gate = Promise.withResolvers<void>();
    const asked: unknown[] = [];
    const connection = aConnection();
    if (connection.state !== 'ACTIVE') throw new Error('it is active');
    const clients = await serve({
      watchConnections: async ({ signal: _, ...input }) => {
        asked.push(input);
        return ok(
          (async function* (): AsyncGenerator<ConnectionEvent> {
            await gate.promise;
            yield { connection, previousState: 'RECONNECT_REQUIRED', eventTime: NOW, cursor: 'c1' };
            yield { connection: { ...connection, reconnectWarning: 7 }, eventTime: NOW, cursor: 'c2' };
            await new Promise(() => {});
          })(),
        );
      },
    });
    const watch = await clients.watchConnections({
      workspace_id: 'ws_a',
      connection_ids: ['conn_01'],
      resume_token: 'c0',
    });
    gate.resolve(); // nothing was sent before the stream was open
    expect(await watch.next()).toEqual({
      event: {
        connection: CONNECTION_MESSAGE,
        previous_state: 'CONNECTION_STATE_RECONNECT_REQUIRED',
        event_time: seconds('12:00:00'),
        resume_token: 'c1',
      },
    });
    expect(await watch.next()).toMatchObject({
      event: {
        connection: { reconnect_warning_days: 7 },
        previous_state: 'CONNECTION_STATE_UNSPECIFIED',
        resume_token: 'c2',
      },
    });
    expect(asked).toEqual([{ filter: { workspaceId: 'ws_a', connectionIds: ['conn_01'] }, resumeToken: 'c0' }]);
    watch.cancel();
  });

  it('ends with UNAVAILABLE when the service stops', async () => {
    const stopping = new AbortController();
    const clients = await serve(
      {
        watchConnections: async ({ signal }) =>
          ok(
            (async function* (): AsyncGenerator<ConnectionEvent> {
              await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
            })(),
          ),
      },
      { stopping: stopping.signal },
    );
    const watch = await clients.watchConnections({ workspace_id: 'ws_a' });
    stopping.abort();
    expect(await refusalOf(watch.next())).toMatchObject({ code: 14, reason: 'SERVICE_STOPPING' });
  });

  it('refuses ids and tokens that are too long', async () => {
    const clients = await serve({});
    const watch = await clients.watchConnections({
      workspace_id: 'ws_a',
      connection_ids: ['x'.repeat(201)],
      resume_token: 'x'.repeat(1001),
    });
    const { code, violations } = await refusalOf(watch.next());
    expect([code, violations.map(({ field }) => field)]).toEqual([3, ['connection_ids', 'resume_token']]);
  });
});

describe('WatchPosts over gRPC', () => {
  const event = (cursor: string): PostEvent => ({
    step: { post: PUBLISHED },
    previousState: 'PUBLISHING',
    eventTime: NOW,
    cursor,
  });

  it('opens at once and then streams what happens', async () => {
    const gate = Promise.withResolvers<void>();
    const asked: unknown[] = [];
    const clients = await serve(
      {
        watchPosts: async ({ signal: _, ...input }) => {
          asked.push(input);
          return ok(
            (async function* () {
              await gate.promise;
              yield event('c1');
              yield { ...event('c2'), previousState: undefined } as unknown as PostEvent;
              await new Promise(() => {});
            })(),
          );
        },
      },
      { findConnection },
    );
    const watch = await clients.watch({
      workspace_id: 'ws_a',
      connection_ids: ['conn_01'],
      post_ids: ['post_01'],
      resume_token: 'c0',
    });
    gate.resolve(); // nothing was sent before the stream was open
    expect(await watch.next()).toEqual({
      event: {
        post: PUBLISHED_MESSAGE,
        previous_state: 'POST_STATE_PUBLISHING',
        event_time: seconds('12:00:00'),
        resume_token: 'c1',
      },
    });
    expect(await watch.next()).toMatchObject({
      event: { previous_state: 'POST_STATE_UNSPECIFIED', resume_token: 'c2' },
    });
    expect(asked).toEqual([
      { filter: { workspaceId: 'ws_a', connectionIds: ['conn_01'], postIds: ['post_01'] }, resumeToken: 'c0' },
    ]);
    watch.cancel();
  });

  /** As the use case: ends when the signal aborts. */
  const quiet =
    (onEnd: () => void = () => {}): UseCases['watchPosts'] =>
    async ({ signal }) =>
      ok(
        // biome-ignore lint/correctness/useYield: nothing happens in it
        (async function* (): AsyncIterable<PostEvent> {
          if (!signal.aborted) await once(signal, 'abort');
          onEnd();
        })(),
      );

  it('ends when the client goes', async () => {
    const ended = Promise.withResolvers<void>();
    const clients = await serve({ watchPosts: quiet(ended.resolve) });
    const watch = await clients.watch({ workspace_id: 'ws_a' });
    watch.cancel();
    await ended.promise;
    expect(await refusalOf(watch.next())).toMatchObject({ code: 1 });
  });

  it.each<[string, (event: () => void) => () => AsyncIterable<PostEvent>]>([
    [
      'while nothing happens',
      () => () =>
        (async function* () {
          await new Promise(() => {});
        })(),
    ],
    [
      'while an event is on its way',
      (happened) => () =>
        (async function* () {
          for (let number = 0; ; number += 1) {
            happened();
            yield event(`c${number}`);
            await new Promise((resolve) => setImmediate(resolve));
          }
        })(),
    ],
  ])('says nothing of clients that hang up or die %s', async (_, events) => {
    const consoleError = vi.spyOn(console, 'error');
    onTestFinished(() => consoleError.mockRestore());
    const log = recordingLog();
    const gone = Promise.withResolvers<void>();
    let happened = 0;
    let left = 0;
    const clients = await serve(
      {
        watchPosts: async ({ signal }) => {
          signal.addEventListener('abort', () => {
            left += 1;
            if (left === 40) gone.resolve();
          });
          return ok(events(() => (happened += 1))());
        },
      },
      { log, findConnection },
    );
    const [address] = listening;
    for (let round = 0; round < 20; round += 1) {
      const [hangsUp, dies] = [grpcClients(address ?? ''), await rawHttp2(address ?? '')];
      const watch = await hangsUp.watch({ workspace_id: 'ws_a' });
      dies.send(
        frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, call('/glowtify.tiktok.v1.PostService/WatchPosts')),
        frame(FRAME.DATA, FLAG.END_STREAM, 1, envelope(Buffer.from([10, 4, ...Buffer.from('ws_a')]))),
      );
      await dies.seen(({ type, streamId }) => type === FRAME.HEADERS && streamId === 1);
      watch.cancel();
      hangsUp.close();
      dies.socket.resetAndDestroy();
    }
    await gone.promise;
    await refusalOf(clients.posts.GetPost({}));
    expect(log.lines.filter(({ level }) => level !== 'info')).toEqual([]);
    expect(consoleError).not.toHaveBeenCalled();
    expect(happened === 0 || happened > 20).toBe(true);
  });

  it('says nothing of a client that went before its watch was open', async () => {
    const log = recordingLog();
    const opened = Promise.withResolvers<void>();
    const clients = await serve(
      {
        watchPosts: async ({ signal }) => {
          if (!signal.aborted) await once(signal, 'abort');
          setImmediate(opened.resolve);
          return ok((async function* () {})());
        },
      },
      { log },
    );
    const raw = await rawHttp2(listening[0] ?? '');
    raw.send(
      frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, call('/glowtify.tiktok.v1.PostService/WatchPosts')),
      frame(FRAME.DATA, FLAG.END_STREAM, 1, envelope(Buffer.from([10, 4, ...Buffer.from('ws_a')]))),
      reset(1),
    );
    await opened.promise;
    raw.close();
    await refusalOf(clients.posts.GetPost({}));
    expect(log.lines.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('tells watchers to go on elsewhere when the service stops', async () => {
    const stopping = new AbortController();
    const clients = await serve({ watchPosts: quiet() }, { stopping: stopping.signal });
    const watch = await clients.watch({ workspace_id: 'ws_a' });
    stopping.abort();
    expect(await refusalOf(watch.next())).toMatchObject({
      code: 14,
      errorInfos: [{ reason: 'SERVICE_STOPPING', domain: 'tiktok.glowtify' }],
    });
  });

  it('refuses a token that is not ours before the stream opens', async () => {
    const clients = await serve({
      watchPosts: async () =>
        err({
          code: 'INVALID',
          findings: [
            {
              code: 'FIELD_INVALID',
              severity: 'ERROR',
              field: 'resume_token',
              message: 'm',
              remedy: 'r',
              observed: 'o',
              limit: 'l',
            },
          ],
        }),
    });
    expect(await refusalOf((await clients.watch({ workspace_id: 'ws_a', resume_token: 'x' })).next())).toMatchObject({
      code: 3,
      violations: [{ field: 'resume_token' }],
    });
  });

  it('hides what made an open stream fail', async () => {
    const log = recordingLog();
    const clients = await serve(
      {
        watchPosts: async () =>
          ok(
            // biome-ignore lint/correctness/useYield: it fails before its first event
            (async function* (): AsyncIterable<PostEvent> {
              throw new Error('password of db.internal');
            })(),
          ),
      },
      { log },
    );
    const watch = await clients.watch({ workspace_id: 'ws_a' });
    const failed = await refusalOf(watch.next());
    expect(failed).toMatchObject({ code: 13, reason: 'INTERNAL' });
    expect(JSON.stringify(failed)).not.toContain('password');
    expect(log.lines).toHaveLength(1);
  });
});

describe('failures and deadlines over gRPC', () => {
  it('hides a failure behind an incident that the log explains', async () => {
    const log = recordingLog();
    const failure = new Error('select * from secrets where token = abc');
    const { posts } = await serve({ getPost: () => Promise.reject(failure) }, { log });
    const failed = await refusalOf(posts.GetPost({ post_id: 'post_01' }));
    const incident = failed.errorInfos[0]?.metadata['incident_id'];
    expect(failed).toMatchObject({ code: 13, errorInfos: [{ reason: 'INTERNAL', domain: 'tiktok.glowtify' }] });
    expect(incident).toMatch(/^[0-9a-f-]{36}$/);
    expect(failed.message).toContain(incident);
    expect(JSON.stringify(failed)).not.toContain('secrets');
    expect(log.lines).toEqual([
      {
        level: 'error',
        fields: { error: failure, rpc: 'glowtify.tiktok.v1.PostService/GetPost', incidentId: incident },
        message: 'an RPC failed',
      },
    ]);
  });

  it('says that a call may be repeated when storage is away', async () => {
    const { posts } = await serve(
      { getPost: () => Promise.reject(new Error('ECONNREFUSED')) },
      { isUnavailable: () => true },
    );
    expect(await refusalOf(posts.GetPost({ post_id: 'post_01' }))).toMatchObject({
      code: 14,
      errorInfos: [{ reason: 'SERVICE_UNAVAILABLE' }],
      retryInfo: { retry_delay: { seconds: '2', nanos: 0 } },
    });
  });

  it('keeps on storing after the caller went', async () => {
    const begun = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const stored = Promise.withResolvers<string>();
    const { posts } = await serve({
      publishPost: async () => {
        begun.resolve();
        await finish.promise;
        stored.resolve('stored');
        return ok({ step: scheduledStep, findings: [], replayed: false });
      },
    });
    const call = refusalOf(posts.PublishPost({ workspace_id: 'ws_a' }, { deadlineMilliseconds: 300 }));
    await begun.promise;
    expect(await call).toMatchObject({ code: 4 });
    finish.resolve();
    expect(await stored.promise).toBe('stored');
  });

  it('refuses a deadline of ten days as a wrong unit', async () => {
    const { posts } = await serve({});
    expect(
      await refusalOf(posts.GetPost({ post_id: 'post_01' }, { deadlineMilliseconds: 10 * 86_400_000 })),
    ).toMatchObject({ code: 3 });
  });
});

describe('stopping the gRPC server', () => {
  it('lets a call under way finish', async () => {
    const needs = fakeNeeds({});
    const begun = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const routes = connectorRoutes(
      fakeNeeds({
        getPost: async () => {
          begun.resolve();
          await finish.promise;
          return ok({ step: scheduledStep, timeline: [] });
        },
      }),
    );
    const server = rpcServer({ host: '127.0.0.1', port: 0, routes, log: needs.log });
    const clients = grpcClients((await server.listen()).address);
    running.push(clients);
    const call = clients.posts.GetPost({ post_id: 'post_01' });
    await begun.promise;
    const closed = server.close();
    finish.resolve();
    expect(await call).toMatchObject({ post: { post_id: 'post_01' } });
    await closed;
    expect(await refusalOf(clients.posts.GetPost({ post_id: 'post_01' }))).toMatchObject({ code: 14 });
  });

  it('cuts off what does not finish in time', async () => {
    const routes = connectorRoutes(fakeNeeds({ getPost: () => new Promise(() => {}) }));
    const server = rpcServer({
      host: '127.0.0.1',
      port: 0,
      routes,
      log: recordingLog(),
      drainMilliseconds: 50,
    });
    const clients = grpcClients((await server.listen()).address);
    running.push(clients);
    const call = refusalOf(clients.posts.GetPost({ post_id: 'post_01' }));
    const watched = clients.posts.GetPost({ post_id: 'post_02' }).catch(() => 'cut');
    // Both calls are under way once a refused third one was answered on the same connection.
    await refusalOf(clients.posts.GetPost({}));
    await server.close();
    expect((await call).code).not.toBe(0);
    expect(await watched).toBe('cut');
  });
});
