import { describe, expect, it } from 'vitest';
import type { Result } from '../../../src/domain/result.ts';
import { ACCESS_TOKEN, type Answering, approved, LOG_ID, raw, refused, tiktokReplying } from './answering-tiktok.ts';

const ID = '7611111122222222222';
const SCOPES = ['video.list', 'user.info.stats'];
const BEFORE = new Date('2026-11-22T10:00:00Z');
const EARLIER = new Date('2026-11-22T09:00:00Z');
const VIDEO = { id: ID, create_time: 1_790_000_000 };
const VIDEO_FIELDS = [
  ...['id', 'create_time', 'video_description', 'duration', 'share_url'],
  ...['view_count', 'like_count', 'comment_count', 'share_count'],
];
const ACCOUNT_FIELDS = ['follower_count', 'following_count', 'likes_count', 'video_count'];

function got<T>(result: Result<T, unknown>): T {
  if (result.ok) return result.value;
  throw new Error('refused', { cause: result.error });
}

/** Data in which what stands for `@` is written by hand. */
const written = (data: unknown, text: string): Answering =>
  raw(200, JSON.stringify({ data, error: { code: 'ok', message: '', log_id: LOG_ID } }).replaceAll('"@"', text));

async function readingOf(video: object, text = '') {
  const { tiktok } = await tiktokReplying(written({ videos: [video] }, text));
  return got(await tiktok.insights.readVideos(ACCESS_TOKEN, SCOPES, [ID]))[0];
}

async function pageFrom(data: unknown) {
  const { tiktok } = await tiktokReplying(approved(data));
  return tiktok.insights.listVideos(ACCESS_TOKEN, SCOPES, BEFORE);
}

async function accountFrom(data: unknown) {
  const { tiktok } = await tiktokReplying(approved(data));
  return tiktok.insights.readAccount(ACCESS_TOKEN, SCOPES, '2026-11-01', '2026-11-21');
}

describe('Numbers of the open family', () => {
  it('are asked for as documented', async () => {
    const { tiktok, seen } = await tiktokReplying(approved({ user: {} }));
    await tiktok.insights.listVideos(ACCESS_TOKEN, SCOPES, BEFORE);
    await tiktok.insights.readVideos(ACCESS_TOKEN, SCOPES, [ID, '7']);
    await tiktok.insights.readAccount(ACCESS_TOKEN, SCOPES, '2026-11-01', '2026-11-21');
    const calls = seen.map(({ method, url, body }) => {
      const { pathname, searchParams } = new URL(url, 'http://x');
      const fields = searchParams.get('fields')?.split(',').toSorted();
      return { method, pathname, fields, ...(body === '' ? {} : { body: JSON.parse(body) }) };
    });
    const fields = VIDEO_FIELDS.toSorted();
    expect(calls).toEqual([
      { method: 'POST', pathname: '/v2/video/list/', fields, body: { cursor: BEFORE.getTime(), max_count: 20 } },
      { method: 'POST', pathname: '/v2/video/query/', fields, body: { filters: { video_ids: [ID, '7'] } } },
      { method: 'GET', pathname: '/v2/user/info/', fields: ACCOUNT_FIELDS.toSorted() },
    ]);
    for (const { headers } of seen) expect(headers.authorization).toBe(`Bearer ${ACCESS_TOKEN.reveal()}`);
  });

  it('are not asked for without their permission, nor when no video is asked about', async () => {
    const { tiktok, seen } = await tiktokReplying(approved({}));
    const { insights } = tiktok;
    const missing = (scope: string) => ({ ok: false, error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: [scope] } });
    expect(await insights.listVideos(ACCESS_TOKEN, ['user.info.stats'], BEFORE)).toEqual(missing('video.list'));
    expect(await insights.readVideos(ACCESS_TOKEN, ['user.info.stats'], [ID])).toEqual(missing('video.list'));
    expect(await insights.readAccount(ACCESS_TOKEN, ['video.list'], '2026-11-01', '2026-11-21')).toEqual(
      missing('user.info.stats'),
    );
    expect(await insights.readVideos(ACCESS_TOKEN, SCOPES, [])).toEqual({ ok: true, value: [] });
    expect(seen).toEqual([]);
  });

  it.each([
    [400, 'scope_permission_missed'],
    [401, 'scope_not_authorized'],
  ])('need a permission that TikTok does not see: HTTP %d, %s', async (status, code) => {
    const { tiktok } = await tiktokReplying(refused(status, code));
    const missing = (scope: string) => ({ error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: [scope] } });
    expect(await tiktok.insights.listVideos(ACCESS_TOKEN, SCOPES, BEFORE)).toMatchObject(missing('video.list'));
    expect(await tiktok.insights.readVideos(ACCESS_TOKEN, SCOPES, [ID])).toMatchObject(missing('video.list'));
    expect(await tiktok.insights.readAccount(ACCESS_TOKEN, SCOPES, '2026-11-01', '2026-11-21')).toMatchObject(
      missing('user.info.stats'),
    );
  });
});

describe('A video of the open family', () => {
  it('has every number that TikTok tells', async () => {
    const share_url = `https://www.tiktok.com/@acme/video/${ID}?utm_campaign=tt4d_open_api`;
    const told = { ...VIDEO, video_description: 'fresh #bread', duration: 15, share_url };
    const counts = { view_count: 10, like_count: 2, comment_count: 0, share_count: 1 };
    expect(await readingOf({ ...told, ...counts })).toEqual({
      tiktokPostId: ID,
      createTime: new Date(1_790_000_000_000),
      caption: 'fresh #bread',
      shareUri: share_url,
      durationSeconds: 15,
      numbers: { views: 10, likes: 2, comments: 0, shares: 1 },
      curves: {},
      breakdowns: {},
    });
  });

  it('has a caption and nothing else when TikTok tells nothing else', async () => {
    const createTime = new Date(1_790_000_000_000);
    const silent = { tiktokPostId: ID, createTime, caption: '', numbers: {}, curves: {}, breakdowns: {} };
    expect(await readingOf(VIDEO)).toEqual(silent);
    const empty = Object.fromEntries(VIDEO_FIELDS.map((field) => [field, null]));
    expect(await readingOf({ ...empty, ...VIDEO })).toEqual(silent);
    expect(await readingOf({ ...VIDEO, duration: 0 })).toEqual(silent);
  });

  describe.each([
    ['view_count', 'views'],
    ['like_count', 'likes'],
    ['comment_count', 'comments'],
    ['share_count', 'shares'],
  ])('%s', (field, name) => {
    it.each(['null', '""', '"903"', '-1', '1.5', 'true', '[]', '1e999', '9007199254740993'])(
      'is no value when it is %s',
      async (text) => {
        expect((await readingOf({ ...VIDEO, [field]: '@' }, text))?.numbers).toEqual({});
      },
    );

    it.each([0, 1, 3_000_000_000, Number.MAX_SAFE_INTEGER])('is a number when it is %d', async (value) => {
      expect((await readingOf({ ...VIDEO, [field]: value }))?.numbers).toEqual({ [name]: value });
    });
  });

  it.each([
    ['as text', `"${ID}"`],
    ['as a bare number', ID],
  ])('has its id digit for digit, written %s', async (_, text) => {
    expect((await readingOf({ ...VIDEO, id: '@' }, text))?.tiktokPostId).toBe(ID);
  });

  it('is told only when it was asked about', async () => {
    const { tiktok } = await tiktokReplying(approved({ videos: [{ ...VIDEO, id: '7' }, VIDEO] }));
    expect(await tiktok.insights.readVideos(ACCESS_TOKEN, SCOPES, [ID])).toMatchObject({
      ok: true,
      value: [{ tiktokPostId: ID }],
    });
  });

  it.each([
    ['id', null],
    ['id', 'x'],
    ['create_time', null],
    ['create_time', 0],
  ])('is left out when its %s is %j', async (field, value) => {
    const page = got(await pageFrom({ videos: [{ ...VIDEO, [field]: value }, VIDEO], has_more: false }));
    expect(page.videos).toHaveLength(1);
    expect(await pageFrom({ videos: [{ ...VIDEO, [field]: value }] })).toMatchObject({
      error: { code: 'CONNECTOR_REQUEST_REJECTED', tiktokLogId: LOG_ID },
    });
  });
});

describe('A page of the open family', () => {
  it.each([[[VIDEO]], [[]]])('goes on from the cursor while there are more, after %j as well', async (videos) => {
    const { videos: read, ...rest } = got(await pageFrom({ videos, cursor: EARLIER.getTime(), has_more: true }));
    expect(read).toHaveLength(videos.length);
    expect(rest).toEqual({ olderThan: EARLIER });
  });

  it('is the last when there are no more', async () => {
    const { videos, ...rest } = got(await pageFrom({ videos: [VIDEO], cursor: EARLIER.getTime(), has_more: false }));
    expect(videos).toHaveLength(1);
    expect(rest).toEqual({});
  });

  it.each([BEFORE.getTime(), BEFORE.getTime() + 1, 0, null])(
    'that says that there are more, from %s on, would lead us round in circles',
    async (cursor) => {
      expect(await pageFrom({ videos: [VIDEO], cursor, has_more: true })).toMatchObject({
        error: { code: 'CONNECTOR_REQUEST_REJECTED', detail: "TikTok's answer has no usable cursor." },
      });
    },
  );
});

describe('An account of the open family', () => {
  it('has its numbers of this moment, and no days', async () => {
    const user = { follower_count: 1200, following_count: 0, likes_count: 5400, video_count: 12 };
    expect(await accountFrom({ user })).toEqual({
      ok: true,
      value: {
        numbers: { followers: 1200, following: 0, totalLikes: 5400, videoCount: 12 },
        days: [],
        breakdowns: {},
      },
    });
  });

  it('has no number that TikTok left out or wrote in another way', async () => {
    const user = { follower_count: null, following_count: -1, likes_count: '5400' };
    expect(got(await accountFrom({ user })).numbers).toEqual({});
  });

  it('is not there when TikTok tells of no user', async () => {
    expect(await accountFrom({})).toMatchObject({
      error: { code: 'CONNECTOR_REQUEST_REJECTED', detail: "TikTok's answer has no usable user." },
    });
  });
});
