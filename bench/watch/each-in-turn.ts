import { setTimeout as sleep } from 'node:timers/promises';

/** So short that what is told at once is no burst. */
const TICK_MILLISECONDS = 20;

/** Chooses of `count` things so many a second, each in its turn, `total` times. Who falls behind catches up. */
export async function eachInTurn(
  count: number,
  perSecond: number,
  total: number,
  work: (chosen: readonly number[]) => Promise<void>,
): Promise<void> {
  const began = performance.now();
  for (let done = 0; done < total; ) {
    const until = Math.min(total, Math.ceil(((performance.now() - began) / 1000) * perSecond));
    if (until > done) await work(Array.from({ length: until - done }, (_, index) => (done + index) % count));
    done = until;
    await sleep(TICK_MILLISECONDS);
  }
}
