import type { Plan } from './post.ts';

/** A post as the account's public list shows it. */
export type ListedVideo = {
  readonly tiktokPostId: string;
  readonly createTime: Date;
  /** The open family cuts it to 150 characters (open-api §7). */
  readonly caption: string;
  /** To the second at least. Absent while TikTok does not know it: a day or two in the Business family (business-api §5.1). */
  readonly durationSeconds?: number;
  readonly shareUri?: string;
};

const LISTED_CAPTION = 150;
/** TikTok's clock and ours, and the time between the last byte and the entry in the list. */
const EARLIEST_SECONDS = 300;

/**
 * The listed videos that look like this post: same caption, same length if it is known, created after its last byte was on its way. A post
 * that is not public is never listed, and moderation delays it: absence proves nothing.
 */
export const findListed = (
  post: Plan,
  { videoSeconds, finalizeTime }: { readonly videoSeconds: number; readonly finalizeTime: Date },
  listed: readonly ListedVideo[],
): readonly ListedVideo[] =>
  listed.filter(
    (video) =>
      video.caption.slice(0, LISTED_CAPTION).trim() === post.caption.slice(0, LISTED_CAPTION).trim() &&
      (video.durationSeconds === undefined || Math.abs(video.durationSeconds - videoSeconds) <= 1) &&
      video.createTime.getTime() >= finalizeTime.getTime() - EARLIEST_SECONDS * 1000,
  );
