import { beforeAll, describe, expect, it } from 'vitest';
import { realService, type ServiceProcess, type Surroundings } from '../../support/service-process.ts';
import { aPost, connectAccount, postThat, publish, upload } from '../../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let service: ServiceProcess;

beforeAll(async () => {
  world = await surroundings();
  service = await world.start({ environment: { ANALYTICS_OPEN_CALLS_PER_SECOND: '5' } });
});

describe('The numbers of an account', () => {
  it('are collected by themselves, those of a post as soon as it is out, and the process ends while it collects', async () => {
    const { clients } = service;
    const connection = await connectAccount({ clients, sandbox: world.sandbox });
    const video = await upload(clients);
    const post = aPost(connection, video);
    const settings = { ...post.settings, privacy_level: 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE' };
    const { post_id } = await publish(clients, { ...post, settings });
    await postThat(clients, post_id, 'PUBLISHED');
    const collected = () =>
      world.sql(
        `select (select count(*)::int from account_day where connection_id = $1) as days,
           (select count(*)::int from measured_video as video join post on post.id = $2
             where video.tiktok_post_id = any(post.tiktok_post_ids) and video.connection_id = post.connection_id) as videos,
           (select count(*)::int from video_snapshot) > 0 as grown`,
        [connection.connection_id, post_id],
      );
    await expect.poll(collected, { timeout: 60_000, interval: 500 }).toEqual([{ days: 1, videos: 1, grown: true }]);
    expect(await service.stop()).toBe(0);
  });
});
