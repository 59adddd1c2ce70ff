import { readdirSync, readFileSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from 'vitest';
import type { GrpcClients } from '../../support/grpc-client.ts';
import { realService, type Surroundings } from '../../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectAccount,
  connectNewAccount,
  dateOf,
  fieldsOf,
  getPost as getPostWithTimeline,
  hurry,
  indistinguishable,
  methodsOf,
  type Post,
  type PostEvent,
  postThat,
  postThatHurries,
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

/** As every other RPC gives it. */
const getPost = async (...request: Parameters<typeof getPostWithTimeline>): Promise<Post> => ({
  ...(await getPostWithTimeline(...request)),
  timeline: [],
});

const surroundings = realService();

let world: Surroundings;
let clients: GrpcClients;
let called: ReadonlySet<string>;
let story: { readonly clients: GrpcClients; readonly sandbox: Surroundings['sandbox'] };
let connection: Connection;
let video: Video;

beforeAll(async () => {
  world = await surroundings();
  ({ clients, called } = recorded((await world.start()).clients));
  story = { clients, sandbox: world.sandbox };
  connection = await connectAccount(story);
  world.sandbox.control.changeAccount('glow.bakery', { dailyPostCap: 1_000 });
  video = await upload(clients);
});

type Accepted = { readonly post: Post; readonly findings: readonly object[]; readonly replayed: boolean };
const accept = (request: object) => clients.posts.PublishPost<Accepted>(request);
const inDays = (days: number) => timestamp(new Date(Date.now() + days * 86_400_000));
const scheduled = (request: object = {}) =>
  publish(clients, { ...aPost(connection, video), schedule_time: inDays(1), ...request });
const unstored = { post_id: '', create_time: expect.anything(), update_time: expect.anything() };
const PUBLIC = { privacy_level: 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE' };

const everyPost = async () =>
  (await clients.posts.ListPosts<{ posts: Post[] }>({ workspace_id: WORKSPACE, page_size: 500 })).posts;

describe('PublishPost', () => {
  const full = () => ({
    ...aPost(connection, video),
    caption: 'Fresh #bread and #Brötchen, with @friends. a#no',
    schedule_time: inDays(30),
    settings: {
      privacy_level: 'PRIVACY_LEVEL_MUTUAL_FOLLOW_FRIENDS',
      allow_comment: true,
      allow_duet: false,
      allow_stitch: true,
      cover_timestamp: { seconds: '1', nanos: 500_000_000 },
      your_brand: true,
      branded_content: true,
      ai_generated: true,
      draft: false,
      consent: { user_id: 'person-1', consent_time: inDays(-1), declaration: 'I agree.' },
    },
    late_policy: { max_lateness: { seconds: '90', nanos: 0 }, action: 'LATE_ACTION_FAIL' },
    external_ref: unique('ref'),
    labels: { campaign: 'spring', empty: '' },
  });

  it('gives the post as it was accepted, with every field', async () => {
    const request = full();
    const { post, findings, replayed } = await accept(request);
    expect({ findings, replayed }).toEqual({ findings: [], replayed: false });
    expect(post).toEqual({
      post_id: expect.stringMatching(/^post_[0-9a-z]{26}$/),
      workspace_id: WORKSPACE,
      connection_id: connection.connection_id,
      destination: 'tiktok',
      caption: request.caption,
      hashtags: ['bread', 'Brötchen'],
      video_id: video.video_id,
      settings: request.settings,
      schedule_time: request.schedule_time,
      state: 'POST_STATE_SCHEDULED',
      phase: 'PUBLISHING_PHASE_UNSPECIFIED',
      hold: null,
      error: null,
      attempts: [],
      timeline: [],
      publish_id: '',
      tiktok_post_id: '',
      share_uri: '',
      publicly_available: false,
      publish_time: null,
      dispatch_lateness: null,
      late_policy: request.late_policy,
      external_ref: request.external_ref,
      labels: request.labels,
      etag: expect.stringMatching(/./),
      create_time: expect.anything(),
      update_time: expect.anything(),
      next_action_time: request.schedule_time,
      sandbox: false,
    });
    expect(await getPost(clients, post.post_id)).toEqual(post);
  });

  it('tells TikTok what the person chose', async () => {
    const request = { ...full(), schedule_time: undefined };
    const post = await publish(clients, request);
    await postThat(clients, post.post_id, 'PUBLISHED');
    const real = world.sandbox.control.ledger().posts.find(({ title }) => title === request.caption);
    expect(real).toMatchObject({ privacyLevel: 'MUTUAL_FOLLOW_FRIENDS', sha256: video.sha256 });
  });

  it('answers before TikTok is asked', async () => {
    const { control } = world.sandbox;
    const slow = await connectNewAccount(story);
    const { username } = slow.account;
    const fault = control.addFault({ endpoint: 'creator_info', kind: 'hold', account: username });
    const post = await publish(clients, aPost(slow, video));
    expect(post.state).toBe('POST_STATE_SCHEDULED');
    control.release((await control.waitForHold({ faultId: fault.id })).id);
    await postThat(clients, post.post_id, 'PUBLISHED');
  });

  it('goes out at its time, also when that is only a moment away', async () => {
    const { post_id } = await scheduled({ schedule_time: timestamp(new Date(Date.now() + 1_500)) });
    const { dispatch_lateness } = await postThat(clients, post_id, 'PUBLISHED');
    expect(Number((dispatch_lateness as { seconds: string }).seconds)).toBeLessThan(2);
  });

  it('with validate_only says what would be, and stores nothing', async () => {
    const before = await everyPost();
    const request = { ...full(), validate_only: true };
    const { post, replayed } = await accept(request);
    expect(replayed).toBe(false);
    expect(post).toMatchObject({ ...unstored, caption: request.caption, state: 'POST_STATE_SCHEDULED' });
    expect(await everyPost()).toEqual(before);
    // And its request id is still free.
    expect(await accept({ ...request, validate_only: false })).toMatchObject({ replayed: false });
  });

  it('warns and accepts', async () => {
    const landscape = await upload(clients, { file: 'landscape.mp4' });
    const request = { ...aPost(connection, landscape), schedule_time: inDays(1) };
    const warning = { findings: [{ code: 'VIDEO_NOT_VERTICAL', severity: 'SEVERITY_WARNING' }] };
    expect(await accept({ ...request, validate_only: true })).toMatchObject(warning);
    expect(await accept(request)).toMatchObject(warning);
  });

  it('answers a repeated call with the post as it is by then', async () => {
    const request = aPost(connection, video);
    const { post } = await accept(request);
    await postThat(clients, post.post_id, 'PUBLISHED');
    const again = await accept(request);
    expect(again).toMatchObject({ replayed: true, post: { post_id: post.post_id, state: 'POST_STATE_PUBLISHED' } });
    expect(world.sandbox.control.ledger().inits.filter(({ title }) => title === request.caption)).toHaveLength(1);
  });

  it('answers a repeated call also when video and connection are gone by then', async () => {
    const mine = await connectNewAccount(story);
    const own = await upload(clients);
    const request = aPost(mine, own);
    const { post } = await accept(request);
    await postThat(clients, post.post_id, 'PUBLISHED');
    await clients.videos.DeleteVideo({ video_id: own.video_id });
    await clients.connections.DisconnectConnection({ connection_id: mine.connection_id });
    expect(await accept(request)).toMatchObject({ replayed: true, post: { post_id: post.post_id } });
  });

  it('keeps request ids of two workspaces apart', async () => {
    const theirs = await connectAccount(story, { workspaceId: 'ws_b' });
    const theirVideo = await upload(clients, { workspaceId: 'ws_b' });
    const request = { ...aPost(connection, video), schedule_time: inDays(1) };
    const other = { ...aPost(theirs, theirVideo), workspace_id: 'ws_b', schedule_time: inDays(1) };
    const { post } = await accept(request);
    const second = await accept({ ...other, request_id: request.request_id });
    expect(second.replayed).toBe(false);
    expect(second.post.post_id).not.toBe(post.post_id);
  });

  it('accepts a post for an account that must be reconnected: it waits', async () => {
    const lost = await connectNewAccount(story);
    world.sandbox.control.disconnectAccount(lost.account.username);
    await refused(clients.connections.RefreshConnection({ connection_id: lost.connection_id }));
    const post = await publish(clients, aPost(lost, video));
    expect(await postThat(clients, post.post_id, 'HELD')).toMatchObject({
      hold: { reason: 'HOLD_REASON_RECONNECT', release_time: null },
      error: { code: 'ACCOUNT_SESSION_INVALID' },
      attempts: [],
    });
  });

  it('sends a draft to the inbox, without caption and privacy level', async () => {
    const { post_id } = await publish(clients, { ...aPost(connection, video), caption: '', settings: { draft: true } });
    expect(await postThat(clients, post_id, 'IN_CREATOR_INBOX')).toMatchObject({
      publish_time: expect.anything(),
      attempts: [{ outcome: 'ATTEMPT_OUTCOME_IN_CREATOR_INBOX' }],
      next_action_time: null,
    });
    expect(world.sandbox.control.ledger().inits.filter(({ kind }) => kind === 'DRAFT')).toMatchObject([
      { stage: 'IN_INBOX', marker: expect.anything() },
    ]);
  });
});

describe('GetPost', () => {
  it('tells of a published post where it is', async () => {
    const before = Date.now();
    const { post_id } = await publish(clients, { ...aPost(connection, video), settings: PUBLIC });
    const post = await postThatHurries(
      { clients, sql: world.sql },
      post_id,
      ({ tiktok_post_id }) => tiktok_post_id !== '',
    );
    const [real] = world.sandbox.control.ledger().posts.filter(({ title }) => title === post.caption);
    expect(post).toMatchObject({
      state: 'POST_STATE_PUBLISHED',
      publish_id: real?.publishId,
      tiktok_post_id: real?.postIds[0],
      share_uri: `https://www.tiktok.com/@glow.bakery/video/${real?.postIds[0]}`,
      error: null,
      hold: null,
      next_action_time: null,
      attempts: [
        {
          number: 1,
          publish_id: real?.publishId,
          bytes_sent: video.size_bytes,
          size_bytes: video.size_bytes,
          outcome: 'ATTEMPT_OUTCOME_PUBLISHED',
          error: null,
          start_time: expect.anything(),
          end_time: expect.anything(),
        },
      ],
    });
    expect(dateOf(post['publish_time'] as Timestamp).getTime()).toBeGreaterThan(before - 1_000);
    expect(Number((post['dispatch_lateness'] as { seconds: string }).seconds)).toBeLessThan(5);
    expect(JSON.stringify(post)).not.toContain('upload_token');
  });
});

describe('Every RPC that names a post', () => {
  const calls: readonly (readonly [string, (id: string, workspace_id: string) => Promise<unknown>])[] = [
    ['GetPost', (post_id, workspace_id) => clients.posts.GetPost({ post_id, workspace_id })],
    ['CancelPost', (post_id, workspace_id) => clients.posts.CancelPost({ post_id, workspace_id })],
    ['ReconcilePost', (post_id, workspace_id) => clients.posts.ReconcilePost({ post_id, workspace_id })],
    [
      'RetryPost',
      (post_id, workspace_id) => clients.posts.RetryPost({ post_id, workspace_id, request_id: unique('r') }),
    ],
    [
      'UpdatePost',
      (post_id, workspace_id) =>
        clients.posts.UpdatePost({
          post: { post_id, caption: 'Taken over' },
          update_mask: { paths: ['caption'] },
          etag: '1',
          workspace_id,
        }),
    ],
  ];

  it.each(calls)('%s answers for a foreign one as for a missing one', async (_, call) => {
    const post = await scheduled();
    await indistinguishable((id) => call(id, 'ws_other'), {
      foreign: post.post_id,
      missing: 'post_00000000000000000000000000',
    });
    expect(await getPost(clients, post.post_id)).toEqual(post);
  });

  it.each(calls)('%s wants its id', async (name, call) => {
    const field = name === 'UpdatePost' ? 'post.post_id' : 'post_id';
    expect(fieldsOf(await refused(call('', WORKSPACE)))).toEqual([`${field} FIELD_REQUIRED`]);
  });
});

describe('ListPosts', () => {
  const workspaceId = unique('ws_list');
  type Page = { readonly posts: readonly Post[]; readonly next_page_token: string };
  const list = (request: object = {}) => clients.posts.ListPosts<Page>({ workspace_id: workspaceId, ...request });
  const ids = ({ posts }: Page) => posts.map(({ post_id }) => post_id);

  let one: Connection;
  let two: Connection;
  /** Newest first. */
  let all: readonly string[];

  beforeAll(async () => {
    one = await connectAccount(story, { workspaceId });
    two = await connectAccount(story, { workspaceId, account: 'glow.private' });
    const own = await upload(clients, { workspaceId });
    const made: string[] = [];
    for (const [each, days, ref] of [
      [one, 1, 'a'],
      [one, 2, 'b'],
      [two, 3, 'a'],
      [two, 4, 'c'],
    ] as const) {
      const request = {
        ...aPost(each, own),
        workspace_id: workspaceId,
        schedule_time: inDays(days),
        external_ref: ref,
      };
      made.unshift((await publish(clients, request)).post_id);
    }
    all = made;
    await clients.posts.CancelPost({ post_id: made[0] });
  });

  it('lists newest first, page by page, without attempts', async () => {
    const { posts, next_page_token } = await list();
    expect(posts.map(({ post_id }) => post_id)).toEqual(all);
    expect(next_page_token).toBe('');
    expect(posts.every(({ attempts }) => attempts.length === 0)).toBe(true);
    const first = await list({ page_size: 3 });
    const second = await list({ page_size: 3, page_token: first.next_page_token });
    expect([ids(first), ids(second)]).toEqual([all.slice(0, 3), all.slice(3)]);
  });

  it.each([
    ['account', () => ({ connection_ids: [two.connection_id] }), [0, 1]],
    ['accounts', () => ({ connection_ids: [two.connection_id, one.connection_id] }), [0, 1, 2, 3]],
    ['state', () => ({ states: ['POST_STATE_CANCELLED'] }), [0]],
    ['states', () => ({ states: ['POST_STATE_CANCELLED', 'POST_STATE_SCHEDULED'] }), [0, 1, 2, 3]],
    ['earliest time', () => ({ schedule_time_from: inDays(2.5) }), [0, 1]],
    ['latest time', () => ({ schedule_time_before: inDays(2.5) }), [2, 3]],
    ['window', () => ({ schedule_time_from: inDays(1.5), schedule_time_before: inDays(3.5) }), [1, 2]],
    ['reference', () => ({ external_ref: 'a' }), [1, 3]],
    ['everything together', () => ({ external_ref: 'a', connection_ids: [one.connection_id] }), [3]],
    ['an unknown account', () => ({ connection_ids: ['conn_00000000000000000000000000'] }), []],
    ["another workspace's account", () => ({ connection_ids: [connection.connection_id] }), []],
    ['another workspace', () => ({ workspace_id: 'ws_nobody' }), []],
  ] as const)('lists by %s', async (_, request, expected) => {
    expect(ids(await list(request()))).toEqual(expected.map((index) => all[index]));
  });

  it.each([
    ['no workspace', { workspace_id: '' }, 'workspace_id FIELD_REQUIRED'],
    ['pages of 501', { page_size: 501 }, 'page_size FIELD_INVALID'],
    ['pages of -1', { page_size: -1 }, 'page_size FIELD_INVALID'],
    ['a token that is not ours', { page_token: '%' }, 'page_token FIELD_INVALID'],
    ['a state that nobody knows', { states: [99] }, 'states FIELD_INVALID'],
    [
      'a window that ends before it begins',
      { schedule_time_from: inDays(2), schedule_time_before: inDays(1) },
      'schedule_time_before FIELD_INVALID',
    ],
    ['an empty account id', { connection_ids: [''] }, 'connection_ids FIELD_REQUIRED'],
  ])('refuses %s', async (_, request, field) => {
    expect(fieldsOf(await refused(list(request)))).toEqual([field]);
  });
});

describe('UpdatePost', () => {
  const update = async ({ post_id, etag }: Post, change: object, request: object = {}) => {
    const { post } = await clients.posts.UpdatePost<{ post: Post }>({
      post: { post_id, ...change },
      update_mask: { paths: Object.keys(change) },
      etag,
      ...request,
    });
    return post;
  };

  it.each([
    ['caption', () => ({ caption: 'Another caption' })],
    ['schedule_time', () => ({ schedule_time: inDays(7) })],
    [
      'late_policy',
      () => ({ late_policy: { max_lateness: { seconds: '5', nanos: 0 }, action: 'LATE_ACTION_PUBLISH' } }),
    ],
    ['labels', () => ({ labels: { other: 'label' } })],
    ['two at once', () => ({ caption: 'Once more', labels: {} })],
  ])('changes %s and nothing else', async (_, change) => {
    const post = await scheduled({ labels: { some: 'label' } });
    const wanted = change();
    const changed = await update(post, wanted);
    const { etag, ...same } = { ...post, ...wanted, hashtags: [], update_time: expect.anything() };
    expect(changed).toMatchObject({ ...same, next_action_time: { ...(changed['schedule_time'] as Timestamp) } });
    expect(changed.etag).not.toBe(etag);
    expect(dateOf(changed['update_time'] as Timestamp) > dateOf(post['update_time'] as Timestamp)).toBe(true);
    expect(await getPost(clients, post.post_id)).toEqual(changed);
  });

  it('changes the settings as a whole', async () => {
    const post = await scheduled();
    const changed = await update(post, { settings: { ...PUBLIC, allow_duet: true } });
    expect(changed['settings']).toMatchObject({ ...PUBLIC, allow_duet: true, allow_comment: false });
  });

  it('makes a post due now when its time is taken away, and what goes out is the change', async () => {
    const post = await scheduled();
    const caption = unique('Changed');
    await update(post, { schedule_time: null, caption });
    const { dispatch_lateness } = await postThat(clients, post.post_id, 'PUBLISHED');
    // Now means now, and not at the next sweep.
    expect(Number((dispatch_lateness as { seconds: string }).seconds)).toBeLessThan(2);
    expect(world.sandbox.control.ledger().posts.map(({ title }) => title)).toContain(caption);
  });

  it('with validate_only changes nothing', async () => {
    const post = await scheduled();
    expect(await update(post, { caption: 'Looked at' }, { validate_only: true })).toMatchObject({
      caption: 'Looked at',
    });
    expect(await getPost(clients, post.post_id)).toEqual(post);
    const stale = update({ ...post, etag: '99' }, { caption: 'x' }, { validate_only: true });
    expect(await refused(stale)).toMatchObject({ code: status.ABORTED });
  });

  it('refuses a change that is based on what is no longer there', async () => {
    const post = await scheduled();
    const { etag } = await update(post, { caption: 'First' });
    expect(await refused(update(post, { caption: 'Second' }))).toMatchObject({
      code: status.ABORTED,
      reason: 'ETAG_MISMATCH',
      errorInfos: [{ metadata: { observed_etag: post.etag, current_etag: etag } }],
    });
    expect(await getPost(clients, post.post_id)).toMatchObject({ caption: 'First', etag });
  });

  it('lets one of twenty callers win', async () => {
    const post = await scheduled();
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => update(post, { caption: `Caption ${index}` })),
    );
    const [winner, ...others] = answers.filter((answer) => answer.status === 'fulfilled');
    expect(others).toEqual([]);
    expect((await getPost(clients, post.post_id)).caption).toBe(winner?.value.caption);
  });

  it.each([
    ['no mask', { caption: 'x' }, { update_mask: undefined }, ['update_mask FIELD_REQUIRED']],
    ['no etag', { caption: 'x' }, { etag: '' }, ['etag FIELD_REQUIRED']],
    ['a field that can not change', { video_id: 'vid_x' }, {}, ['update_mask FIELD_INVALID']],
    [
      'a part of a field',
      { caption: 'x' },
      { update_mask: { paths: ['settings.privacy_level'] } },
      ['update_mask FIELD_INVALID'],
    ],
    ['an empty caption', { caption: '' }, {}, ['caption CAPTION_REQUIRED']],
    ['a long caption', { caption: 'x'.repeat(2_201) }, {}, ['caption CAPTION_TOO_LONG']],
    ['a time beyond a year', { schedule_time: inDays(400) }, {}, ['schedule_time SCHEDULE_TOO_FAR']],
    ['settings without a privacy level', { settings: {} }, {}, ['settings.privacy_level PRIVACY_LEVEL_REQUIRED']],
    ['no late policy', { late_policy: null }, {}, ['late_policy FIELD_REQUIRED']],
    [
      'two mistakes',
      { caption: '', settings: {} },
      {},
      ['caption CAPTION_REQUIRED', 'settings.privacy_level PRIVACY_LEVEL_REQUIRED'],
    ],
  ])('refuses %s', async (_, change, request, fields) => {
    const post = await scheduled();
    const refusal = await refused(update(post, change, request));
    expect(refusal.code).toBe(status.INVALID_ARGUMENT);
    expect(fieldsOf(refusal)).toEqual(fields);
    expect(await getPost(clients, post.post_id)).toEqual(post);
  });

  it('refuses a post that has begun to go out', async () => {
    const { post_id } = await publish(clients, aPost(connection, video));
    const post = await postThat(clients, post_id, 'PUBLISHED');
    expect(await refused(update(post, { caption: 'Too late' }))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'POST_ALREADY_STARTED',
      errorInfos: [{ metadata: { state: 'PUBLISHED' } }],
    });
  });
});

describe('CancelPost', () => {
  const cancel = async (post_id: string) => (await clients.posts.CancelPost<{ post: Post }>({ post_id })).post;

  it('ends a post for good', async () => {
    const post = await scheduled();
    const cancelled = await cancel(post.post_id);
    expect(cancelled).toMatchObject({ state: 'POST_STATE_CANCELLED', next_action_time: null, caption: post.caption });
    expect(await getPost(clients, post.post_id)).toEqual(cancelled);
    expect(await refused(clients.posts.RetryPost({ post_id: post.post_id, request_id: unique('r') }))).toMatchObject({
      reason: 'POST_NOT_RETRYABLE',
    });
  });

  it('changes nothing when it is repeated', async () => {
    const { post_id } = await scheduled();
    const cancelled = await cancel(post_id);
    expect(await cancel(post_id)).toEqual(cancelled);
  });

  it('is too late for a published one', async () => {
    const { post_id } = await publish(clients, aPost(connection, video));
    await postThat(clients, post_id, 'PUBLISHED');
    expect(await refused(cancel(post_id))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'POST_ALREADY_SENT',
      preconditions: [{ type: 'POST_ALREADY_SENT', subject: post_id }],
    });
  });

  it('has nothing to do for a failed one', async () => {
    const banned = await connectNewAccount(story, { banned: true });
    const { post_id } = await publish(clients, aPost(banned, video));
    await postThat(clients, post_id, 'FAILED');
    expect(await refused(cancel(post_id))).toMatchObject({ code: status.FAILED_PRECONDITION, reason: 'POST_ENDED' });
  });
});

describe('RetryPost', () => {
  type Retried = { readonly post: Post; readonly replayed: boolean };
  const retry = (request: object) => clients.posts.RetryPost<Retried>({ request_id: unique('retry'), ...request });

  it('tries a failed post again once its cause is gone, however often it is asked with one request id', async () => {
    const banned = await connectNewAccount(story, { banned: true });
    const { post_id } = await publish(clients, aPost(banned, video));
    await postThat(clients, post_id, 'FAILED');
    world.sandbox.control.changeAccount(banned.account.username, { banned: false });
    const request_id = unique('retry');
    const answers = await Promise.all(Array.from({ length: 10 }, () => retry({ post_id, request_id })));
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    const post = await postThat(clients, post_id, 'PUBLISHED');
    expect(world.sandbox.control.ledger().posts.filter(({ title }) => title === post.caption)).toHaveLength(1);
    expect(await retry({ post_id, request_id })).toMatchObject({
      replayed: true,
      post: { state: 'POST_STATE_PUBLISHED' },
    });
  });

  it('refuses what would fail again, until the post was changed', async () => {
    const flagged = await connectNewAccount(story);
    world.sandbox.control.addFault({
      kind: 'fail_reason',
      reason: 'spam_risk_text',
      account: flagged.account.username,
    });
    const { post_id } = await publish(clients, aPost(flagged, video));
    const failed = await postThat(clients, post_id, 'FAILED');
    expect(await refused(retry({ post_id }))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'POST_NOT_RETRYABLE',
      errorInfos: [{ metadata: { error_code: 'CONTENT_FLAGGED', tiktok_code: 'spam_risk_text' } }],
    });
    const caption = unique('Harmless');
    const change = { post: { post_id, caption }, update_mask: { paths: ['caption'] }, etag: failed.etag };
    await clients.posts.UpdatePost(change);
    expect((await retry({ post_id })).replayed).toBe(false);
    expect(await postThat(clients, post_id, 'PUBLISHED')).toMatchObject({
      caption,
      error: null,
      attempts: [{ outcome: 'ATTEMPT_OUTCOME_FAILED' }, { outcome: 'ATTEMPT_OUTCOME_PUBLISHED' }],
    });
  });

  it('refuses a request id that came with something else', async () => {
    const banned = await connectNewAccount(story, { banned: true });
    const { post_id } = await publish(clients, aPost(banned, video));
    await postThat(clients, post_id, 'FAILED');
    const request_id = unique('retry');
    await retry({ post_id, request_id });
    const other = await refused(retry({ post_id, request_id, accept_duplicate_risk: true }));
    expect(other).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'REQUEST_ID_REUSED' });
    expect(fieldsOf(await refused(retry({ post_id, request_id: '' })))).toEqual(['request_id FIELD_REQUIRED']);
  });

  it.each(['SCHEDULED', 'PUBLISHED'])('has nothing to do for a post that is %s', async (state) => {
    const request = { ...aPost(connection, video), ...(state === 'SCHEDULED' ? { schedule_time: inDays(1) } : {}) };
    const { post_id } = await publish(clients, request);
    await postThat(clients, post_id, state);
    expect(await refused(retry({ post_id }))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'POST_NOT_RETRYABLE',
    });
  });
});

/** TikTok has all bytes and never gives a verdict; a day has passed. */
async function unconfirmed(): Promise<Post> {
  const { control } = world.sandbox;
  const stuck = await connectNewAccount(story);
  control.addFault({ kind: 'stuck', account: stuck.account.username });
  const { post_id } = await publish(clients, { ...aPost(stuck, video), settings: PUBLIC });
  await postThat(
    clients,
    post_id,
    ({ phase, ...post }) => phase.endsWith('PROCESSING') && post['next_action_time'] !== null,
  );
  await world.sql(`update attempt set finalize_time = finalize_time - interval '25 hours' where post_id = $1`, [
    post_id,
  ]);
  await hurry({ clients, sql: world.sql }, post_id);
  return postThatHurries({ clients, sql: world.sql }, post_id, 'UNCONFIRMED');
}

describe('A post without a verdict', () => {
  it('is UNCONFIRMED after a day, and posted again only when someone accepts the risk', async () => {
    const post = await unconfirmed();
    expect(post).toMatchObject({
      error: { code: 'OUTCOME_UNCONFIRMED', retryable: false },
      attempts: [{ outcome: 'ATTEMPT_OUTCOME_UNCONFIRMED', publish_id: post.publish_id }],
    });
    const { post_id } = post;
    const retry = (accept_duplicate_risk: boolean) =>
      clients.posts.RetryPost({ post_id, request_id: unique('retry'), accept_duplicate_risk });
    expect(await refused(retry(false))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'DUPLICATE_RISK_NOT_ACCEPTED',
    });
    expect(world.sandbox.control.ledger().inits.filter(({ title }) => title === post.caption)).toHaveLength(1);
    await retry(true);
    expect((await postThat(clients, post_id, 'PUBLISHED')).attempts).toHaveLength(2);
  });

  it('is found by ReconcilePost once TikTok knows', async () => {
    const post = await unconfirmed();
    const reconcile = async () => (await clients.posts.ReconcilePost<{ post: Post }>({ post_id: post.post_id })).post;
    expect(await reconcile()).toMatchObject({ state: 'POST_STATE_UNCONFIRMED' });
    world.sandbox.control.finishProcessing(post.publish_id);
    expect(await reconcile()).toMatchObject({ state: 'POST_STATE_PUBLISHED', error: null });
    expect(world.sandbox.control.ledger().inits.filter(({ title }) => title === post.caption)).toHaveLength(1);
  });
});

describe('ReconcilePost', () => {
  const reconcile = async ({ post_id }: Post) => (await clients.posts.ReconcilePost<{ post: Post }>({ post_id })).post;

  it('takes in what TikTok says of a post under way', async () => {
    const { control } = world.sandbox;
    const stuck = await connectNewAccount(story);
    control.addFault({ kind: 'stuck', account: stuck.account.username });
    const { post_id } = await publish(clients, aPost(stuck, video));
    const post = await postThat(
      clients,
      post_id,
      ({ phase, ...each }) => phase.endsWith('PROCESSING') && each['next_action_time'] !== null,
    );
    expect(await reconcile(post)).toMatchObject({ state: 'POST_STATE_PUBLISHING' });
    control.finishProcessing(post.publish_id);
    expect(await reconcile(post)).toMatchObject({
      state: 'POST_STATE_PUBLISHED',
      attempts: [{ outcome: 'ATTEMPT_OUTCOME_PUBLISHED' }],
    });
  });

  it('changes nothing of a published post, or of a draft in the inbox', async () => {
    const { post_id } = await publish(clients, aPost(connection, video));
    const post = await postThat(clients, post_id, 'PUBLISHED');
    expect(await reconcile(post)).toEqual({ ...post, timeline: [] });
    const request = { ...aPost(connection, video), settings: { draft: true } };
    const draft = await postThat(clients, (await publish(clients, request)).post_id, 'IN_CREATOR_INBOX');
    expect(await reconcile(draft)).toEqual({ ...draft, timeline: [] });
  });

  it('has nothing to ask about a post that was never sent', async () => {
    expect(await refused(reconcile(await scheduled()))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'POST_NOT_SENT',
    });
  });

  it('says that the grant is dead', async () => {
    const lost = await connectNewAccount(story);
    const { post_id } = await publish(clients, aPost(lost, video));
    const post = await postThat(clients, post_id, 'PUBLISHED');
    world.sandbox.control.disconnectAccount(lost.account.username);
    expect(await refused(reconcile(post))).toMatchObject({
      code: status.FAILED_PRECONDITION,
      reason: 'ACCOUNT_SESSION_INVALID',
    });
  });
});

describe('WatchPosts', () => {
  const open = (request: object = {}) =>
    clients.watch({ workspace_id: WORKSPACE, ...request }, { deadlineMilliseconds: 40_000 });
  const next = async (watch: Awaited<ReturnType<typeof open>>) => (await watch.next<{ event: PostEvent }>()).event;

  /** All events until the post is as wanted. */
  async function eventsUntil(watch: Awaited<ReturnType<typeof open>>, state: string): Promise<PostEvent[]> {
    const events: PostEvent[] = [];
    do events.push(await next(watch));
    while (events.at(-1)?.post.state !== `POST_STATE_${state}`);
    return events;
  }

  const step = ({ previous_state, post: { state, phase } }: PostEvent) =>
    [previous_state, state, phase].map((each) => each.replace(/^(POST_STATE|PUBLISHING_PHASE)_/, '')).join(' ');

  const inOrder = (events: readonly PostEvent[]) => {
    const etags = events.map(({ post }) => Number(post.etag));
    expect(etags).toEqual([...new Set(etags)].sort((a, b) => a - b));
  };

  it('tells every change of a post, in order', async () => {
    const watch = await open();
    const { post_id, caption } = await publish(clients, aPost(await connectNewAccount(story), video));
    const events = await eventsUntil(watch, 'PUBLISHED');
    watch.cancel();
    expect(events.map(step).filter((each, index, all) => each !== all[index - 1])).toEqual([
      'UNSPECIFIED SCHEDULED UNSPECIFIED',
      'SCHEDULED PUBLISHING INITIALIZING',
      // In one piece: its first chunk is its last.
      'PUBLISHING PUBLISHING FINALIZING',
      // TikTok has a verdict when it is asked for the first time.
      'PUBLISHING PUBLISHED UNSPECIFIED',
    ]);
    for (const { post } of events) expect(post).toMatchObject({ post_id, caption, attempts: [] });
    inOrder(events);
    expect(new Set(events.map(({ resume_token }) => resume_token)).size).toBe(events.length);
    const times = events.map(({ event_time }) => dateOf(event_time).getTime());
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(events.at(-1)?.post).toEqual({ ...(await getPost(clients, post_id)), attempts: [] });
  });

  it('goes on after any event, without a gap, also when the stream was cut', async () => {
    const whole = await open();
    const other = await connectNewAccount(story);
    const posts = await Promise.all(Array.from({ length: 4 }, () => publish(clients, aPost(other, video))));
    const events: PostEvent[] = [];
    const left = new Set(posts.map(({ post_id }) => post_id));
    while (left.size > 0) {
      const event = await next(whole);
      events.push(event);
      if (event.post.state === 'POST_STATE_PUBLISHED') left.delete(event.post.post_id);
    }
    whole.cancel();

    // Cut after each event: what follows is the rest, each time.
    const tokens = events.map(({ resume_token }) => resume_token);
    const resumed = [tokens[0]];
    while (resumed.length < tokens.length) {
      const watch = await open({ resume_token: resumed.at(-1) });
      resumed.push((await next(watch)).resume_token);
      watch.cancel();
    }
    expect(resumed).toEqual(tokens);
    for (const { post_id } of posts) inOrder(events.filter(({ post }) => post.post_id === post_id));
  });

  it('tells only what is asked for', async () => {
    const other = await connectNewAccount(story);
    const wanted = await scheduled();
    const byPost = await open({ post_ids: [wanted.post_id] });
    const byAccount = await open({ connection_ids: [other.connection_id] });
    const foreign = await open({ workspace_id: 'ws_other', post_ids: [wanted.post_id] });
    await scheduled();
    const ofOther = await publish(clients, { ...aPost(other, video), schedule_time: inDays(1) });
    await clients.posts.CancelPost({ post_id: wanted.post_id });
    expect((await next(byAccount)).post.post_id).toBe(ofOther.post_id);
    // A transaction under way when the stream was opened moves its start back: what was just before may come as well.
    const ofWanted = await eventsUntil(byPost, 'CANCELLED');
    expect(new Set(ofWanted.map(({ post }) => post.post_id))).toEqual(new Set([wanted.post_id]));
    expect(ofWanted.at(-1)?.previous_state).toBe('POST_STATE_SCHEDULED');
    // Whatever came to the foreign workspace came before its own post.
    const theirs = await connectAccount(story, { workspaceId: 'ws_other' });
    const theirVideo = await upload(clients, { workspaceId: 'ws_other' });
    const all = await open({ workspace_id: 'ws_other' });
    const { post_id } = await publish(clients, {
      ...aPost(theirs, theirVideo),
      workspace_id: 'ws_other',
      schedule_time: inDays(1),
    });
    expect((await next(all)).post.post_id).toBe(post_id);
    const ended = foreign.next();
    foreign.cancel();
    await expect(ended).rejects.toMatchObject({ code: status.CANCELLED });
    for (const watch of [byPost, byAccount, all]) watch.cancel();
  });

  it.each([
    ['no workspace', { workspace_id: '' }, 'workspace_id FIELD_REQUIRED'],
    ['a token that is not ours', { resume_token: 'abc' }, 'resume_token FIELD_INVALID'],
    ['an empty post id', { post_ids: [''] }, 'post_ids FIELD_REQUIRED'],
    ['501 accounts', { connection_ids: Array.from({ length: 501 }, () => 'conn_x') }, 'connection_ids FIELD_INVALID'],
  ])('refuses %s', async (_, request, field) => {
    const watch = await open(request);
    expect(fieldsOf(await refused(watch.next()))).toEqual([field]);
  });
});

describe('The contract', () => {
  it('Every method of PostService was called', () => {
    expect(methodsOf('PostService').filter((method) => !called.has(method))).toEqual([]);
  });

  it('has no service without a suite beside this one', () => {
    const folder = new URL('../../../proto/glowtify/tiktok/v1/', import.meta.url);
    const services = readdirSync(folder).flatMap((file) =>
      Array.from(readFileSync(new URL(file, folder), 'utf8').matchAll(/^service (\w+) \{/gm), ([, name]) => name),
    );
    const suites = readdirSync(new URL('.', import.meta.url));
    const missing = services.filter(
      (name = '') => !suites.includes(`${name.replace(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase()}.test.ts`),
    );
    expect(services.length).toBeGreaterThan(2);
    expect(missing).toEqual([]);
  });
});
