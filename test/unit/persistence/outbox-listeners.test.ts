import type { Pool } from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { outboxListeners } from '../../../src/adapters/persistence/outbox.ts';
import type { WorkspaceId } from '../../../src/domain/ids.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** An outbox whose looks give what is told here, each once, and the places that they asked from. */
function outbox() {
  const places: unknown[] = [];
  const news: (readonly string[] | Error)[] = [];
  const pool = {
    async query(_: string, [from]: readonly unknown[]) {
      places.push(from);
      const workspaces = news.shift() ?? [];
      if (workspaces instanceof Error) throw workspaces;
      return { rows: [{ until: String(100 + places.length), workspaces }] };
    },
  } as unknown as Pool;
  const listeners = outboxListeners(pool, 'post_event');
  const calls: string[] = [];
  const listen = (name: string, workspaceId = name) =>
    listeners.subscribe({ workspaceId: workspaceId as WorkspaceId }, () => calls.push(name));
  const called = () => calls.splice(0).sort();
  return { ...listeners, places, news, listen, called };
}

const SECOND = 1_000;

describe('who listens to an outbox', () => {
  it('is called for its own workspace, by one look for all', async () => {
    const { listen, places, news, called } = outbox();
    for (const workspace of ['a', 'b', 'c']) listen(workspace);
    listen('also a', 'a');
    await vi.advanceTimersByTimeAsync(10);
    expect(called()).toEqual(['a', 'also a', 'b', 'c']); // a first look knows of nothing before
    news.push(['a', 'strange'], ['c']);
    await vi.advanceTimersByTimeAsync(SECOND);
    expect(called()).toEqual(['a', 'also a', 'c']);
    expect(places).toHaveLength(11);
    expect(places.slice(0, 4)).toEqual([null, '101', '102', '103']);
  });

  it('hears of a change of this process sooner, and of many at once by one look', async () => {
    const { listen, announce, places, news, called } = outbox();
    listen('a');
    await vi.advanceTimersByTimeAsync(30);
    called();
    news.push(['a']);
    for (let change = 0; change < 100; change += 1) announce();
    await vi.advanceTimersByTimeAsync(0);
    expect(called()).toEqual(['a']);
    for (let change = 0; change < 100; change += 1) announce();
    await vi.advanceTimersByTimeAsync(20);
    expect(places).toHaveLength(3);
  });

  it('is called when nobody can look, and the next look begins where that one did', async () => {
    const { listen, places, news, called } = outbox();
    listen('a');
    listen('b');
    await vi.advanceTimersByTimeAsync(10);
    called();
    news.push(new Error('the database is away'), ['b']);
    await vi.advanceTimersByTimeAsync(100);
    expect(called()).toEqual(['a', 'b']);
    await vi.advanceTimersByTimeAsync(100);
    expect(called()).toEqual(['b']);
    expect(places).toEqual([null, '101', '101']);
  });

  it('costs nothing when it has gone, and knows of nothing from before when it comes back', async () => {
    const { listen, announce, places, called } = outbox();
    listen('a')();
    await vi.advanceTimersByTimeAsync(SECOND);
    const looks = places.length;
    announce();
    await vi.advanceTimersByTimeAsync(SECOND);
    expect(places).toHaveLength(looks);
    called();
    listen('a');
    await vi.advanceTimersByTimeAsync(10);
    expect(called()).toEqual(['a']);
    expect(places.at(-1)).toBeNull();
  });
});
