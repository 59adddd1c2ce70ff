import { describe, expect, it } from 'vitest';
import { asyncCallTrace } from '../../../src/adapters/system/async-call-trace.ts';
import type { TracedCall } from '../../../src/application/ports/call-trace.ts';
import { NOW } from '../../support/builders.ts';

const call = (endpoint: string): TracedCall => ({ endpoint, time: NOW, milliseconds: 12, status: 200, code: 'ok' });

describe('CallTrace, as asyncCallTrace', () => {
  it('gives the calls that were made since it was last asked', async () => {
    const trace = asyncCallTrace();
    await trace.during(async (taken) => {
      expect(taken()).toEqual([]);
      trace.record(call('a'));
      trace.record(call('b'));
      expect(taken()).toEqual([call('a'), call('b')]);
      trace.record(call('c'));
      expect(taken()).toEqual([call('c')]);
      expect(taken()).toEqual([]);
    });
  });

  it('finds calls however deep below the work they are made', async () => {
    const trace = asyncCallTrace();
    const deeper = async (levels: number): Promise<void> => {
      await Promise.resolve();
      if (levels > 0) return deeper(levels - 1);
      await new Promise<void>((resolve) => setImmediate(resolve));
      trace.record(call('deep'));
    };
    expect(
      await trace.during(async (taken) => {
        await deeper(5);
        return taken();
      }),
    ).toEqual([call('deep')]);
  });

  it('keeps the calls of work that goes on at the same time apart', async () => {
    const trace = asyncCallTrace();
    const work = (name: string) =>
      trace.during(async (taken) => {
        for (let round = 0; round < 5; round += 1) {
          trace.record(call(`${name} ${round}`));
          await new Promise<void>((resolve) => setImmediate(resolve));
        }
        return taken().map(({ endpoint }) => endpoint);
      });
    const rounds = (name: string) => Array.from({ length: 5 }, (_, round) => `${name} ${round}`);
    expect(await Promise.all(['left', 'right'].map(work))).toEqual([rounds('left'), rounds('right')]);
  });

  it('hears calls that belong to no work, and gives them to none', async () => {
    const trace = asyncCallTrace();
    trace.record(call('nobody’s'));
    expect(await trace.during(async (taken) => taken())).toEqual([]);
  });

  it('gives what the work gives, and throws what it throws', async () => {
    const trace = asyncCallTrace();
    expect(await trace.during(async () => 7)).toBe(7);
    await expect(trace.during(() => Promise.reject(new Error('a bug')))).rejects.toThrow('a bug');
  });
});
