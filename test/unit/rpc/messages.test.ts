import { create, type DescEnum, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SNAPSHOT_INTERVAL_OF, UNAVAILABLE_REASONS } from '../../../src/adapters/rpc/analytics-messages.ts';
import {
  API_FAMILIES,
  API_FAMILY_OF,
  CONNECTION_STATE_OF,
  CONNECTION_STATES,
  connectionMessage,
} from '../../../src/adapters/rpc/connection-messages.ts';
import { UnavailableReasonSchema } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';
import { SnapshotIntervalSchema } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_service_pb.js';
import * as connectionPb from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_pb.js';
import * as postPb from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_pb.js';
import * as servicePb from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import {
  ActorSchema,
  PublishErrorSchema,
  SeveritySchema,
} from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/publish_error_pb.js';
import { VideoStateSchema } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/video_pb.js';
import * as enums from '../../../src/adapters/rpc/post-enums.ts';
import { postMessage, postWithAttempts } from '../../../src/adapters/rpc/post-messages.ts';
import { readPublishPost, readUpdatePost } from '../../../src/adapters/rpc/post-requests.ts';
import { ACTORS, publishErrorMessage, SEVERITIES } from '../../../src/adapters/rpc/publish-error-messages.ts';
import { checkText, readEnum, readEnums, readLength, readTime } from '../../../src/adapters/rpc/request-fields.ts';
import { VIDEO_STATE_OF, VIDEO_STATES, videoMessage } from '../../../src/adapters/rpc/video-messages.ts';
import type { Post } from '../../../src/domain/post/post.ts';
import type { LatePolicy } from '../../../src/domain/post/schedule.ts';
import type { PostSettings } from '../../../src/domain/post/settings.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { aConnection, anAttempt, aPlan, aVideo } from '../../contract/rpc/examples.ts';

const AT = new Date('2026-03-01T12:00:00Z');
const around = { sandbox: false, shareUri: () => undefined };

const nameOf = ({ values }: DescEnum, number: number): string | undefined =>
  values.find((value) => value.number === number)?.name;

describe('enums', () => {
  it.each([
    ['PostState', postPb.PostStateSchema, enums.POST_STATES, enums.POST_STATE_OF],
    ['PrivacyLevel', postPb.PrivacyLevelSchema, enums.PRIVACY_LEVELS, enums.PRIVACY_LEVEL_OF],
    ['LateAction', postPb.LateActionSchema, enums.LATE_ACTIONS, enums.LATE_ACTION_OF],
    ['VideoState', VideoStateSchema, VIDEO_STATES, VIDEO_STATE_OF],
    ['ConnectionState', connectionPb.ConnectionStateSchema, CONNECTION_STATES, CONNECTION_STATE_OF],
    ['ApiFamily', connectionPb.ApiFamilySchema, API_FAMILIES, API_FAMILY_OF],
  ] as const)('translates every %s there and back by its own name', (name, schema, outward, inward) => {
    const prefix = name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
    for (const [word, number] of Object.entries(outward)) {
      expect(nameOf(schema, number)).toBe(`${prefix}_${word}`);
      expect((inward as Record<number, string | undefined>)[number]).toBe(word);
    }
    expect(Object.keys(outward)).toHaveLength(schema.values.length - 1);
  });

  it.each([
    ['HoldReason', postPb.HoldReasonSchema, enums.HOLD_REASONS],
    ['PublishingPhase', postPb.PublishingPhaseSchema, enums.PUBLISHING_PHASES],
    ['AttemptOutcome', postPb.AttemptOutcomeSchema, enums.ATTEMPT_OUTCOMES],
    ['Actor', ActorSchema, ACTORS],
    ['Severity', SeveritySchema, SEVERITIES],
    ['UnavailableReason', UnavailableReasonSchema, UNAVAILABLE_REASONS],
  ] as const)('translates every %s by its own name', (name, schema, outward) => {
    const prefix = name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
    for (const [word, number] of Object.entries(outward)) expect(nameOf(schema, number)).toBe(`${prefix}_${word}`);
    expect(Object.keys(outward)).toHaveLength(schema.values.length - 1);
  });

  it('reads every interval of a history by its own name, and takes none as it is stored', () => {
    for (const [number, word] of Object.entries(SNAPSHOT_INTERVAL_OF)) {
      expect(nameOf(SnapshotIntervalSchema, Number(number))).toBe(`SNAPSHOT_INTERVAL_${word ?? 'UNSPECIFIED'}`);
    }
    expect(Object.keys(SNAPSHOT_INTERVAL_OF)).toHaveLength(SnapshotIntervalSchema.values.length);
  });

  it('names what is allowed where a number means nothing', () => {
    expect(readEnum('f', 99, enums.LATE_ACTION_OF)).toMatchObject({
      value: undefined,
      findings: [{ code: 'FIELD_INVALID', field: 'f', observed: '99', limit: 'PUBLISH, HOLD, FAIL' }],
    });
    expect(readEnum('f', 0, enums.LATE_ACTION_OF)).toEqual({ value: undefined, findings: [] });
    expect(readEnums('f', [8, 0, 8], enums.POST_STATE_OF)).toMatchObject({
      value: ['HELD'],
      findings: [{ observed: 'unspecified' }],
    });
  });
});

describe('times and lengths', () => {
  it.each([
    [-62_135_596_801n, 0],
    [253_402_300_800n, 0],
    [0n, -1],
    [0n, 1_000_000_000],
  ])('refuses the time %s s %s ns', (seconds, nanos) => {
    const { value, findings } = readTime('t', { $typeName: 'google.protobuf.Timestamp', seconds, nanos });
    expect(value).toBeUndefined();
    expect(findings).toMatchObject([{ code: 'FIELD_INVALID', field: 't' }]);
  });

  it.each([
    [-1n, 0],
    [0n, -1],
    [315_576_000_001n, 0],
    [0n, 1_000_000_000],
  ])('refuses the length %s s %s ns', (seconds, nanos) => {
    const { value, findings } = readLength('l', { $typeName: 'google.protobuf.Duration', seconds, nanos });
    expect(value).toBeUndefined();
    expect(findings).toMatchObject([{ code: 'FIELD_INVALID', field: 'l' }]);
  });

  it('takes the first and the last moment', () => {
    expect(readTime('t', timestampFromDate(new Date('0001-01-01T00:00:00Z'))).value).toEqual(
      new Date('0001-01-01T00:00:00Z'),
    );
    expect(readTime('t', timestampFromDate(new Date('9999-12-31T23:59:59.999Z'))).value).toEqual(
      new Date('9999-12-31T23:59:59.999Z'),
    );
  });
});

describe('text', () => {
  it('is refused wherever it stands', () => {
    const request = create(servicePb.PublishPostRequestSchema, {
      caption: 'fine 🎵',
      externalRef: '\0',
      labels: { 'a\ud800': 'b', c: 'd\0' },
      video: { case: 'videoUri', value: 'https://x\0' },
      settings: { consent: { userId: '\udfff' } },
    });
    expect(checkText(servicePb.PublishPostRequestSchema, request).map(({ field }) => field)).toEqual([
      'video_uri',
      'settings.consent.user_id',
      'external_ref',
      'labels',
    ]);
  });
});

const someTime = fc.date({ min: new Date(0), max: new Date('2200-01-01T00:00:00Z'), noInvalidDate: true });

const someSettings: fc.Arbitrary<PostSettings> = fc.record(
  {
    privacyLevel: fc.constantFrom('PUBLIC_TO_EVERYONE', 'MUTUAL_FOLLOW_FRIENDS', 'FOLLOWER_OF_CREATOR', 'SELF_ONLY'),
    allowComment: fc.boolean(),
    allowDuet: fc.boolean(),
    allowStitch: fc.boolean(),
    coverMilliseconds: fc.nat(600_000),
    yourBrand: fc.boolean(),
    brandedContent: fc.boolean(),
    aiGenerated: fc.boolean(),
    draft: fc.boolean(),
    consent: fc.record({
      userId: fc.string({ minLength: 1, maxLength: 20 }),
      consentTime: someTime,
      declaration: fc.string({ minLength: 1, maxLength: 20 }),
    }),
  },
  {
    requiredKeys: ['allowComment', 'allowDuet', 'allowStitch', 'yourBrand', 'brandedContent', 'aiGenerated', 'draft'],
  },
);

const somePolicy: fc.Arbitrary<LatePolicy> = fc.record({
  maxLatenessSeconds: fc.integer({ min: 1, max: 1_000_000_000 }).map((milliseconds) => milliseconds / 1000),
  action: fc.constantFrom('PUBLISH', 'HOLD', 'FAIL'),
});

describe('posts', () => {
  it('come back as they were sent: settings, late policy, time, caption and labels', () => {
    fc.assert(
      fc.property(
        someSettings,
        somePolicy,
        someTime,
        fc.string({ unit: 'grapheme' }),
        fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string()),
        (settings, latePolicy, scheduleTime, caption, labels) => {
          const plan = { ...aPlan(), settings, latePolicy, scheduleTime, caption, labels };
          const message = postMessage({ post: { ...plan, state: 'SCHEDULED' } }, around);
          const wire = fromBinary(postPb.PostSchema, toBinary(postPb.PostSchema, message));
          const { value, findings } = readUpdatePost(
            create(servicePb.UpdatePostRequestSchema, {
              post: wire,
              updateMask: { paths: ['caption', 'schedule_time', 'settings', 'late_policy', 'labels'] },
              etag: wire.etag,
            }),
          );
          expect(findings).toEqual([]);
          expect(value).toEqual({
            postId: plan.id,
            etag: '7',
            validateOnly: false,
            change: { settings, latePolicy, scheduleTime, caption, labels: { ...labels } },
          });
        },
      ),
    );
  });

  const plan = aPlan({ attempts: [anAttempt({ number: 1 }), anAttempt({ number: 2, publishId: 'v_pub_2' })] });
  const states: { readonly [S in Post['state']]: readonly [Extract<Post, { readonly state: S }>, object] } = {
    PREPARING: [{ ...plan, state: 'PREPARING' }, {}],
    SCHEDULED: [{ ...plan, state: 'SCHEDULED' }, {}],
    PUBLISHING: [
      { ...plan, state: 'PUBLISHING', phase: 'UPLOADING', error: { code: 'PLATFORM_UNAVAILABLE' } },
      { phase: postPb.PublishingPhase.UPLOADING, error: { code: 'PLATFORM_UNAVAILABLE' } },
    ],
    HELD: [
      {
        ...plan,
        state: 'HELD',
        hold: { reason: 'QUOTA', releaseTime: AT },
        error: { code: 'ACCOUNT_DAILY_POST_CAP' },
      },
      {
        hold: { reason: postPb.HoldReason.QUOTA, releaseTime: timestampFromDate(AT) },
        error: { code: 'ACCOUNT_DAILY_POST_CAP', retryTime: timestampFromDate(AT) },
      },
    ],
    PUBLISHED: [
      { ...plan, state: 'PUBLISHED', publishTime: AT, tiktokPostIds: [], publiclyAvailable: false },
      { publishTime: timestampFromDate(AT), tiktokPostId: '', shareUri: '' },
    ],
    IN_CREATOR_INBOX: [{ ...plan, state: 'IN_CREATOR_INBOX', publishTime: AT }, { publishTime: timestampFromDate(AT) }],
    FAILED: [
      { ...plan, state: 'FAILED', edited: false, error: { code: 'CONTENT_FLAGGED', tiktokCode: 'spam_risk' } },
      { error: { code: 'CONTENT_FLAGGED', tiktokCode: 'spam_risk' } },
    ],
    UNCONFIRMED: [
      { ...plan, state: 'UNCONFIRMED', error: { code: 'OUTCOME_UNCONFIRMED' } },
      { error: { code: 'OUTCOME_UNCONFIRMED' } },
    ],
    CANCELLED: [{ ...plan, state: 'CANCELLED' }, {}],
  };

  it.each(Object.values(states))('shows $state with what is true in it', (post, expected) => {
    const message = postMessage({ post }, around);
    expect(message).toMatchObject({ state: enums.POST_STATES[post.state], publishId: 'v_pub_2', ...expected });
    const absent = { phase: 0, hold: undefined, error: undefined, publishTime: undefined };
    for (const field of Object.keys(absent).filter((name) => !(name in expected)) as (keyof typeof absent)[]) {
      expect(message[field]).toBe(absent[field]);
    }
    expect(message.attempts).toEqual([]);
  });

  it('links to the first post on TikTok, where the handle is known', () => {
    const tiktokPostIds = ['71', '72'];
    const post: Post = { ...plan, state: 'PUBLISHED', publishTime: AT, tiktokPostIds, publiclyAvailable: true };
    expect(postMessage({ post }, { sandbox: true, shareUri: (id) => `https://t/${id}` })).toMatchObject({
      tiktokPostId: '71',
      shareUri: 'https://t/71',
      sandbox: true,
    });
    expect(postMessage({ post }, around)).toMatchObject({ tiktokPostId: '71', shareUri: '' });
  });

  it('never show an upload address', () => {
    const { outcome: _, endTime: __, ...live } = anAttempt({ uploadUrl: new Secret('https://upload.example/secret') });
    const message = postWithAttempts({ post: { ...plan, attempts: [live], state: 'CANCELLED' } }, around);
    expect(Buffer.from(toBinary(postPb.PostSchema, message)).includes('upload.example')).toBe(false);
    expect(message.attempts).toMatchObject([{ number: 1, outcome: 0 }]);
  });

  it.each([
    ['no length', { action: postPb.LateAction.HOLD }, ['late_policy.max_lateness']],
    [
      'a length of nothing',
      { maxLateness: { seconds: 0n }, action: postPb.LateAction.HOLD },
      ['late_policy.max_lateness'],
    ],
    ['no action', { maxLateness: { seconds: 1n } }, ['late_policy.action']],
    ['neither', {}, ['late_policy.max_lateness', 'late_policy.action']],
  ])('refuse a late policy with %s', (_, latePolicy, fields) => {
    const { value, findings } = readPublishPost(create(servicePb.PublishPostRequestSchema, { latePolicy }));
    expect(findings.map(({ field }) => field)).toEqual(fields);
    expect(value.latePolicy).toBeUndefined();
  });
});

describe('errors', () => {
  it('speak with the code of the check that failed', () => {
    const [finding] = aVideo().findings;
    if (finding === undefined) throw new Error('the example has a finding');
    expect(publishErrorMessage({ code: 'CHECK_FAILED', finding })).toMatchObject({
      code: 'VIDEO_NOT_VERTICAL',
      message: finding.message,
      remedy: finding.remedy,
    });
  });

  it('know their own retry time better than anyone', () => {
    const own = new Date('2026-03-01T13:00:00Z');
    const message = publishErrorMessage({ code: 'UPSTREAM_RATE_LIMITED', retryTime: own }, AT);
    expect(message).toEqual(
      create(PublishErrorSchema, {
        ...publishErrorMessage({ code: 'UPSTREAM_RATE_LIMITED' }),
        retryTime: timestampFromDate(own),
      }),
    );
    expect(publishErrorMessage({ code: 'CONTENT_FLAGGED' }, AT).retryTime).toBeUndefined();
  });
});

describe('connections and videos', () => {
  const surroundings = { isSandbox: () => true, profileUri: (name: string) => `https://t/@${name}` };

  it('leave out what TikTok did not say', () => {
    const { account } = connectionMessage(aConnection({ account: { openId: 'o', displayName: 'd' } }), surroundings);
    expect(account).toEqual(create(connectionPb.AccountSchema, { openId: 'o', displayName: 'd' }));
  });

  it('say why a reconnect is required', () => {
    const { state: _, ...core } = aConnection();
    const life = { accessExpireTime: AT, refreshExpireTime: AT };
    const message = connectionMessage(
      {
        ...core,
        ...life,
        state: 'RECONNECT_REQUIRED',
        reconnectReason: { code: 'ACCOUNT_ACCESS_REVOKED' },
        grantLost: true,
      },
      surroundings,
    );
    expect(message).toMatchObject({
      state: connectionPb.ConnectionState.RECONNECT_REQUIRED,
      reconnectReason: { code: 'ACCOUNT_ACCESS_REVOKED' },
      sandbox: true,
    });
  });

  it('show a rejected video without a file', () => {
    const [finding] = aVideo().findings;
    if (finding === undefined) throw new Error('the example has a finding');
    const { spec: _, sizeBytes: __, sha256: ___, ...common } = aVideo();
    const message = videoMessage({ ...common, state: 'REJECTED', findings: [finding] });
    expect(message.spec).toBeUndefined();
    expect(message).toMatchObject({
      sizeBytes: 0n,
      sha256: '',
      findings: [{ code: 'VIDEO_NOT_VERTICAL' }],
    });
  });
});
