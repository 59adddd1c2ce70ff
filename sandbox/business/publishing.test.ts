import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Sandbox } from '../sandbox.ts';
import { bakery, bakeryId } from '../test-client.ts';
import { aBusinessSandbox, aHost, asApp, bakeryBusinessId, businessClientOf, get, post, video } from './test-client.ts';

const arrived = (sandbox: Sandbox) => sandbox.control.waitUntil(({ inits }) => inits.at(-1)?.stage !== 'DOWNLOADING');
const hooksOf = (sandbox: Sandbox) => sandbox.control.ledger().webhooks.map(({ event }) => event);

describe('an account', () => {
  it('is told field by field, as far as its permissions go', async () => {
    const sandbox = await aBusinessSandbox();
    const client = businessClientOf(sandbox, bakery, ['user.info.basic', 'user.account.type']);
    const ask = (...fields: string[]) => client.get('/business/get/', { fields: JSON.stringify(fields) });
    expect((await client.get('/business/get/')).data).toEqual({
      display_name: 'Glow Bakery',
      profile_image: expect.stringContaining('x-expires='),
    });
    expect((await ask('is_business_account')).data).toEqual({ is_business_account: true });
    expect((await ask('display_name', 'username')).code).toBe(40001);
    expect((await ask('birthday')).code).toBe(40002);
    expect((await client.get('/business/get/', { fields: 'display_name' })).code).toBe(40002);
  });

  it('may be a personal one', async () => {
    const sandbox = await aBusinessSandbox();
    sandbox.control.addAccount({ username: 'glow.home', businessAccount: false });
    for (const account of ['glow.personal', 'glow.home']) {
      const client = businessClientOf(sandbox, account);
      const { data } = await client.get('/business/get/', { fields: '["is_business_account"]' });
      expect(data).toEqual({ is_business_account: false });
    }
  });

  it('says what it may post', async () => {
    const sandbox = await aBusinessSandbox();
    expect((await businessClientOf(sandbox).get('/business/video/settings/')).data).toEqual({
      privacy_level_options: ['PUBLIC_TO_EVERYONE', 'MUTUAL_FOLLOW_FRIENDS', 'SELF_ONLY'],
      comment_disabled: false,
      duet_disabled: false,
      stitch_disabled: false,
      max_video_post_duration_sec: 600,
    });
    const { data } = await businessClientOf(sandbox, 'glow.private').get('/business/video/settings/');
    expect(data['privacy_level_options']).not.toContain('PUBLIC_TO_EVERYONE');
  });
});

describe('a video post', () => {
  it.each(['string', 'number'] as const)(
    'is fetched, moderated, and public later (ids as %s)',
    async (businessPostIds) => {
      const sandbox = await aBusinessSandbox({ businessPostIds });
      const client = businessClientOf(sandbox);
      const { code, data } = await client.publish(await aHost(), { caption: 'New roast #coffee' });
      expect({ code, data }).toEqual({
        code: 0,
        data: { share_id: expect.stringMatching(/^v_pub_url~v1\.\d{19}$/) },
      });
      await arrived(sandbox);
      expect((await client.status(data['share_id'])).data).toEqual({ status: 'PROCESSING_DOWNLOAD' });
      expect(hooksOf(sandbox)).toEqual(['post.publish.complete']);

      sandbox.control.advanceClock(3_600_000);
      expect((await client.status(data['share_id'])).data).toEqual({ status: 'PUBLISH_COMPLETE' });
      sandbox.control.advanceClock(3_600_000);
      const [real] = sandbox.control.ledger().posts;
      const [postId] = real?.publicPostIds ?? [];
      expect(real).toMatchObject({
        title: 'New roast #coffee',
        sha256: createHash('sha256').update(video).digest('hex'),
      });
      const written = businessPostIds === 'string' ? `"${postId}"` : postId;
      expect((await client.status(data['share_id'])).text).toContain(`"post_ids":[${written}]`);
      expect(hooksOf(sandbox)).toEqual(['post.publish.complete', 'post.publish.publicly_available']);
      const body = sandbox.control.ledger().webhooks.at(-1)?.body ?? '';
      expect(JSON.parse(body).content).toContain(`"post_id":${written}`);
      expect(sandbox.control.ledger().inits).toMatchObject([{ family: 'BUSINESS', account: bakeryId, kind: 'DIRECT' }]);
    },
  );

  it.each<[string, object]>([
    ['no flags', { is_brand_organic: undefined }],
    ['half of the flags', { is_branded_content: undefined }],
    ['a flag that is none', { is_ai_generated: 'yes' }],
    ['a caption that is too long', { caption: 'x'.repeat(2201) }],
    ['too many mentions', { caption: Array.from({ length: 31 }, (_, index) => `@a${index}`).join(' ') }],
    ['a broken thumbnail', { thumbnail_offset: 1.5 }],
  ])('is refused with %s', async (_, post_info) => {
    const sandbox = await aBusinessSandbox();
    expect(await businessClientOf(sandbox).publish(await aHost(), post_info)).toMatchObject({
      status: 200,
      code: 40002,
    });
    expect(sandbox.control.ledger().inits).toEqual([]);
  });

  it('may not allow what the account forbids', async () => {
    const sandbox = await aBusinessSandbox();
    sandbox.control.changeAccount(bakery, { duetDisabled: true });
    const client = businessClientOf(sandbox);
    expect((await client.publish(await aHost())).code).toBe(40002);
    expect((await client.publish(await aHost(), { disable_duet: true })).code).toBe(0);
  });

  it('needs its permission, and a draft one more', async () => {
    const sandbox = await aBusinessSandbox();
    expect((await businessClientOf(sandbox, bakery, ['video.list']).publish(await aHost())).code).toBe(40001);
    const client = businessClientOf(sandbox, bakery, ['video.publish']);
    expect((await client.publish(await aHost(), { upload_to_draft: true })).code).toBe(40001);
  });

  it('as a draft reaches the inbox, without its caption', async () => {
    const sandbox = await aBusinessSandbox();
    const client = businessClientOf(sandbox);
    const { data } = await client.publish(await aHost(), { upload_to_draft: true, caption: 'gone' });
    await arrived(sandbox);
    sandbox.control.advanceClock(3_600_000);
    expect((await client.status(data['share_id'])).data).toEqual({ status: 'SEND_TO_USER_INBOX' });
    expect(sandbox.control.ledger().inits).toMatchObject([{ kind: 'DRAFT', title: null }]);
  });

  it('of a private account is never public', async () => {
    const sandbox = await aBusinessSandbox();
    const client = businessClientOf(sandbox, 'glow.private');
    const { data } = await client.publish(await aHost(), { disable_duet: true, disable_stitch: true });
    await arrived(sandbox);
    sandbox.control.advanceClock(7_200_000);
    expect((await client.status(data['share_id'])).data).toEqual({ status: 'PUBLISH_COMPLETE' });
  });

  it.each([
    ['refusal', 40002, 0],
    ['verdict', 0, 1],
  ] as const)('from an address that is not verified meets a %s', async (unverifiedUrl, code, tasks) => {
    const sandbox = await aBusinessSandbox({ unverifiedUrl, business: { urlProperties: [] } });
    const client = businessClientOf(sandbox);
    const answer = await client.publish(await aHost());
    expect(answer.code).toBe(code);
    expect(sandbox.control.ledger().inits).toHaveLength(tasks);
    if (tasks === 0) return;
    expect((await client.status(answer.data['share_id'])).data).toEqual({
      status: 'FAILED',
      reason: 'video_pull_failed',
    });
  });

  it('fails for a reason that was ordered, for bytes that are no video, and for a banned account', async () => {
    const sandbox = await aBusinessSandbox({ processingMs: 0 });
    const client = businessClientOf(sandbox);
    const reasonOf = async (url: string, caller = client) => {
      const { data } = await caller.publish(url);
      await sandbox.control.waitUntil(({ inits }) => inits.at(-1)?.stage === 'FAILED');
      return (await caller.status(data['share_id'])).data['reason'];
    };
    sandbox.control.addFault({ endpoint: 'business_publish', kind: 'fail_reason', reason: 'spam_risk' });
    expect(await reasonOf(await aHost())).toBe('spam_risk');
    expect(await reasonOf(await aHost((_, response) => response.end('no video')))).toBe('file_format_check_failed');
    expect(await reasonOf(await aHost((_, response) => response.writeHead(410).end()))).toBe('video_pull_failed');
    expect(await reasonOf(await aHost(), businessClientOf(sandbox, 'glow.banned'))).toBe(
      'spam_risk_user_banned_from_posting',
    );
  });

  it('whose answer is lost is published all the same', async () => {
    const sandbox = await aBusinessSandbox({ processingMs: 0 });
    sandbox.control.addFault({ endpoint: 'business_publish', kind: 'execute_then_drop', account: bakery });
    await expect(businessClientOf(sandbox).publish(await aHost())).rejects.toThrow();
    await sandbox.control.waitUntil(({ posts }) => posts.length === 1);
  });

  it('of somebody else, or that nobody began, has no status', async () => {
    const sandbox = await aBusinessSandbox();
    const { data } = await businessClientOf(sandbox).publish(await aHost());
    expect((await businessClientOf(sandbox, 'glow.short').status(data['share_id'])).code).toBe(40007);
    expect((await businessClientOf(sandbox).status('v_pub_url~v1.1')).code).toBe(40007);
  });
});

describe('the limits', () => {
  it('are six posts a minute for each account', async () => {
    const sandbox = await aBusinessSandbox();
    const client = businessClientOf(sandbox);
    const url = await aHost();
    for (let number = 1; number <= 6; number += 1) expect((await client.publish(url)).code).toBe(0);
    expect(await client.publish(url)).toMatchObject({ status: 200, code: 40100 });
    expect((await businessClientOf(sandbox, 'glow.short').publish(url)).code).toBe(0);
    sandbox.control.advanceClock(60_000);
    expect((await client.publish(url)).code).toBe(0);
  });

  it('are fifteen posts a day, told as a verdict', async () => {
    const sandbox = await aBusinessSandbox({
      processingMs: 0,
      businessPublishPerMinute: 100,
      businessAppPerSecond: 100,
    });
    const client = businessClientOf(sandbox);
    const url = await aHost();
    for (let number = 1; number <= 16; number += 1) {
      const { data } = await client.publish(url, { caption: `${number}` });
      const { stage, failReason } = await sandbox.control.waitUntil(({ inits }) =>
        inits.find(
          ({ publishId, stage: at }) => publishId === data['share_id'] && (at === 'COMPLETE' || at === 'FAILED'),
        ),
      );
      expect([stage, failReason]).toEqual(number <= 15 ? ['COMPLETE', null] : ['FAILED', 'spam_risk_too_many_posts']);
    }
  });

  it('are forty queries a minute of an account at an endpoint; then it is barred for five minutes', async () => {
    const sandbox = await aBusinessSandbox({ businessAppPerSecond: 1_000 });
    const client = businessClientOf(sandbox);
    const ask = async () => (await client.get('/business/video/settings/')).code;
    for (let number = 1; number <= 40; number += 1) expect(await ask()).toBe(0);
    expect(await ask()).toBe(40100);
    expect((await client.get('/business/get/')).code).toBe(0);
    sandbox.control.advanceClock(299_000);
    expect(await ask()).toBe(40100);
    sandbox.control.advanceClock(2_000);
    expect(await ask()).toBe(0);
  });

  it('are ten queries a second of the app, and so many a minute', async () => {
    const sandbox = await aBusinessSandbox({ businessAppPerMinute: 12 });
    const [one, other] = [businessClientOf(sandbox), businessClientOf(sandbox, 'glow.short')];
    const codes = async (count: number) => {
      const all = Array.from({ length: count }, (_, index) => (index % 2 === 0 ? one : other).get('/business/get/'));
      return (await Promise.all(all)).map(({ code }) => code).sort();
    };
    expect(await codes(11)).toEqual([...Array(10).fill(0), 40100]);
    sandbox.control.advanceClock(1_001);
    expect(await codes(3)).toEqual([0, 0, 40100]);
    sandbox.control.advanceClock(61_000);
    expect(await codes(1)).toEqual([40100]);
  });
});

describe('the list of videos', () => {
  async function withPosts(sandbox: Sandbox, count: number) {
    const client = businessClientOf(sandbox);
    const url = await aHost();
    for (let number = 1; number <= count; number += 1) {
      await client.publish(url, { caption: `${number}` });
      await sandbox.control.waitUntil(({ posts }) => posts.length === number);
      sandbox.control.advanceClock(60_000);
    }
    return client;
  }
  const quick = { processingMs: 0, postIdDelayMs: 0 };
  const captions = ({ data }: { data: Record<string, unknown> }) =>
    (data['videos'] as { caption: string }[]).map(({ caption }) => caption);

  it('is newest first, page by page, with the fields that were asked for', async () => {
    const sandbox = await aBusinessSandbox(quick);
    const client = await withPosts(sandbox, 3);
    const fields = '["item_id","caption","create_time"]';
    const first = await client.videos({ fields, max_count: '2' });
    expect(captions(first)).toEqual(['3', '2']);
    expect(first.data).toMatchObject({ has_more: true });
    expect((first.data['videos'] as object[])[0]).toEqual({
      item_id: expect.stringMatching(/^\d{19}$/),
      caption: '3',
      create_time: expect.stringMatching(/^\d{10}$/),
    });
    expect(captions(await client.videos({ fields, cursor: String(first.data['cursor']) }))).toEqual(['1']);
  });

  it('gives those that are asked for, and knows duration and numbers a day later', async () => {
    const sandbox = await aBusinessSandbox(quick);
    const client = await withPosts(sandbox, 2);
    const [, second] = sandbox.control.ledger().posts;
    const filters = JSON.stringify({ video_ids: [...(second?.publicPostIds ?? []), '7000000000000000000'] });
    const ask = () => client.videos({ filters, fields: '["item_id","video_duration","likes"]' });
    expect((await ask()).data).toEqual({
      videos: [{ item_id: second?.publicPostIds[0] }],
      cursor: 0,
      has_more: false,
    });
    sandbox.control.advanceClock(86_400_000);
    const later = await businessClientOf(sandbox).videos({ filters, fields: '["item_id","video_duration","likes"]' });
    expect(later.data['videos']).toMatchObject([{ video_duration: 15, likes: 0 }]);
  });

  it.each<[string, Record<string, string>, number]>([
    ['more than twenty', { max_count: '21' }, 40002],
    ['fields that are no JSON', { fields: 'item_id,caption' }, 40002],
    ['fields without the id', { fields: '["caption","likes"]' }, 40002],
    ['a field that is none', { fields: '["item_id","favourites"]' }, 40002],
    ['a field without its permission', { fields: '["item_id","total_time_watched"]' }, 40001],
    ['ads only, of no posts', { filters: '{"ad_post_only":true}' }, 40002],
    ['a cursor that is none', { cursor: 'now' }, 40002],
  ])('refuses %s', async (_, query, code) => {
    const sandbox = await aBusinessSandbox();
    expect(await businessClientOf(sandbox, bakery, ['video.list']).videos(query)).toMatchObject({ status: 200, code });
  });
});

describe('URL properties', () => {
  const prefixOf = (url: string) => url.replace(/[^/]*$/, '');

  it('are verified by a file below the prefix', async () => {
    const sandbox = await aBusinessSandbox({ business: { urlProperties: [] } });
    let proof = '';
    const url = await aHost((_, response) => response.end(proof));
    const meta = { ...asApp(sandbox), url_property_meta: { property_type: 2, url: prefixOf(url) } };
    const ask = async (action: string) =>
      (await post(sandbox, `/business/property/${action}/`, meta)).data['url_property_info'] as Record<string, string>;
    const added = await ask('add');
    expect(added).toMatchObject({ property_status: 0, file_name: expect.stringMatching(/\.txt$/) });
    expect(await ask('verify')).toMatchObject({ property_status: 2 });
    proof = added['signature'] ?? '';
    expect(await ask('verify')).toMatchObject({ property_status: 1 });
    expect((await businessClientOf(sandbox).publish(url)).code).toBe(0);
    const list = await get(sandbox, '/business/property/list/', asApp(sandbox));
    expect(list.data['url_property_info_list']).toMatchObject([{ url: prefixOf(url), property_status: 1 }]);
    await ask('delete');
    expect((await businessClientOf(sandbox).publish(url)).code).toBe(40002);
  });

  it.each<[string, object, number]>([
    ['no credentials', { app_id: undefined }, 40002],
    ['a wrong secret', { secret: 'x' }, 40101],
    ['no property', { url_property_meta: undefined }, 40002],
    ['a prefix without a slash', { url_property_meta: { property_type: 2, url: 'https://a.test/b' } }, 40002],
    ['a domain that is a prefix', { url_property_meta: { property_type: 1, url: 'https://a.test/' } }, 40002],
  ])('are refused with %s', async (_, change, code) => {
    const sandbox = await aBusinessSandbox();
    expect((await post(sandbox, '/business/property/add/', { ...asApp(sandbox), ...change })).code).toBe(code);
  });
});

describe('webhooks', () => {
  it('go where the app said for this type of event, signed with its own secret', async () => {
    const received: { signature: unknown; version: unknown; body: string }[] = [];
    const callback_url = await aHost((request, response) => {
      let body = '';
      request.on('data', (part) => {
        body += part;
      });
      request.on('end', () => {
        const { 'tiktok-signature': signature, 'webhook-schema-version': version } = request.headers;
        received.push({ signature, version, body });
        response.end();
      });
    });
    const sandbox = await aBusinessSandbox({ webhookMode: 'automatic' });
    const subscription = { ...asApp(sandbox), event_type: 'VIDEO' };
    expect((await get(sandbox, '/business/webhook/list/', subscription)).data).not.toHaveProperty('callback_url');
    const updated = await post(sandbox, '/business/webhook/update/', { ...subscription, callback_url });
    expect(updated.data).toEqual({ app_id: sandbox.businessAppId, event_type: 'VIDEO', callback_url });
    await businessClientOf(sandbox).publish(await aHost());
    await sandbox.control.waitUntil(({ webhooks }) => webhooks.some(({ state }) => state === 'DELIVERED'));
    const [hook] = received;
    expect(JSON.parse(hook?.body ?? '')).toMatchObject({
      client_key: sandbox.businessAppId,
      event: 'post.publish.complete',
      user_openid: bakeryBusinessId,
      content: expect.stringContaining('"publish_type":"DIRECT_PUBLISH"'),
    });
    expect(hook?.version).toBe('1.0');
    const { signature } = await import('../webhooks.ts');
    const time = Number(/^t=(\d+),/.exec(String(hook?.signature))?.[1]);
    expect(hook?.signature).toBe(signature(sandbox.businessSecret, time, hook?.body ?? ''));
    await post(sandbox, '/business/webhook/delete/', subscription);
    expect(sandbox.control.businessApp().callbackUrls).toEqual({});
  });
});
