import type { VideoPage } from '../../application/ports/tiktok.ts';
import type { VideoReading } from '../../domain/analytics/reading.ts';
import type { PublishError } from '../../domain/publish-error.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { Answer } from './answer.ts';
import { asPositive, asWhole, isDefined } from './fields.ts';
import { isJsonObject, type JsonObject } from './lossless-json.ts';
import { malformed } from './refusal.ts';

/** Undefined: the video has no id or time that can be read. */
type ReadVideo = (video: JsonObject) => VideoReading | undefined;
type Approved = { readonly data: JsonObject; readonly answer: Answer };

/** Both families page alike (open-api §7.1, business-api §5). How many there are says nothing: `has_more` does. */
export function readPage(approved: Approved, before: Date, read: ReadVideo): Result<VideoPage, PublishError> {
  const videos = readVideos(approved, read);
  if (!videos.ok) return videos;
  const { data, answer } = approved;
  const more = data['has_more'] ?? false;
  if (typeof more !== 'boolean') return err(malformed(answer, 'has_more'));
  if (!more) return ok({ videos: videos.value });
  const cursor = asPositive(asWhole(data['cursor']));
  // One that does not go back would have us ask for the same page for ever.
  if (cursor === undefined || cursor >= before.getTime()) return err(malformed(answer, 'cursor'));
  return ok({ videos: videos.value, olderThan: new Date(cursor) });
}

/** Those of `tiktokPostIds`: what TikTok makes of others, or of a filter that it does not know, is not documented (business-api §13.5). */
export function readAsked(
  approved: Approved,
  tiktokPostIds: readonly string[],
  read: ReadVideo,
): Result<readonly VideoReading[], PublishError> {
  const videos = readVideos(approved, read);
  return videos.ok ? ok(videos.value.filter(({ tiktokPostId }) => tiktokPostIds.includes(tiktokPostId))) : videos;
}

/** Each once. One that can't be read is left out, but where none can, TikTok speaks of them in a way that is new to us. */
function readVideos({ data, answer }: Approved, read: ReadVideo): Result<readonly VideoReading[], PublishError> {
  const listed = data['videos'] ?? [];
  if (!Array.isArray(listed)) return err(malformed(answer, 'videos'));
  const videos = listed.filter(isJsonObject).map(read).filter(isDefined);
  if (videos.length === 0 && listed.length > 0) return err(malformed(answer, 'video'));
  return ok([...new Map(videos.map((video) => [video.tiktokPostId, video])).values()]);
}
