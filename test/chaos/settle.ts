import { setTimeout as delay } from 'node:timers/promises';
import type { Crew } from './crew.ts';
import type { OwnPostgres } from './own-postgres.ts';
import { hasEnded, isRightlyHeld, type PostRecord, readPosts } from './records.ts';

/** So long after all is well again, and after the moment it was waiting for then, a post that is still on its way is stuck. */
export const STUCK_AFTER_SECONDS = 300;
/** What is due for so long was forgotten. */
export const OVERDUE_SECONDS = 300;

/** TikTok has shown all that it will by then. */
const UNANSWERED_SECONDS = 45;

const LOOK_MILLISECONDS = 500;

/**
 * Waits, with every worker up and TikTok well, until each post has come to its end or waits with a reason. Gives the ids of
 * those that do neither in time.
 */
export async function settle(needs: {
  readonly postgres: OwnPostgres;
  readonly crew: Crew;
  /** Whether TikTok still works on a video. */
  readonly tiktokIsBusy: () => boolean;
  /** Ends the day of posts that only TikTok could tell about, and that it tells nothing about. */
  readonly endDayOfUnanswered: () => Promise<unknown>;
}): Promise<ReadonlySet<string>> {
  const { postgres, crew, tiktokIsBusy, endDayOfUnanswered } = needs;
  const began = Date.now();
  const atBeginning = new Map((await readPosts(postgres)).map((record) => [record.id, record]));
  /** What waits for a moment of the near future gets its time from there. */
  const deadline = ({ id }: PostRecord): number => {
    const waitsUntil = atBeginning.get(id)?.next_action_at?.getTime() ?? began;
    return Math.max(began, waitsUntil) + STUCK_AFTER_SECONDS * 1000;
  };
  /** A quota is waited for by the hour. */
  const mayWait = (record: PostRecord): boolean => isRightlyHeld(record) && record.hold?.reason === 'QUOTA';

  for (;;) {
    const records = await readPosts(postgres);
    const now = Date.now();
    const open = records.filter((record) => !hasEnded(record) && !mayWait(record));
    const inTime = open.filter((record) => deadline(record) > now);
    if (inTime.length === 0 && !tiktokIsBusy()) {
      const overdue = records.filter(
        ({ next_action_at }) => next_action_at !== null && next_action_at.getTime() < now - OVERDUE_SECONDS * 1000,
      );
      return new Set([...open, ...overdue].map(({ id }) => id));
    }
    if (!tiktokIsBusy() && now - began > UNANSWERED_SECONDS * 1000) await endDayOfUnanswered();
    await delay(LOOK_MILLISECONDS, undefined, { signal: crew.signal });
  }
}
