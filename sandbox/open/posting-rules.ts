import { dayMs, recentPosts } from '../lifecycle.ts';
import type { Account } from '../state.ts';
import type { World } from '../world.ts';
import type { PrivacyLevel } from './vocabulary.ts';

const unauditedUserCap = 5;

export function privacyOptions(account: Account): PrivacyLevel[] {
  return account.private
    ? ['FOLLOWER_OF_CREATOR', 'MUTUAL_FOLLOW_FRIENDS', 'SELF_ONLY']
    : ['PUBLIC_TO_EVERYONE', 'MUTUAL_FOLLOW_FRIENDS', 'SELF_ONLY'];
}

/** Why this creator can't post directly now, whatever the post. */
export function postingBarrier(world: World, account: Account) {
  if (account.banned) return 'spam_risk_user_banned_from_posting';
  if (recentPosts(world, account.openId) >= account.dailyPostCap) return 'spam_risk_too_many_posts';
  const { state, clock } = world;
  const since = clock.now() - dayMs;
  if ((state.activeCreators.get(account.openId) ?? 0) > since) return undefined; // counted already
  let active = 0;
  for (const time of state.activeCreators.values()) if (time > since) active += 1;
  const { audited, activeUserCap } = state.app;
  const cap = audited ? activeUserCap : Math.min(activeUserCap, unauditedUserCap);
  return active >= cap ? 'reached_active_user_cap' : undefined;
}

/** Drafts of the last 24 hours that the user has not finished and that have not failed. */
export function pendingDrafts(world: World, openId: string): number {
  const since = world.clock.now() - dayMs;
  let count = 0;
  for (const { post, initTime, stage } of world.byAccount.publishes(openId)) {
    if (post !== null || initTime <= since) continue;
    if (stage.name !== 'FAILED' && stage.name !== 'COMPLETE') count += 1;
  }
  return count;
}
