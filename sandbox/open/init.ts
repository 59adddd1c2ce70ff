import type { Pulls } from '../pulls.ts';
import type { Account, Grant, PostInfo, Publish } from '../state.ts';
import type { World } from '../world.ts';
import { type Checked, invalid, refused, valid } from './answers.ts';
import { type BearerEndpoint, isObject, type Outcome, perToken, type Visit } from './bearer.ts';
import { type ChunkPlan, checkChunkPlan } from './chunk-plan.ts';
import { pendingDrafts, postingBarrier, privacyOptions } from './posting-rules.ts';
import { checkPullUrl } from './pull.ts';
import { uploadPath } from './upload.ts';
import { type PrivacyLevel, privacyLevels } from './vocabulary.ts';

const titleLimit = 2200;
const uploadUrlLifeMs = 3_600_000;

type AskedSource = { kind: 'FILE_UPLOAD'; plan: ChunkPlan } | { kind: 'PULL_FROM_URL'; videoUrl: unknown };
type AskedPost = Omit<PostInfo, 'privacyLevel'> & { privacyLevel: PrivacyLevel | undefined };

const switches = {
  disableComment: 'disable_comment',
  disableDuet: 'disable_duet',
  disableStitch: 'disable_stitch',
  brandContent: 'brand_content_toggle',
  brandOrganic: 'brand_organic_toggle',
  aigc: 'is_aigc',
} as const;

function readSource(value: unknown): Checked<AskedSource> {
  if (!isObject(value)) return invalid('The source_info is required');
  if (value['source'] === 'FILE_UPLOAD') {
    const plan = checkChunkPlan(value);
    return plan.ok ? valid({ kind: 'FILE_UPLOAD', plan: plan.value }) : plan;
  }
  if (value['source'] === 'PULL_FROM_URL') return valid({ kind: 'PULL_FROM_URL', videoUrl: value['video_url'] });
  return invalid('The source is invalid');
}

function readPostInfo(value: unknown): Checked<AskedPost> {
  if (!isObject(value)) return invalid('The post_info is required');
  const title = value['title'] ?? '';
  if (typeof title !== 'string' || title.length > titleLimit) {
    return invalid(`The title must be text of at most ${titleLimit} UTF-16 units`);
  }
  const cover = value['video_cover_timestamp_ms'] ?? 0;
  if (typeof cover !== 'number') return invalid('The video_cover_timestamp_ms must be a number');
  for (const name of Object.values(switches)) {
    if (value[name] !== undefined && typeof value[name] !== 'boolean') return invalid(`The ${name} must be a boolean`);
  }
  const level = value['privacy_level'];
  if (level !== undefined && typeof level !== 'string') return invalid('The privacy_level must be text');
  if (value['brand_content_toggle'] === true && level === 'SELF_ONLY') {
    return invalid('Branded content visibility cannot be set to private.');
  }
  return valid({
    title,
    privacyLevel: privacyLevels.find((known) => known === level),
    coverTimestampMs: cover,
    disableComment: value[switches.disableComment] === true,
    disableDuet: value[switches.disableDuet] === true,
    disableStitch: value[switches.disableStitch] === true,
    brandContent: value[switches.brandContent] === true,
    brandOrganic: value[switches.brandOrganic] === true,
    aigc: value[switches.aigc] === true,
  });
}

export function initEndpoints(world: World, pulls: Pulls): BearerEndpoint[] {
  const { state, byAccount, clock, ids, faults } = world;

  /** The part of the check that answers 403. */
  function allowedSource(asked: AskedSource): Checked<Publish['source']> {
    if (asked.kind === 'PULL_FROM_URL') {
      const url = checkPullUrl(world, asked.videoUrl);
      return url.ok ? valid({ kind: 'PULL_FROM_URL', url: url.value }) : url;
    }
    const token = ids.secret('upload', 43);
    return valid({ kind: 'FILE_UPLOAD', plan: { ...asked.plan, token, expiresTime: clock.now() + uploadUrlLifeMs } });
  }

  function allowedPost(asked: AskedPost, account: Account): Checked<PostInfo> {
    const options = privacyOptions(account);
    const { privacyLevel } = asked;
    if (privacyLevel === undefined || !options.includes(privacyLevel)) return refused('privacy_level_option_mismatch');
    const barrier = postingBarrier(world, account);
    if (barrier) return refused(barrier);
    if (!state.app.audited && (!account.private || privacyLevel !== 'SELF_ONLY')) {
      return refused('unaudited_client_can_only_post_to_private_accounts');
    }
    return valid({
      ...asked,
      privacyLevel,
      disableComment: asked.disableComment || account.commentDisabled,
      disableDuet: asked.disableDuet || account.private || account.duetDisabled,
      disableStitch: asked.disableStitch || account.private || account.stitchDisabled,
    });
  }

  function begin(account: Account, grant: Grant, post: PostInfo | null, source: Publish['source']): Outcome {
    const place = post ? 'pub' : 'inbox';
    const medium = source.kind === 'FILE_UPLOAD' ? 'file' : 'url';
    const publishId = `v_${place}_${medium}~v2${post ? '-1' : ''}.${ids.longNumber('publish')}`;
    const publish: Publish = {
      publishId,
      family: 'OPEN',
      openId: account.openId,
      grantId: grant.id,
      initTime: clock.now(),
      post,
      source,
      stage: { name: source.kind === 'FILE_UPLOAD' ? 'UPLOADING' : 'DOWNLOADING' },
      fate: faults.forPost(post ? 'video_init' : 'inbox_init', account.openId),
      receivedBytes: 0,
      ranges: [],
      sha256: null,
      looksLikeVideo: false,
    };
    byAccount.addPublish(publish);
    if (post) state.activeCreators.set(account.openId, clock.now());
    world.changed();
    if (source.kind === 'PULL_FROM_URL') {
      pulls.start(publish);
      return { ok: true, data: { publish_id: publishId } };
    }
    const query = new URLSearchParams({ upload_id: publishId, upload_token: source.plan.token });
    return { ok: true, data: { publish_id: publishId, upload_url: `${world.origin()}${uploadPath}?${query}` } };
  }

  function directPost({ account, grant, body }: Visit): Outcome {
    const post = readPostInfo(body['post_info']);
    if (!post.ok) return post;
    const asked = readSource(body['source_info']);
    if (!asked.ok) return asked;
    const source = allowedSource(asked.value);
    if (!source.ok) return source;
    const allowed = allowedPost(post.value, account);
    if (!allowed.ok) return allowed;
    return begin(account, grant, allowed.value, source.value);
  }

  function draft({ account, grant, body }: Visit): Outcome {
    const asked = readSource(body['source_info']);
    if (!asked.ok) return asked;
    const source = allowedSource(asked.value);
    if (!source.ok) return source;
    if (account.banned) return refused('spam_risk_user_banned_from_posting');
    if (pendingDrafts(world, account.openId) >= state.settings.pendingDraftCap) {
      return refused('spam_risk_too_many_pending_share');
    }
    return begin(account, grant, null, source.value);
  }

  const limit = perToken(() => state.settings.initPerMinute);
  return [
    {
      name: 'video_init',
      method: 'POST',
      path: '/v2/post/publish/video/init/',
      scopes: () => ['video.publish'],
      limit,
      handle: directPost,
    },
    {
      name: 'inbox_init',
      method: 'POST',
      path: '/v2/post/publish/inbox/video/init/',
      scopes: () => ['video.upload'],
      limit,
      handle: draft,
    },
  ];
}
