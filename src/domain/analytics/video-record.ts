import { nextVideoTime } from './collection.ts';
import { type KnownOf, learn, valuesOf } from './known.ts';
import { VIDEO_NUMBERS, type VideoNumbers, type VideoReading } from './reading.ts';

/** A video and the last that is known of each of its numbers. */
export type VideoRecord = {
  readonly createTime: Date;
  readonly caption: string;
  readonly shareUri?: string;
  readonly durationSeconds?: number;
  readonly numbers: KnownOf<VideoNumbers>;
  readonly curves: KnownOf<VideoReading['curves']>;
  readonly breakdowns: KnownOf<VideoReading['breakdowns']>;
  /** When TikTok was last asked about it. */
  readonly collectTime: Date;
  /** Since when TikTok leaves it out of its answers, though asked. */
  readonly missingSince?: Date;
  /** When views, likes, comments or shares last moved; until they were seen to, when it was created. */
  readonly activityTime: Date;
  /** Absent: never again. */
  readonly nextCollectTime?: Date;
};

const ACTIVITY = ['views', 'likes', 'comments', 'shares'] as const;

/** TikTok told of it at `time`. A reading that is not newer than the last answer changes nothing. */
export function told(before: VideoRecord | undefined, reading: VideoReading, time: Date): VideoRecord {
  if (before !== undefined && before.collectTime >= time) return before;
  const { createTime, caption } = reading;
  const shareUri = reading.shareUri ?? before?.shareUri;
  const durationSeconds = reading.durationSeconds ?? before?.durationSeconds;
  const next = nextVideoTime(createTime, time);
  const moved = ACTIVITY.some((name) => {
    const [known, now] = [before?.numbers[name], reading.numbers[name]];
    return known !== undefined && now !== undefined && known.value !== now;
  });
  return {
    createTime,
    caption,
    ...(shareUri === undefined ? {} : { shareUri }),
    ...(durationSeconds === undefined ? {} : { durationSeconds }),
    numbers: learn(before?.numbers ?? {}, reading.numbers, time),
    curves: learn(before?.curves ?? {}, reading.curves, time),
    breakdowns: learn(before?.breakdowns ?? {}, reading.breakdowns, time),
    collectTime: time,
    activityTime: moved ? time : (before?.activityTime ?? createTime),
    ...(next === undefined ? {} : { nextCollectTime: next }),
  };
}

/** TikTok was asked for it at `time` and left it out: it is not public, and what is known of it stays. */
export function leftOut(before: VideoRecord, time: Date): VideoRecord {
  if (before.collectTime >= time) return before;
  const { nextCollectTime: _, ...rest } = before;
  const next = nextVideoTime(before.createTime, time);
  return {
    ...rest,
    collectTime: time,
    missingSince: before.missingSince ?? time,
    ...(next === undefined ? {} : { nextCollectTime: next }),
  };
}

/** What a snapshot of it holds, when it is worth one: a number is not what it was before. */
export function snapshotOf(before: VideoRecord | undefined, after: VideoRecord): VideoNumbers | undefined {
  const changed = VIDEO_NUMBERS.some((name) => before?.numbers[name]?.value !== after.numbers[name]?.value);
  return changed ? valuesOf<VideoNumbers>(after.numbers) : undefined;
}
