import { expect, it } from 'vitest';
import { parseExposition } from '../../support/exposition.ts';

const counter = (...samples: readonly string[]) =>
  ['# HELP a_total A.', '# TYPE a_total counter', ...samples, ''].join('\n');
const histogram = (...samples: readonly string[]) => ['# HELP h H.', '# TYPE h histogram', ...samples, ''].join('\n');

it('reads what is right', () => {
  const text = counter('a_total{b="x\\"\\n\\\\",c="é}"} 1.5e-7', 'a_total{b="y",c=""} +Inf');
  expect(parseExposition(text).get('a_total')).toEqual({
    name: 'a_total',
    type: 'counter',
    help: 'A.',
    samples: [
      { name: 'a_total', labels: { b: 'x"\n\\', c: 'é}' }, value: 1.5e-7 },
      { name: 'a_total', labels: { b: 'y', c: '' }, value: Number.POSITIVE_INFINITY },
    ],
  });
});

it.each([
  ['an end', counter('a_total 1').trimEnd()],
  ['a HELP', '# TYPE a_total counter\na_total 1\n'],
  ['a TYPE', '# HELP a_total A.\na_total 1\n'],
  ['a type there is', counter('a_total 1').replace('counter', 'figure')],
  ['its own family', counter('b_total 1')],
  ['each family once', counter('a_total 1') + counter('a_total{b="x"} 1')],
  ['each series once', counter('a_total{b="x",c="y"} 1', 'a_total{c="y",b="x"} 2')],
  ['each label once', counter('a_total{b="x",b="x"} 1')],
  ['a figure', counter('a_total one')],
  ['quotes', counter('a_total{b=x} 1')],
  ['escapes', counter('a_total{b="x"y"} 1')],
  ['no comma too many', counter('a_total{b="x",} 1')],
  ['a last bucket', histogram('h_bucket{le="1"} 1', 'h_sum 1', 'h_count 1')],
  ['buckets that grow', histogram('h_bucket{le="1"} 2', 'h_bucket{le="+Inf"} 1', 'h_sum 1', 'h_count 1')],
  ['a count that fits', histogram('h_bucket{le="+Inf"} 1', 'h_sum 1', 'h_count 2')],
  ['a sum', histogram('h_bucket{le="+Inf"} 1', 'h_count 1')],
])('insists on %s', (_, text) => {
  expect(() => parseExposition(text)).toThrow();
});
