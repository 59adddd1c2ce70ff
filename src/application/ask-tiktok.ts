import type { Connection } from '../domain/connection/connection.ts';
import { findListed } from '../domain/post/match.ts';
import type { Finalizing, InCreatorInbox, Processing, Published, Unconfirmed, Uploading } from '../domain/post/post.ts';
import type { PublishStatus } from '../domain/post/verdict.ts';
import type { PublishError } from '../domain/publish-error.ts';
import { ok, type Result } from '../domain/result.ts';
import type { TokenUse } from './account-access.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Posts } from './ports/posts.ts';
import type { Videos } from './ports/videos.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';

/** Moderation may hold a post back this long; its time in the list is when it was created all the same. */
const LIST_WINDOW_MILLISECONDS = 2 * 86_400_000;

/** A post that TikTok was told of. */
export type AtTikTok = Uploading | Finalizing | Processing | Published | InCreatorInbox | Unconfirmed;

/**
 * Asks how a post stands: by its publish id and, when that tells nothing of an unconfirmed one, by the account's video list. `known`: its
 * connection as it was read a moment ago.
 */
export type AskTikTok = (post: AtTikTok, known?: Connection) => Promise<Result<PublishStatus, PublishError>>;

export function askTikTok(needs: {
  readonly posts: Posts;
  readonly connections: Connections;
  readonly videos: Videos;
  readonly access: TokenUse;
  readonly tiktoks: TikToks;
  readonly clock: Clock;
}): AskTikTok {
  const { posts, connections, videos, access, tiktoks, clock } = needs;
  return async (post, known) => {
    const attempt = post.attempts.at(-1);
    if (attempt === undefined) throw new Error(`post ${post.id} was never tried`);
    const connection = known ?? (await connections.find(post.connectionId));
    if (connection === undefined) throw new Error(`post ${post.id} has no connection`);
    const { publishing } = tiktokOf(tiktoks, connection.apiFamily);

    const { publishId } = attempt;
    // A pull whose answer was lost has none: then only the list can tell.
    const status: Result<PublishStatus, PublishError> =
      publishId === undefined
        ? ok({ state: 'WORKING' })
        : await access.call(connection, (token) => publishing.readStatus(token, publishId), 'READ_STATUS');
    const told = status.ok && status.value.state !== 'WORKING';
    const byList = post.state === 'UNCONFIRMED' || publishId === undefined;
    if (told || !byList || attempt.finalizeTime === undefined) return status;
    if (!connection.grantedScopes.includes('video.list')) return status;

    const video = await videos.find(post.videoId);
    if (video?.state !== 'READY') return status;
    // TikTok's list is newest first and short: the post is looked for where it would be.
    const before = new Date(Math.min(clock.now().getTime(), attempt.finalizeTime.getTime() + LIST_WINDOW_MILLISECONDS));
    const listed = await access.call(post.connectionId, (token) => publishing.listVideos(token, before));
    if (!listed.ok) return status.ok ? listed : status;
    const finalizeTime = attempt.finalizeTime;
    const matches = findListed(post, { videoSeconds: video.spec.durationSeconds, finalizeTime }, listed.value);
    const [match, second] = matches;
    if (match === undefined || second !== undefined) return status;
    const owner = await posts.findByTiktokPostId(post.connectionId, match.tiktokPostId);
    return owner === undefined || owner === post.id
      ? ok({ state: 'PUBLISHED', tiktokPostIds: [match.tiktokPostId] })
      : status;
  };
}
