import { describe, expect, it } from 'vitest';
import { aSandbox, bakery, bakeryId, clientOf } from '../test-client.ts';

const dayMs = 86_400_000;

describe('user/info', () => {
  it('gives the fields that were asked for', async () => {
    const client = clientOf(await aSandbox());
    const { body } = await client.get('/v2/user/info/?fields=open_id,username,follower_count,is_verified');
    expect(body.data).toEqual({
      user: { open_id: bakeryId, username: bakery, follower_count: 1_200, is_verified: false },
    });
  });

  it('counts followers, likes and public videos as they grow, as often as the counts are brought up to date', async () => {
    const sandbox = await aSandbox({ openRefreshMs: dayMs });
    const { control } = sandbox;
    control.advanceClock(dayMs / 2 + dayMs - (control.now() % dayMs)); // noon
    const video = {
      createTime: control.now() - dayMs,
      model: { finalViews: 1_000, finalLikes: 100, finalNewFollowers: 10 },
    };
    control.addVideos(bakery, [
      { ...video, model: { ...video.model, halfLifeMs: 0 } },
      { ...video, public: false },
      { createTime: control.now() - 2, model: { finalLikes: 0, finalNewFollowers: 0 } },
    ]);
    const read = async () =>
      (await clientOf(sandbox).get('/v2/user/info/?fields=follower_count,following_count,likes_count,video_count')).body
        .data?.['user'];
    const counts = { follower_count: 1_210, following_count: 87, likes_count: 45_400 };
    expect(await read()).toEqual({ ...counts, video_count: 1 });
    control.advanceClock(dayMs);
    expect(await read()).toEqual({ ...counts, video_count: 2 });
    // One in five of those whom a video brought leaves after a week.
    control.advanceClock(6 * dayMs);
    expect(await read()).toMatchObject({ follower_count: 1_208, likes_count: 45_400 });
  });

  it.each([
    ['user/info/', 400, 'invalid_params'],
    ['user/info/?fields=', 400, 'invalid_params'],
    ['user/info/?fields=open_id,age', 400, 'invalid_params'],
    ['user/info/?fields=open_id', 200, 'ok'],
    ['user/info/?fields=open_id,username', 400, 'scope_permission_missed'],
    ['user/info/?fields=username', 401, 'scope_not_authorized'],
  ])('%s with the basic scope: %i %s', async (path, status, code) => {
    const answer = await clientOf(await aSandbox(), bakery, ['user.info.basic']).get(`/v2/${path}`);
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
  });
});

/** Five public videos, a minute apart, and one that is not. */
async function aChannel() {
  const sandbox = await aSandbox({ processingMs: 0, postIdDelayMs: 0, initPerMinute: 100 });
  const client = clientOf(sandbox);
  for (const title of ['one', 'two', 'three', 'four', 'five']) {
    await client.publish({ title });
    sandbox.control.advanceClock(60_000);
  }
  await client.publish({ title: 'secret', privacy_level: 'SELF_ONLY' });
  sandbox.control.advanceClock(60_000);
  const ids = sandbox.control.ledger().posts.map(({ postIds }) => postIds[0] ?? '');
  return { sandbox, client, ids };
}

describe('video/list', () => {
  it('lists public videos, newest first, page by page', async () => {
    const { client } = await aChannel();
    const titles: unknown[] = [];
    let cursor: unknown;
    let more: unknown = true;
    while (more) {
      const { body } = await client.post('/v2/video/list/?fields=title', { max_count: 2, cursor });
      const videos = body.data?.['videos'] as { title: string }[];
      titles.push(...videos.map(({ title }) => title));
      cursor = body.data?.['cursor'];
      more = body.data?.['has_more'];
    }
    expect(titles).toEqual(['five', 'four', 'three', 'two', 'one']);
  });

  it('takes any moment as cursor and gives seconds, the link and the counts', async () => {
    const { sandbox, client, ids } = await aChannel();
    const [first = ''] = ids;
    sandbox.control.changeVideoCounts(first, { viewCount: 9, likeCount: 3, commentCount: 2, shareCount: 1 });
    const second = sandbox.control.ledger().posts[1]?.completeTime ?? 0;
    const fields = 'id,create_time,share_url,view_count,like_count,comment_count,share_count';
    const { body } = await client.post(`/v2/video/list/?fields=${fields}`, { cursor: second });
    expect(body.data?.['videos']).toEqual([
      {
        id: first,
        create_time: Math.floor((sandbox.control.ledger().posts[0]?.completeTime ?? 0) / 1_000),
        share_url: `https://www.tiktok.com/@${bakery}/video/${first}?utm_campaign=tt4d_open_api&utm_source=${sandbox.clientKey}`,
        view_count: 9,
        like_count: 3,
        comment_count: 2,
        share_count: 1,
      },
    ]);
  });

  it('gives the counts of this moment, and between two refreshes the same to everybody', async () => {
    const sandbox = await aSandbox();
    const { control } = sandbox;
    control.advanceClock(10 * dayMs - (control.now() % (10 * dayMs)));
    const model = { finalViews: 4_000, finalLikes: 400, finalComments: 40, finalShares: 8, halfLifeMs: dayMs };
    const createTime = control.now() - dayMs;
    const { postId } = control.addVideo(bakery, { createTime, durationSeconds: 21.6, model });
    const fields = 'view_count,like_count,comment_count,share_count,duration';
    const read = async () =>
      (await clientOf(sandbox).post(`/v2/video/query/?fields=${fields}`, { filters: { video_ids: [postId] } })).body
        .data?.['videos'];
    const now = { view_count: 2_000, like_count: 200, comment_count: 20, share_count: 4, duration: 22 };
    expect(await read()).toEqual([now]);
    control.changeSettings({ openRefreshMs: 10 * dayMs });
    expect(await read()).toEqual([now]);
    control.advanceClock(10 * dayMs - 60_000);
    expect(await read()).toEqual([now]);
    control.advanceClock(60_000);
    expect(await read()).not.toEqual([now]);
  });

  it.each([
    ['?fields=id', { max_count: 21 }],
    ['?fields=id', { max_count: 0 }],
    ['?fields=id', { cursor: '5' }],
    ['?fields=saves', {}],
    ['', {}],
  ])('refuses %s %o', async (query, body) => {
    const answer = await clientOf(await aSandbox()).post(`/v2/video/list/${query}`, body);
    expect([answer.status, answer.body.error.code]).toEqual([400, 'invalid_params']);
  });
});

describe('video/query', () => {
  it('gives own public videos and leaves the others out', async () => {
    const { client, ids } = await aChannel();
    const asked = [ids[2], ids[5], '7600000000000000000'];
    const { body } = await client.post('/v2/video/query/?fields=id,title', { filters: { video_ids: asked } });
    expect(body.data).toEqual({ videos: [{ id: ids[2], title: 'three' }] });
  });

  it('does not give the videos of others', async () => {
    const { sandbox, ids } = await aChannel();
    const other = clientOf(sandbox, 'glow.short');
    const { body } = await other.post('/v2/video/query/?fields=id', { filters: { video_ids: [ids[0]] } });
    expect(body.data).toEqual({ videos: [] });
  });

  it.each([
    [{}],
    [{ filters: { video_ids: [] } }],
    [{ filters: { video_ids: Array.from({ length: 21 }, (_, n) => `${n}`) } }],
    [{ filters: { video_ids: ['1', 'abc'] } }],
    [{ filters: { video_ids: [7] } }],
  ])('refuses %o', async (body) => {
    const answer = await clientOf(await aSandbox()).post('/v2/video/query/?fields=id', body);
    expect([answer.status, answer.body.error.code]).toEqual([400, 'invalid_params']);
  });
});
