import type { World } from '../world.ts';
import { refused } from './answers.ts';
import { type BearerEndpoint, perToken } from './bearer.ts';
import { postingBarrier, privacyOptions } from './posting-rules.ts';

export function creatorInfoEndpoint(world: World): BearerEndpoint {
  return {
    name: 'creator_info',
    method: 'POST',
    path: '/v2/post/publish/creator_info/query/',
    scopes: () => ['video.publish'],
    limit: perToken(() => world.state.settings.creatorInfoPerMinute),
    bodyOptional: true,
    // Documented as intentional: here these three come with HTTP 200.
    statusOf: { spam_risk_too_many_posts: 200, spam_risk_user_banned_from_posting: 200, reached_active_user_cap: 200 },
    handle({ account }) {
      const barrier = postingBarrier(world, account);
      if (barrier) return refused(barrier);
      return {
        ok: true,
        data: {
          creator_avatar_url: `${world.origin()}/avatars/${encodeURIComponent(account.username)}.jpeg`,
          creator_username: account.username,
          creator_nickname: account.displayName,
          privacy_level_options: privacyOptions(account),
          comment_disabled: account.commentDisabled,
          duet_disabled: account.private || account.duetDisabled,
          stitch_disabled: account.private || account.stitchDisabled,
          max_video_post_duration_sec: account.maxVideoPostDurationSec,
        },
      };
    },
  };
}
