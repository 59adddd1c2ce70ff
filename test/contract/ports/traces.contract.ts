import { describe, expect, it } from 'vitest';
import type { EndedCall, Traces } from '../../../src/application/ports/traces.ts';
import type { PostId } from '../../../src/domain/ids.ts';
import type { RecordedSpan } from '../../support/recording-traces.ts';

export type LookedInto = { readonly traces: Traces; readonly ended: () => readonly RecordedSpan[] };

const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const CALL: EndedCall = {
  method: 'POST',
  server: 'https://open.tiktokapis.com',
  endpoint: '/v2/post/publish/status/fetch/',
  milliseconds: 12,
  status: 200,
  code: 'ok',
  logId: '20261122L',
};
const POST = 'post_1' as PostId;
const traceOf = (traceparent: string | undefined) => traceparent?.split('-')[1];

export function tracesContract(name: string, make: () => LookedInto): void {
  describe(`Traces, as ${name}`, () => {
    it('gives what the work gives, and ends its span then', async () => {
      const { traces, ended } = make();
      const given = await traces.span({ name: 'work' }, async () => {
        expect(ended()).toEqual([]);
        return 7;
      });
      expect(given).toBe(7);
      expect(ended()).toMatchObject([{ name: 'work', kind: 'INTERNAL', facts: {} }]);
    });

    it('throws what the work throws, and tells the name of the error without its text', async () => {
      const { traces, ended } = make();
      const work = traces.span({ name: 'work' }, () => Promise.reject(new TypeError('token act.secret')));
      await expect(work).rejects.toThrow('token act.secret');
      expect(ended().map(({ facts }) => facts)).toEqual([{ failure: 'TypeError' }]);
      expect(JSON.stringify(ended())).not.toContain('act.secret');
    });

    it('makes whatever begins in a span its child, however deep, and keeps work at the same time apart', async () => {
      const { traces, ended } = make();
      const work = (side: string) =>
        traces.span({ name: side }, async () => {
          await new Promise<void>((resolve) => setImmediate(resolve));
          await traces.span({ name: `in ${side}` }, async () => traces.called(CALL));
          return traces.here();
        });
      const outer = await Promise.all(['left', 'right'].map(work));
      const inner = ['in left', 'in right'].map((each) => ended().find((span) => span.name === each));
      expect(inner.map((span) => span?.parent)).toEqual(outer);
      expect(inner.map((span) => traceOf(span?.here))).toEqual(outer.map(traceOf));
      expect(inner.map((span) => span?.calls)).toEqual([[CALL], [CALL]]);
      expect(traceOf(outer[0])).not.toBe(traceOf(outer[1]));
    });

    it('tells of the innermost span; what is told later replaces what was told before', async () => {
      const { traces, ended } = make();
      await traces.span({ name: 'outer', facts: { postId: POST, stateBefore: 'SCHEDULED' } }, async () => {
        await traces.span({ name: 'inner' }, async () => traces.tell({ outcome: 'TAKEN' }));
        traces.tell({ stateBefore: 'HELD', attempt: 2 });
      });
      expect(ended().map(({ name, facts }) => [name, facts])).toEqual([
        ['inner', { outcome: 'TAKEN' }],
        ['outer', { postId: POST, stateBefore: 'HELD', attempt: 2 }],
      ]);
    });

    it('is somewhere only within a span, and what is told elsewhere goes nowhere', async () => {
      const { traces, ended } = make();
      expect(traces.here()).toBeUndefined();
      traces.tell({ outcome: 'LOST' });
      const here = await traces.span({ name: 'work' }, async () => traces.here());
      expect(here).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-01$/);
      expect(ended()).toMatchObject([{ here, facts: {} }]);
      expect(traces.here()).toBeUndefined();
    });

    it('goes on with the trace of a caller, wherever it is called from', async () => {
      const { traces, ended } = make();
      await traces.span({ name: 'around' }, () =>
        traces.span({ name: 'answer', kind: 'SERVER', caller: { traceparent: CALLER } }, async () => undefined),
      );
      const [answer] = ended();
      expect(answer).toMatchObject({ name: 'answer', kind: 'SERVER', parent: CALLER });
      expect(traceOf(answer?.here)).toBe(traceOf(CALLER));
    });

    it.each([
      ['none', ''],
      ['no hex', CALLER.replace('0af', 'xyz')],
      ['zeros for its trace', CALLER.replace(/[\da-f]{32}/, '0'.repeat(32))],
      ['one that is cut off', CALLER.slice(0, 30)],
    ])('begins a trace of its own for a caller whose traceparent is %s', async (_, traceparent) => {
      const { traces, ended } = make();
      await traces.span({ name: 'answer', kind: 'SERVER', caller: { traceparent } }, async () => undefined);
      const [answer] = ended();
      expect(answer?.parent).toBeUndefined();
      expect(traceOf(answer?.here)).not.toBe(traceOf(CALLER));
    });

    it('gives late work a trace of its own that points back at its cause, wherever it runs', async () => {
      const { traces, ended } = make();
      await traces.span({ name: 'around' }, () => traces.span({ name: 'late', cause: CALLER }, async () => undefined));
      const [late, around] = ended();
      expect(late).toMatchObject({ name: 'late', cause: CALLER });
      expect(late?.parent).toBeUndefined();
      expect([traceOf(CALLER), traceOf(around?.here)]).not.toContain(traceOf(late?.here));
    });
  });
}
