import { describe, expect, it } from 'vitest';
import { aSandbox, bakery, bakeryId, clientOf } from '../test-client.ts';

describe('user/info', () => {
  it('gives the fields that were asked for', async () => {
    const client = clientOf(await aSandbox());
    const { body } = await client.get('/v2/user/info/?fields=open_id,username,follower_count,is_verified');
    expect(body.data).toEqual({
      user: { open_id: bakeryId, username: bakery, follower_count: 1_200, is_verified: false },
    });
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
