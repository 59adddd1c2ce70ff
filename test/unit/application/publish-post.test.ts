import { describe, expect, it } from 'vitest';
import { type PublishPostInput, publishPost } from '../../../src/application/publish-post.ts';
import { disconnect } from '../../../src/domain/connection/connection.ts';
import type { ConnectionId, VideoId, WorkspaceId } from '../../../src/domain/ids.ts';
import type { PostSettings } from '../../../src/domain/post/settings.ts';
import { err, ok } from '../../../src/domain/result.ts';
import {
  aDeadConnection,
  aFinding,
  anImportingVideo,
  aPolicy,
  aReadyVideo,
  aRejectedVideo,
  aRequest,
  aSpec,
  ids,
  later,
  NOW,
  OTHER_WORKSPACE,
  someSettings,
  WORKSPACE,
} from '../../support/builders.ts';
import { World } from './world.ts';

async function given(world = new World()) {
  const connection = await world.givenConnection();
  const video = await world.givenVideo();
  const input: PublishPostInput = {
    workspaceId: WORKSPACE,
    connectionId: connection.id,
    requestId: 'request',
    validateOnly: false,
    destination: 'tiktok',
    caption: 'Summer sale #sun',
    video: { videoId: video.id },
    settings: someSettings(),
    labels: {},
  };
  const publish = (parts: Partial<PublishPostInput> = {}) => publishPost(world)({ ...input, ...parts });
  return { world, connection, video, input, publish };
}

async function stored(world: World): Promise<number> {
  const { items } = await world.posts.list({ workspaceId: WORKSPACE, connectionIds: [], states: [] }, { size: 99 });
  return items.length;
}

const findingsOf = (outcome: Awaited<ReturnType<ReturnType<typeof publishPost>>>) =>
  outcome.ok || outcome.error.code !== 'INVALID'
    ? []
    : outcome.error.findings.map(({ code, field }) => `${code} ${field}`);

function withoutPrivacyLevel(): PostSettings {
  const { privacyLevel: _, ...settings } = someSettings();
  return settings;
}

describe('publishing a post', () => {
  it('accepts it at once, due now, and TikTok is not asked', async () => {
    const { world, connection, video, publish } = await given();
    const calls = world.tiktok.calls.length;
    const outcome = await publish({ externalRef: 'ref', labels: { a: 'b' } });
    if (!outcome.ok) throw new Error('refused');
    const { step, findings, replayed } = outcome.value;
    expect([findings, replayed]).toEqual([[], false]);
    expect(step).toEqual({
      post: {
        id: expect.stringMatching(/^post_/),
        requestId: 'request',
        workspaceId: WORKSPACE,
        connectionId: connection.id,
        videoId: video.id,
        caption: 'Summer sale #sun',
        settings: someSettings(),
        scheduleTime: NOW,
        latePolicy: aPolicy().latePolicy,
        externalRef: 'ref',
        labels: { a: 'b' },
        createTime: NOW,
        updateTime: NOW,
        version: 1,
        attempts: [],
        setbacks: 0,
        state: 'SCHEDULED',
      },
      nextActionTime: NOW,
    });
    expect(await world.step(step.post.id)).toEqual(step);
    expect(world.tiktok.calls).toHaveLength(calls);
    expect(world.doorbell.rings).toBe(1);
  });

  it.each([
    ['the past', later(-60)],
    ['this very moment', NOW],
  ])('for %s means now', async (_, scheduleTime) => {
    const { publish } = await given();
    expect(await publish({ scheduleTime })).toMatchObject(
      ok({ step: { post: { scheduleTime: NOW }, nextActionTime: NOW } }),
    );
  });

  it('for later sets the bell to its time', async () => {
    const { world, publish } = await given();
    const scheduleTime = later(3600);
    expect(await publish({ scheduleTime })).toMatchObject(
      ok({ step: { post: { scheduleTime }, nextActionTime: scheduleTime } }),
    );
    expect([world.doorbell.nextRing, world.doorbell.rings]).toEqual([scheduleTime, 0]);
  });

  it('takes a late policy of its own', async () => {
    const { publish } = await given();
    const latePolicy = { maxLatenessSeconds: 0.5, action: 'FAIL' } as const;
    expect(await publish({ latePolicy })).toMatchObject(ok({ step: { post: { latePolicy } } }));
  });

  it('tells of a warning, and accepts the post', async () => {
    const world = new World();
    const { publish } = await given(world);
    const video = await world.givenVideo({ spec: aSpec({ width: 1920, height: 1080 }) });
    expect(await publish({ video: { videoId: video.id } })).toMatchObject(
      ok({ findings: [{ code: 'VIDEO_NOT_VERTICAL', severity: 'WARNING' }] }),
    );
  });

  it('accepts a post for an account that waits for a reconnect', async () => {
    const world = new World();
    const { publish } = await given(world);
    const dead = aDeadConnection({ account: { openId: 'open-2', displayName: '' } });
    await world.connections.add(dead);
    expect(await publish({ connectionId: dead.id })).toMatchObject(ok({ step: { post: { state: 'SCHEDULED' } } }));
  });
});

describe('a post is refused', () => {
  const long = 'a'.repeat(2201);
  const settings = (parts: Partial<PostSettings>) => ({ settings: someSettings(parts) });
  it.each<[string, Partial<PublishPostInput>, readonly string[]]>([
    ['without a workspace', { workspaceId: '' as WorkspaceId }, ['FIELD_REQUIRED workspace_id']],
    ['without a connection', { connectionId: '' as ConnectionId }, ['FIELD_REQUIRED connection_id']],
    ['without a request id', { requestId: '' }, ['FIELD_REQUIRED request_id']],
    ['with a request id that is too long', { requestId: 'a'.repeat(201) }, ['FIELD_INVALID request_id']],
    ['with a NUL in its request id', { requestId: 'a\0' }, ['FIELD_INVALID request_id']],
    ['with an empty caption', { caption: '' }, ['CAPTION_REQUIRED caption']],
    ['with a caption that is too long', { caption: long }, ['CAPTION_TOO_LONG caption']],
    ['beyond a year', { scheduleTime: later(366 * 86_400 + 1) }, ['SCHEDULE_TOO_FAR schedule_time']],
    ['without a privacy level', { settings: withoutPrivacyLevel() }, ['PRIVACY_LEVEL_REQUIRED settings.privacy_level']],
    [
      'as private branded content',
      settings({ brandedContent: true, privacyLevel: 'SELF_ONLY' }),
      ['BRANDED_CONTENT_NOT_PRIVATE settings.branded_content'],
    ],
    [
      'with a cover outside of the video',
      settings({ coverMilliseconds: 20_501 }),
      ['COVER_OUTSIDE_VIDEO settings.cover_timestamp'],
    ],
    ['for another place', { destination: 'instagram' }, ['DESTINATION_UNKNOWN destination']],
    ['for no place', { destination: '' }, ['DESTINATION_UNKNOWN destination']],
    ['for TikTok in capitals', { destination: 'TikTok' }, ['DESTINATION_UNKNOWN destination']],
    ['without a video', { video: undefined }, ['VIDEO_REQUIRED video_id']],
    ['with an empty video id', { video: { videoId: '' as VideoId } }, ['FIELD_REQUIRED video_id']],
    [
      'with an address that is not https',
      { video: { videoUri: 'http://media.example/a.mp4' } },
      ['URI_NOT_ALLOWED video_uri'],
    ],
    ['with an external reference that is too long', { externalRef: 'a'.repeat(201) }, ['FIELD_INVALID external_ref']],
    [
      'with 65 labels',
      { labels: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`label-${index}`, ''])) },
      ['FIELD_INVALID labels'],
    ],
    ['with a label without a name', { labels: { '': 'a' } }, ['FIELD_REQUIRED labels']],
    ['with a label name that is too long', { labels: { ['a'.repeat(64)]: '' } }, ['FIELD_INVALID labels']],
    ['with a label value that is too long', { labels: { team: 'a'.repeat(256) } }, ['FIELD_INVALID labels.team']],
    [
      'with a lateness of 0',
      { latePolicy: { maxLatenessSeconds: 0, action: 'HOLD' } },
      ['FIELD_INVALID late_policy.max_lateness'],
    ],
    [
      'with a lateness that is no number',
      { latePolicy: { maxLatenessSeconds: Number.NaN, action: 'HOLD' } },
      ['FIELD_INVALID late_policy.max_lateness'],
    ],
  ])('%s', async (_, parts, findings) => {
    const { world, publish } = await given();
    expect(findingsOf(await publish(parts))).toEqual(findings);
    expect(await stored(world)).toBe(0);
    expect(world.doorbell.rings).toBe(0);
  });

  it('with everything that is wrong at once, whether it can be said without a look or not', async () => {
    const { world, publish } = await given();
    const video = await world.givenVideo({ spec: aSpec({ durationSeconds: 1 }) });
    const outcome = await publish({
      requestId: '',
      destination: 'x',
      caption: long,
      scheduleTime: later(1e9),
      video: { videoId: video.id },
      settings: withoutPrivacyLevel(),
      labels: { '': '' },
    });
    expect(findingsOf(outcome)).toEqual([
      'FIELD_REQUIRED request_id',
      'FIELD_REQUIRED labels',
      'DESTINATION_UNKNOWN destination',
      'CAPTION_TOO_LONG caption',
      'PRIVACY_LEVEL_REQUIRED settings.privacy_level',
      'SCHEDULE_TOO_FAR schedule_time',
      'VIDEO_TOO_SHORT spec.duration',
    ]);
  });

  it('without the consent that the operator asks for', async () => {
    const world = new World();
    world.policy = aPolicy({ requireConsent: true });
    const { publish } = await given(world);
    expect(findingsOf(await publish())).toEqual(['CONSENT_REQUIRED settings.consent']);
  });

  it('with a video longer than the account’s own limit', async () => {
    const world = new World();
    const { publish } = await given(world);
    const connection = await world.givenConnection({
      account: { openId: 'open-2', displayName: '', maxVideoSeconds: 10 },
    });
    expect(findingsOf(await publish({ connectionId: connection.id }))).toEqual(['VIDEO_TOO_LONG spec.duration']);
  });

  it('with a rejected video, for the reason it was rejected for', async () => {
    const world = new World();
    const { publish } = await given(world);
    const rejected = aRejectedVideo({ findings: [aFinding({ code: 'NOT_A_VIDEO', field: 'spec' })] });
    await world.videos.add(rejected);
    expect(findingsOf(await publish({ video: { videoId: rejected.id } }))).toEqual(['NOT_A_VIDEO spec']);
  });

  it.each<[string, Partial<PublishPostInput>]>([
    ['caption', { caption: 'a\0b' }],
    ['consent', settings({ consent: { userId: 'u\0', consentTime: NOW, declaration: '' } })],
  ])('with a NUL in its %s', async (_, parts) => {
    const { publish } = await given();
    expect(findingsOf(await publish(parts))).toHaveLength(1);
  });
});

describe('what a post names', () => {
  it.each<[string, (world: World) => Promise<Partial<PublishPostInput>>, string]>([
    ['an unknown connection', async () => ({ connectionId: ids.connectionId() }), 'connection'],
    ['an unknown video', async () => ({ video: { videoId: ids.videoId() } }), 'video'],
    [
      'a connection of another workspace',
      async (world) => {
        const foreign = await world.givenConnection({ workspaceId: OTHER_WORKSPACE });
        return { connectionId: foreign.id };
      },
      'connection',
    ],
    [
      'a video of another workspace',
      async (world) => ({ video: { videoId: (await world.givenVideo({ workspaceId: OTHER_WORKSPACE })).id } }),
      'video',
    ],
  ])('is not found when it is %s', async (_, parts, resource) => {
    const { world, publish } = await given();
    for (const validateOnly of [true, false]) {
      expect(await publish({ ...(await parts(world)), validateOnly })).toMatchObject(
        err({ code: 'NOT_FOUND', resource }),
      );
    }
    expect(await stored(world)).toBe(0);
  });

  it('may not be a disconnected account', async () => {
    const { world, connection, publish } = await given();
    await world.connections.update(connection.id, (current) => ok(disconnect(current, NOW)));
    expect(await publish()).toEqual(err({ code: 'CONNECTION_DISCONNECTED', state: 'DISCONNECTED', id: connection.id }));
  });

  it('is not found when the video is removed at that very moment', async () => {
    const { world, video, publish } = await given();
    const { posts } = world;
    world.posts = {
      ...posts,
      add: async (...added) => {
        await world.videos.remove(video.id);
        return posts.add(...added);
      },
    };
    expect(await publish()).toEqual(err({ code: 'NOT_FOUND', resource: 'video', id: video.id }));
  });
});

describe('validating only', () => {
  it('shows the post as it would be, and stores nothing', async () => {
    const { world, publish } = await given();
    const outcome = await publish({ validateOnly: true, scheduleTime: later(60) });
    expect(outcome).toMatchObject(
      ok({ step: { post: { id: '', state: 'SCHEDULED' }, nextActionTime: later(60) }, replayed: false }),
    );
    expect(await stored(world)).toBe(0);
    expect([world.doorbell.rings, world.doorbell.nextRing]).toEqual([0, undefined]);
    expect(await publish()).toMatchObject(ok({ replayed: false }));
  });

  it('fetches nothing', async () => {
    const { world, publish } = await given();
    const video = { videoUri: 'https://media.example/a.mp4' };
    expect(await publish({ validateOnly: true, video })).toMatchObject(ok({ step: { post: { state: 'PREPARING' } } }));
    expect(await world.videos.earliestImport()).toBeUndefined();
  });

  it('tells the same violations', async () => {
    const { publish } = await given();
    expect(findingsOf(await publish({ validateOnly: true, caption: '', destination: 'x' }))).toEqual([
      'DESTINATION_UNKNOWN destination',
      'CAPTION_REQUIRED caption',
    ]);
  });
});

describe('a repeated call', () => {
  it('gives the same post back, as it is now', async () => {
    const { world, publish } = await given();
    const first = await publish();
    if (!first.ok) throw new Error('refused');
    await world.workUntilQuiet();
    expect(await publish()).toMatchObject(
      ok({ step: { post: { id: first.value.step.post.id, state: 'PUBLISHED' } }, replayed: true, findings: [] }),
    );
    expect(await stored(world)).toBe(1);
  });

  it('gives it back also when the video and the connection are gone since', async () => {
    const { world, connection, video, publish } = await given();
    await publish();
    await world.workUntilQuiet();
    await world.videos.remove(video.id);
    await world.connections.update(connection.id, (current) => ok(disconnect(current, NOW)));
    expect(await publish()).toMatchObject(ok({ replayed: true }));
  });

  it('makes one post, a hundred times at once (PUB-12)', async () => {
    const { world, publish } = await given();
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => publish()));
    expect(new Set(outcomes.map((outcome) => outcome.ok && outcome.value.step.post.id)).size).toBe(1);
    expect(outcomes.filter((outcome) => outcome.ok && outcome.value.replayed)).toHaveLength(99);
    expect(await stored(world)).toBe(1);
  });

  it.each<[string, Partial<PublishPostInput>]>([
    ['caption', { caption: 'Other' }],
    ['time', { scheduleTime: later(60) }],
    ['settings', { settings: someSettings({ allowDuet: true }) }],
    ['labels', { labels: { a: 'b' } }],
    ['reference', { externalRef: 'ref' }],
    ['late policy', { latePolicy: { maxLatenessSeconds: 1, action: 'FAIL' } }],
  ])('is refused with another %s', async (_, parts) => {
    const { world, publish } = await given();
    await publish();
    expect(await publish(parts)).toEqual(err({ code: 'REQUEST_ID_REUSED', requestId: 'request' }));
    expect(await stored(world)).toBe(1);
  });
});

describe('a video from an address', () => {
  const video = { videoUri: 'https://media.example/a.mp4' };

  it('is fetched in the background, and the post waits for it', async () => {
    const { world, publish } = await given();
    const outcome = await publish({ video });
    if (!outcome.ok) throw new Error('refused');
    const { post, nextActionTime } = outcome.value.step;
    expect([post.state, nextActionTime]).toEqual(['PREPARING', undefined]);
    expect(await world.videos.find(post.videoId)).toMatchObject({ state: 'IMPORTING', sourceUri: video.videoUri });
    expect(world.doorbell.rings).toBe(1);
  });

  it('is fetched once, however often the call is repeated', async () => {
    const { world, publish } = await given();
    await Promise.all(Array.from({ length: 20 }, () => publish({ video })));
    expect(await world.videos.claimImports({ owner: 'w', limit: 99, leaseSeconds: 60 })).toHaveLength(1);
    expect(await stored(world)).toBe(1);
  });

  it('is found again when the service died between the import and the post', async () => {
    const { world, publish } = await given();
    const { posts } = world;
    world.posts = {
      ...posts,
      add: async () => {
        throw new Error('the service died');
      },
    };
    await expect(publish({ video })).rejects.toThrow('died');
    world.posts = posts;
    const outcome = await publish({ video });
    const imports = await world.videos.claimImports({ owner: 'w', limit: 99, leaseSeconds: 60 });
    expect(imports.map((lease) => lease.video.id)).toEqual([outcome.ok && outcome.value.step.post.videoId]);
  });

  it('that a caller imported under the same request id stays apart', async () => {
    const { world, publish } = await given();
    await world.videos.addImport(anImportingVideo(), aRequest({ requestId: 'request' }));
    expect(await publish({ video })).toMatchObject(ok({ replayed: false }));
  });
});

describe('a video that is ready between our look and our write', () => {
  it('wakes the post that waits for it', async () => {
    const { world, publish } = await given();
    const importing = anImportingVideo();
    await world.videos.addImport(importing, aRequest());
    const [lease] = await world.videos.claimImports({ owner: 'w', limit: 1, leaseSeconds: 60 });
    const { posts } = world;
    world.posts = {
      ...posts,
      add: async (...added) => {
        if (lease !== undefined) await world.videos.finishImport(lease, aReadyVideo({ id: importing.id }));
        await posts.wake({ videoId: importing.id });
        return posts.add(...added);
      },
    };
    const outcome = await publish({ video: { videoId: importing.id } });
    if (!outcome.ok) throw new Error('refused');
    expect(outcome.value.step.post.state).toBe('PREPARING');
    await world.workUntilQuiet();
    expect(await world.post(outcome.value.step.post.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  it('leaves a post alone whose video is still on its way', async () => {
    const { world, publish } = await given();
    const importing = anImportingVideo();
    await world.videos.addImport(importing, aRequest());
    await publish({ video: { videoId: importing.id } });
    expect(await world.queue.earliest()).toBeUndefined();
  });
});
