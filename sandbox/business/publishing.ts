import { isIP } from 'node:net';
import { isLoopback, rawNumber } from '../http.ts';
import { privacyOptions } from '../open/posting-rules.ts';
import type { Pulls } from '../pulls.ts';
import type { Account, PostInfo, Publish } from '../state.ts';
import type { World } from '../world.ts';
import { type Checked, invalid, missing, refused, valid } from './answers.ts';
import { type AccountEndpoint, isObject, type Outcome, requiredText, type Visit } from './endpoints.ts';
import type { Limits } from './limits.ts';
import { isVerifiedFor } from './properties.ts';

const captionLimit = 2200;
const mostMentions = 30;

const switches = {
  disable_comment: 'commentDisabled',
  disable_duet: 'duetDisabled',
  disable_stitch: 'stitchDisabled',
} as const;
const optionalFlags = ['is_ai_generated', 'upload_to_draft', 'is_ads_only'] as const;

/** What an account forbids in its own settings. A private one allows neither duet nor stitch. */
const forbidden = (account: Account) => ({
  commentDisabled: account.commentDisabled,
  duetDisabled: account.private || account.duetDisabled,
  stitchDisabled: account.private || account.stitchDisabled,
});

function readPostInfo(value: unknown, account: Account): Checked<PostInfo> {
  if (!isObject(value)) return missing('post_info');
  const caption = value['caption'] ?? '';
  if (typeof caption !== 'string') return invalid('post_info.caption', 'Not a valid string.');
  if (caption.length > captionLimit) return invalid('post_info.caption', `At most ${captionLimit} UTF-16 units.`);
  if ((caption.match(/@[\w.]+/g) ?? []).length > mostMentions) {
    return invalid('post_info.caption', `At most ${mostMentions} mentions.`);
  }
  for (const name of ['is_brand_organic', 'is_branded_content']) {
    if (value[name] === undefined) return missing(`post_info.${name}`);
    if (typeof value[name] !== 'boolean') return invalid(`post_info.${name}`, 'Not a valid boolean.');
  }
  for (const name of [...Object.keys(switches), ...optionalFlags]) {
    if (value[name] !== undefined && typeof value[name] !== 'boolean') {
      return invalid(`post_info.${name}`, 'Not a valid boolean.');
    }
  }
  const offset = value['thumbnail_offset'] ?? 0;
  if (!Number.isInteger(offset) || (offset as number) < 0) {
    return invalid('post_info.thumbnail_offset', 'Not a valid integer.');
  }
  for (const [name, setting] of Object.entries(switches)) {
    if (forbidden(account)[setting] && value[name] !== true) {
      return invalid(`post_info.${name}`, 'Must be true, as the settings of the account are.');
    }
  }
  return valid({
    title: caption,
    // There is no such parameter: a post is public, or shown in ads only.
    privacyLevel: value['is_ads_only'] === true ? 'SELF_ONLY' : 'PUBLIC_TO_EVERYONE',
    disableComment: value['disable_comment'] === true,
    disableDuet: value['disable_duet'] === true,
    disableStitch: value['disable_stitch'] === true,
    coverTimestampMs: offset as number,
    brandContent: value['is_branded_content'] === true,
    brandOrganic: value['is_brand_organic'] === true,
    aigc: value['is_ai_generated'] === true,
  });
}

export function businessPublishing(world: World, limits: Limits, pulls: Pulls): AccountEndpoint[] {
  const { state, byAccount, clock, ids, faults } = world;

  /** Gives whether TikTok will fetch it at all. */
  function checkUrl(value: string): Checked<{ url: string; verified: boolean }> {
    const url = URL.parse(value);
    if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
      return invalid('video_url', 'Not a valid URL.');
    }
    const loopback = isLoopback(url.hostname);
    if (loopback ? !state.settings.pullFromLoopback : isIP(url.hostname.replaceAll(/[[\]]/g, '')) !== 0) {
      return invalid('video_url', 'Not a public URL.');
    }
    const verified = isVerifiedFor(state.business, url);
    return verified || state.settings.unverifiedUrl === 'verdict'
      ? valid({ url: url.href, verified })
      : invalid('video_url', 'The URL is not under a verified URL property of the app.');
  }

  function publish({ account, grant, parameters }: Visit): Outcome {
    const videoUrl = requiredText(parameters, 'video_url');
    if (!videoUrl.ok) return videoUrl;
    const info = parameters['post_info'];
    if (!isObject(info)) return missing('post_info');
    const draft = info['upload_to_draft'] === true;
    if (draft && !grant.scopes.includes('video.upload')) return refused(40001);
    // Of a draft nothing else counts.
    const post = draft ? valid(null) : readPostInfo(info, account);
    if (!post.ok) return post;
    const source = checkUrl(videoUrl.value);
    if (!source.ok) return source;
    if (!limits.admitPost(account.openId)) return refused(40100, 'Too many video posts in one minute.');

    const task: Publish = {
      publishId: `v_pub_url~v1.${ids.longNumber('publish')}`,
      family: 'BUSINESS',
      openId: account.openId,
      grantId: grant.id,
      initTime: clock.now(),
      post: post.value,
      source: { kind: 'PULL_FROM_URL', url: source.value.url },
      stage: { name: 'DOWNLOADING' },
      fate: faults.forPost('business_publish', account.openId),
      receivedBytes: 0,
      ranges: [],
      sha256: null,
      looksLikeVideo: false,
    };
    byAccount.addPublish(task);
    world.changed();
    if (source.value.verified) pulls.start(task);
    else pulls.refuse(task);
    return { ok: true, data: { share_id: task.publishId } };
  }

  function statusWord({ stage }: Publish): string {
    switch (stage.name) {
      case 'UPLOADING':
      case 'DOWNLOADING':
      case 'PROCESSING':
        return 'PROCESSING_DOWNLOAD';
      case 'IN_INBOX':
        return 'SEND_TO_USER_INBOX';
      case 'COMPLETE':
        return 'PUBLISH_COMPLETE';
      case 'FAILED':
        return 'FAILED';
    }
  }

  /** Absent until the post is public, and for ever when it never will be. */
  function postIds({ stage }: Publish): object {
    if (stage.name !== 'COMPLETE') return {};
    const shown = stage.postIds.filter((postId) => state.videos.get(postId)?.public);
    if (shown.length === 0) return {};
    return { post_ids: state.settings.businessPostIds === 'number' ? shown.map(rawNumber) : shown };
  }

  return [
    {
      name: 'business_settings',
      method: 'GET',
      path: '/business/video/settings/',
      scopes: ['video.publish'],
      handle({ account }) {
        const { commentDisabled, duetDisabled, stitchDisabled } = forbidden(account);
        return {
          ok: true,
          data: {
            privacy_level_options: privacyOptions(account),
            comment_disabled: commentDisabled,
            duet_disabled: duetDisabled,
            stitch_disabled: stitchDisabled,
            max_video_post_duration_sec: account.maxVideoPostDurationSec,
          },
        };
      },
    },
    {
      name: 'business_publish',
      method: 'POST',
      path: '/business/video/publish/',
      scopes: ['video.publish'],
      handle: publish,
    },
    {
      name: 'business_status',
      method: 'GET',
      path: '/business/publish/status/',
      scopes: ['video.publish'],
      handle({ account, parameters }) {
        const publishId = requiredText(parameters, 'publish_id');
        if (!publishId.ok) return publishId;
        const found = state.publishes.get(publishId.value);
        if (found?.family !== 'BUSINESS' || found.openId !== account.openId) return refused(40007);
        const reason = found.stage.name === 'FAILED' ? { reason: found.stage.reason } : {};
        return { ok: true, data: { status: statusWord(found), ...reason, ...postIds(found) } };
      },
    },
  ];
}
