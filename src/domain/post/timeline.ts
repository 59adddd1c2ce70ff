import type { PublishError } from '../publish-error.ts';
import type { HoldReason, PostState, Publishing } from './post.ts';

/** A call to TikTok as it ended. */
export type TimelineCall = {
  readonly endpoint: string;
  readonly time: Date;
  /** TikTok's code (`ok`), or what the network said. */
  readonly code?: string;
  readonly logId?: string;
};

/** One change of a post: what was tried, what came of it, and what is to come. */
export type TimelineEntry = {
  readonly time: Date;
  /** Since when the same came of it again and again. */
  readonly since: Date;
  /** How often. */
  readonly count: number;
  readonly state: PostState;
  readonly phase?: Publishing['phase'];
  readonly holdReason?: HoldReason;
  readonly attempt?: number;
  readonly calls: readonly TimelineCall[];
  readonly error?: PublishError;
  /** When something happens next by itself. Absent while a worker is at it, and at the end. */
  readonly nextActionTime?: Date;
};

const alike = (left: TimelineEntry, right: TimelineEntry): boolean =>
  left.state === right.state &&
  left.phase === right.phase &&
  left.holdReason === right.holdReason &&
  left.attempt === right.attempt &&
  left.error?.code === right.error?.code &&
  left.error?.tiktokCode === right.error?.tiktokCode;

/** A day of polls is one entry with a count: of changes alike in a row the last stands for all. */
export function condensed(entries: readonly TimelineEntry[]): readonly TimelineEntry[] {
  const kept: TimelineEntry[] = [];
  for (const entry of entries) {
    const last = kept.at(-1);
    if (last === undefined || !alike(last, entry)) kept.push(entry);
    else kept[kept.length - 1] = { ...entry, since: last.since, count: last.count + entry.count };
  }
  return kept;
}
