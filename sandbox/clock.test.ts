import { describe, expect, it } from 'vitest';
import { movableClock, timeline } from './clock.ts';

describe('the timeline', () => {
  it('runs what is due, earliest first, and of the same moment in the order of arrival', () => {
    const position = { clockOffsetMs: 0 };
    const clock = movableClock(position);
    const time = timeline(clock);
    const seen: string[] = [];
    const begin = clock.now();
    for (const [minute, name] of [
      [3, 'c'],
      [1, 'a'],
      [2, 'b'],
      [1, 'a again'],
      [9, 'late'],
    ] as const) {
      time.at(begin + minute * 60_000, () => void seen.push(name));
    }
    time.runDue();
    expect(seen).toEqual([]);
    position.clockOffsetMs = 5 * 60_000;
    time.runDue();
    expect(seen).toEqual(['a', 'a again', 'b', 'c']);
    time.clear();
    position.clockOffsetMs = 10 * 60_000;
    time.runDue();
    expect(seen).not.toContain('late');
  });

  it('runs by itself when the time comes, also what is added last and due first', async () => {
    const clock = movableClock({ clockOffsetMs: 0 });
    const time = timeline(clock);
    time.at(clock.now() + 3_600_000, () => undefined);
    const { promise, resolve } = Promise.withResolvers<void>();
    time.at(clock.now() + 5, resolve);
    await promise;
    time.clear();
  });
});
