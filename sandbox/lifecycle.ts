import { rawNumber } from './http.ts';
import { notFound, Refused } from './input.ts';
import type { FailReason, PrivacyLevel } from './open/vocabulary.ts';
import type { Account, Grant, Publish, Stage, Time, Video } from './state.ts';
import type { World } from './world.ts';

export const dayMs = 86_400_000;

/** TikTok's own spelling, in each family. */
const noLongerPublic = {
  OPEN: 'post.publish.no_longer_publicaly_available',
  BUSINESS: 'post.publish.no_longer_publicly_available',
};

/** What the user does with a draft in the app. */
export type DraftEnding = { posts?: number; title?: string; privacyLevel?: PrivacyLevel };

/** A publish from its last byte to its end, and what becomes of the videos. */
export type Lifecycle = {
  receivedAll(publish: Publish, file: { sha256: string; looksLikeVideo: boolean }): void;
  fail(publish: Publish, reason: FailReason): void;
  /** Ends the processing now, also when stuck. */
  finishProcessing(publishId: string): void;
  finishDraft(publishId: string, ending: DraftEnding): void;
  /** At a moment that is not before its last change; now unless said. */
  setPublic(video: Video, isPublic: boolean, time?: Time): void;
  /** Ends what was still on its way under these grants. */
  authorizationEnded(grants: Grant[]): void;
  /** After a restart: the deadlines that were running. */
  resume(): void;
};

/** Direct posts of the last 24 hours that have all their bytes, whatever app sent them. */
export function recentPosts(world: World, openId: string): number {
  const since = world.clock.now() - dayMs;
  let count = 0;
  for (const publish of world.byAccount.publishes(openId)) {
    const { name } = publish.stage;
    if (publish.post === null || publish.initTime <= since) continue;
    if (name === 'PROCESSING' || name === 'COMPLETE') count += 1;
  }
  return count;
}

export function publishLifecycle(world: World): Lifecycle {
  const { state, byAccount, clock, timeline, ids, webhooks } = world;

  const publishType = (publish: Publish) =>
    publish.post || publish.family === 'BUSINESS' ? 'DIRECT_PUBLISH' : 'INBOX_SHARE';
  const announce = (publish: Publish, event: string, content: object = {}) =>
    webhooks.announce({
      family: publish.family,
      event,
      openId: publish.openId,
      content: { publish_id: publish.publishId, publish_type: publishType(publish), ...content },
    });

  function accountOf(publish: Publish): Account {
    const account = state.accounts.get(publish.openId);
    if (!account) throw new Error(`Publish ${publish.publishId} belongs to no account.`);
    return account;
  }

  function move(publish: Publish, stage: Stage): void {
    publish.stage = stage;
    world.changed();
  }

  function fail(publish: Publish, reason: FailReason): void {
    move(publish, { name: 'FAILED', reason, failedTime: clock.now() });
    announce(publish, 'post.publish.failed', { reason });
  }

  function awaitModeration(video: Video): void {
    const dueTime = video.publicDueTime;
    if (dueTime === null) return;
    timeline.at(dueTime, () => {
      if (video.publicDueTime !== null && state.videos.has(video.postId)) setPublic(video, true, dueTime);
    });
  }

  function complete(publish: Publish, ending: { posts: number; title: string; privacyLevel: PrivacyLevel }): void {
    const now = clock.now();
    const aimsPublic = ending.privacyLevel === 'PUBLIC_TO_EVERYONE' && !accountOf(publish).private;
    const videos = Array.from({ length: ending.posts }, () => {
      const createTime = byAccount.freeCreateTime(publish.openId, now);
      const video: Video = {
        postId: ids.longNumber('post'),
        publishId: publish.publishId,
        openId: publish.openId,
        title: ending.title,
        privacyLevel: ending.privacyLevel,
        aigc: publish.post?.aigc ?? false,
        createTime,
        durationSeconds: null,
        sha256: publish.sha256 ?? '',
        public: false,
        hidden: [{ from: createTime, until: null }],
        deletedTime: null,
        publicDueTime: aimsPublic ? now + state.settings.postIdDelayMs : null,
        model: {},
      };
      byAccount.addVideo(video);
      return video;
    });
    const earlier = publish.stage.name === 'COMPLETE' ? publish.stage.postIds : [];
    const postIds = [...earlier, ...videos.map((video) => video.postId)];
    move(publish, { name: 'COMPLETE', completeTime: now, postIds });
    if (publish.family === 'OPEN') announce(publish, 'post.publish.complete');
    for (const video of videos) awaitModeration(video);
  }

  const formatObjection = ({ fate, looksLikeVideo }: Publish): FailReason | undefined =>
    fate.failReason ?? (looksLikeVideo ? undefined : 'file_format_check_failed');

  /** Why the post will not be, or undefined. The account is looked at again: much can happen since the init. */
  function objection(publish: Publish): FailReason | undefined {
    const format = formatObjection(publish);
    if (format !== undefined) return format;
    const account = accountOf(publish);
    if (account.banned) return 'spam_risk_user_banned_from_posting';
    // This publish is itself among those counted.
    if (publish.post && recentPosts(world, publish.openId) > account.dailyPostCap) return 'spam_risk_too_many_posts';
    return undefined;
  }

  function judge(publish: Publish): void {
    const reason = objection(publish);
    if (reason !== undefined) {
      fail(publish, reason);
    } else if (publish.post) {
      const { title, privacyLevel } = publish.post;
      complete(publish, { posts: publish.fate.postCount, title, privacyLevel });
    } else {
      move(publish, { name: 'IN_INBOX' });
      if (publish.family === 'OPEN') announce(publish, 'post.publish.inbox_delivered');
    }
  }

  function awaitVerdict(publish: Publish, dueTime: number): void {
    timeline.at(dueTime, () => {
      const current = state.publishes.get(publish.publishId) === publish && publish.stage.name === 'PROCESSING';
      if (current) judge(publish);
    });
  }

  function setPublic(video: Video, isPublic: boolean, time = clock.now()): void {
    video.publicDueTime = null;
    if (video.public === isPublic) return;
    video.public = isPublic;
    const last = video.hidden.at(-1);
    if (!isPublic) video.hidden.push({ from: time, until: null });
    else if (last) last.until = time;
    if (video.publishId !== null) announceVisibility(video, find(video.publishId));
    world.changed();
  }

  function announceVisibility({ postId, public: isPublic }: Video, publish: Publish): void {
    announce(publish, isPublic ? 'post.publish.publicly_available' : noLongerPublic[publish.family], {
      post_id:
        publish.family === 'BUSINESS' && state.settings.businessPostIds === 'number' ? rawNumber(postId) : postId,
    });
  }

  function find(publishId: string): Publish {
    return state.publishes.get(publishId) ?? notFound('publishId', publishId, 'GET /_sandbox/ledger lists the inits.');
  }

  return {
    receivedAll(publish, file) {
      publish.sha256 = file.sha256;
      publish.looksLikeVideo = file.looksLikeVideo;
      const dueTime = publish.fate.stuck ? null : clock.now() + state.settings.processingMs;
      move(publish, { name: 'PROCESSING', dueTime });
      // There this event says that the file came and is well, not that moderation is over.
      if (publish.family === 'BUSINESS' && formatObjection(publish) === undefined) {
        announce(publish, 'post.publish.complete');
      }
      if (dueTime !== null) awaitVerdict(publish, dueTime);
    },
    fail,
    finishProcessing(publishId) {
      const publish = find(publishId);
      if (publish.stage.name !== 'PROCESSING') {
        throw new Refused(409, {
          field: 'publishId',
          seen: publish.stage.name,
          limit: 'must be in PROCESSING',
          remedy: 'Send all bytes first.',
        });
      }
      judge(publish);
    },
    finishDraft(publishId, { posts = 1, title = '', privacyLevel = 'PUBLIC_TO_EVERYONE' }) {
      const publish = find(publishId);
      const { name } = publish.stage;
      if (publish.post || (name !== 'IN_INBOX' && name !== 'COMPLETE')) {
        throw new Refused(409, {
          field: 'publishId',
          seen: name,
          limit: 'must be a draft in the inbox',
          remedy: 'Wait for SEND_TO_USER_INBOX.',
        });
      }
      complete(publish, { posts, title, privacyLevel });
    },
    setPublic,
    authorizationEnded(grants) {
      const ended = new Set(grants.map((grant) => grant.id));
      for (const publish of state.publishes.values()) {
        const underWay = publish.stage.name === 'UPLOADING' || publish.stage.name === 'DOWNLOADING';
        if (underWay && ended.has(publish.grantId)) fail(publish, 'auth_removed');
      }
    },
    resume() {
      for (const publish of state.publishes.values()) {
        if (publish.stage.name === 'PROCESSING' && publish.stage.dueTime !== null) {
          awaitVerdict(publish, publish.stage.dueTime);
        }
      }
      for (const video of state.videos.values()) awaitModeration(video);
    },
  };
}
