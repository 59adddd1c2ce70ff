import type { ApiFamily } from '../domain/connection/connection.ts';
import type { PublishError } from '../domain/publish-error.ts';
import { inSeconds } from '../domain/time.ts';
import type { Clock } from './ports/clock.ts';
import type { Quota } from './ports/tiktok.ts';
import type { Traces } from './ports/traces.ts';
import type { Turns } from './ports/turns.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';

/** What can wait while TikTok's answers to the app are scarce: it gives way to all else, and gets half of them at most. */
export type Priority = 'BACKGROUND';

/** Calls that TikTok counts for the whole app, whichever account they are for. All processes share what it allows. */
export interface AppTurns {
  /**
   * Resolves with nothing when a call may be made: at once in a family without such a limit. Who would have to wait for more than a
   * quarter of a minute is told UPSTREAM_RATE_LIMITED with the time to come back; nothing is kept for them.
   */
  take(apiFamily: ApiFamily, priority?: Priority): Promise<PublishError | undefined>;
  /** TikTok said that it was asked too much: for a moment nobody asks it anything. */
  exhaust(apiFamily: ApiFamily): Promise<void>;
}

const PATIENCE_SECONDS = 15;
/** Who waits for longer looks again, so that the end of the process is seen. */
const LONGEST_SLEEP_SECONDS = 1;
/** The database gives the times, and our idea of its clock may be a little ahead. */
const SHORTEST_SLEEP_SECONDS = 0.01;

type Waiter = {
  /** Nobody waits beyond it. */
  readonly lastTime: Date;
  readonly answer: (early: PublishError | undefined) => void;
  readonly fail: (error: unknown) => void;
};
type Line = { join(rank: 'FIRST' | 'LAST'): Promise<PublishError | undefined> };

export function appTurns(needs: {
  readonly turns: Turns;
  readonly tiktoks: TikToks;
  readonly traces: Traces;
  readonly clock: Clock;
  readonly wait: (seconds: number) => Promise<void>;
  /** The process is about to stop: nobody waits any more. */
  readonly stopping: AbortSignal;
}): AppTurns {
  const { turns, tiktoks, traces, clock, wait, stopping } = needs;
  const lines = new Map<string, Line>();

  /** When a turn is free, where there is none now. */
  async function takeNow(key: string, quotas: readonly Quota[]): Promise<Date | undefined> {
    for (const quota of quotas) {
      const turn = await turns.take(keyOf(key, quota), quota);
      if (!turn.taken) return turn.freeTime;
    }
    return undefined;
  }

  /** One caller of this process at a time asks the database, for whoever is first in line by then. */
  function lineOf(key: string, quotas: readonly Quota[]): Line {
    let waiting: Readonly<Record<'FIRST' | 'LAST', readonly Waiter[]>> = { FIRST: [], LAST: [] };
    let serving = false;

    function leave(who: (waiter: Waiter) => boolean): readonly Waiter[] {
      const leaving = [...waiting.FIRST, ...waiting.LAST].filter(who);
      const stays = (waiter: Waiter): boolean => !leaving.includes(waiter);
      waiting = { FIRST: waiting.FIRST.filter(stays), LAST: waiting.LAST.filter(stays) };
      return leaving;
    }

    const isEmpty = (): boolean => waiting.FIRST.length + waiting.LAST.length === 0;

    async function serve(): Promise<void> {
      while (!isEmpty()) {
        const freeTime = await takeNow(key, quotas);
        if (freeTime === undefined) {
          const first = waiting.FIRST[0] ?? waiting.LAST[0];
          for (const { answer } of leave((waiter) => waiter === first)) answer(undefined);
          continue;
        }
        for (const { answer } of leave(({ lastTime }) => stopping.aborted || lastTime < freeTime)) {
          answer({ code: 'UPSTREAM_RATE_LIMITED', retryTime: await comeBack(key, quotas, freeTime) });
        }
        if (isEmpty()) break;
        const seconds = (freeTime.getTime() - clock.now().getTime()) / 1000;
        await wait(Math.min(Math.max(seconds, SHORTEST_SLEEP_SECONDS), LONGEST_SLEEP_SECONDS));
      }
      serving = false;
    }

    return {
      join: (rank) =>
        new Promise((answer, fail) => {
          const waiter: Waiter = { lastTime: inSeconds(clock.now(), PATIENCE_SECONDS), answer, fail };
          waiting = { ...waiting, [rank]: [...waiting[rank], waiter] };
          if (serving) return;
          serving = true;
          serve().catch((error: unknown) => {
            serving = false;
            // A database that is away is everybody's who waits.
            for (const each of leave(() => true)) each.fail(error);
          });
        }),
    };
  }

  /** Those who are sent away come back one by one. */
  async function comeBack(key: string, quotas: readonly Quota[], freeTime: Date): Promise<Date> {
    const [shortest] = quotas;
    return shortest === undefined ? freeTime : turns.next(`RETURN:${key}`, shortest, freeTime);
  }

  function line(key: string, quotas: readonly Quota[]): Line {
    const known = lines.get(key) ?? lineOf(key, quotas);
    lines.set(key, known);
    return known;
  }

  return {
    async take(apiFamily, priority) {
      const { appQuotas } = tiktokOf(tiktoks, apiFamily);
      if (appQuotas.length === 0) return undefined;
      return traces.span({ name: 'wait for a turn', facts: { apiFamily } }, async () => {
        const all = line(`APP:${apiFamily}`, appQuotas);
        const half = appQuotas.map(({ calls, windowSeconds }) => ({ calls, windowSeconds: windowSeconds * 2 }));
        const early =
          priority === undefined
            ? await all.join('FIRST')
            : ((await line(`BACKGROUND:${apiFamily}`, half).join('FIRST')) ?? (await all.join('LAST')));
        traces.tell({ outcome: early === undefined ? 'TAKEN' : 'SENT_AWAY' });
        return early;
      });
    },
    async exhaust(apiFamily) {
      const [shortest] = tiktokOf(tiktoks, apiFamily).appQuotas;
      if (shortest !== undefined) await turns.exhaust(keyOf(`APP:${apiFamily}`, shortest), shortest);
    },
  };
}

const keyOf = (key: string, { windowSeconds }: Quota): string => `${key}:${windowSeconds}`;
