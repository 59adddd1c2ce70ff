import { describe, expect, it } from 'vitest';
import { comparison, ratioOf, type Subject } from '../../../bench/support/comparison.ts';

const service: Subject = {
  name: 'service',
  rounds: [
    { perSecond: 50, cpu: 0.004 },
    { perSecond: 90, cpu: 0.002 },
    { perSecond: 60, cpu: 0.003 },
  ],
};
const bare: Subject = { name: 'bare', rounds: [{ perSecond: 100 }, { perSecond: 100 }, { perSecond: 100 }] };
const queue: Subject = { name: 'queue', rounds: [], notRun: 'not run: no Redis' };

const compared = (subjects: readonly Subject[] = [service, bare, queue]) =>
  comparison({
    about: 'Some runs.',
    circumstances: { posts: 3 },
    sections: [
      {
        name: 'fast',
        subjects,
        rows: [
          ['per second', 'perSecond', '', 1],
          ['CPU', 'cpu', 'ms', 1_000],
        ],
      },
    ],
    ratios: [
      { name: 'perSecond', label: 'per second', rounds: ratioOf('perSecond', service, bare) },
      { name: 'shown', label: 'only shown', rounds: [1, 1, 1], onlyShown: true },
      { name: 'untold', label: 'not told', rounds: [1, undefined, 1] },
    ],
    goals: [
      { text: 'at least half', rounds: ratioOf('perSecond', service, bare), limit: { atLeast: 0.5 } },
      { text: 'at least three quarters', rounds: ratioOf('perSecond', service, bare), limit: { atLeast: 0.75 } },
      { text: 'at most 3 ms', rounds: [0.002, 0.003], limit: { atMost: 0.003 }, unit: 'ms', factor: 1_000 },
      { text: 'known', rounds: [undefined], limit: { atMost: 1 } },
    ],
    failures: ['something'],
  });

/** The cells of the line that begins with this label. */
const line = (label: string) =>
  compared()
    .table.split('\n')
    .find((text) => text.startsWith(`| ${label} `))
    ?.split('|')
    .map((cell) => cell.trim())
    .slice(2, -1);

describe('a comparison', () => {
  it('shows median and spread of each subject, a dash where it has no such figure, and why it was not run', () => {
    expect(line('per second')).toEqual(['60 (50–90)', '100', 'not run: no Redis']);
    expect(line('CPU')).toEqual(['3 (2–4) ms', '–', 'not run: no Redis']);
  });

  it('gives the median of the ratios of the rounds, of those that are to be compared later', () => {
    expect(compared().ratios).toEqual({ perSecond: 0.6 });
    expect(line('only shown')).toEqual(['1 ×']);
    expect(line('not told')).toEqual(['not told']);
  });

  it('says which goals were reached: of a figure that is not known, none', () => {
    expect(line('at least half')?.at(-1)).toBe('yes');
    expect(line('at least three quarters')?.at(-1)).toBe('no');
    expect(line('at most 3 ms')).toEqual(['2.5 (2–3) ms', 'yes']);
    expect(line('known')).toEqual(['not told', 'no']);
  });

  it('gives all of it to machines, and what went wrong', () => {
    const { figures, failures } = compared();
    expect(failures).toEqual(['something']);
    expect(figures).toMatchObject({
      posts: 3,
      sections: [{ name: 'fast', subjects: [{ name: 'service', medians: { perSecond: 60 } }, {}, { rounds: [] }] }],
      goals: [{ goal: 'at least half', seen: 0.6, reached: true }, {}, {}, {}],
    });
  });
});
