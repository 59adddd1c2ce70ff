import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { html, inlineJson, inlineSource } from '../../../scripts/report/html.ts';

describe('What strangers wrote', () => {
  it('can not end the element that its JSON is in, and comes back as it was', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('<', '/', '!', '-', 'script', '>', '"', '\\', '\u2028') }),
        (text) => {
          const json = inlineJson({ text }).toString();
          expect(json).not.toContain('<');
          expect(JSON.parse(json)).toEqual({ text });
        },
      ),
    );
  });

  it('becomes text, in an element and in an attribute', () => {
    const text = `</p><script>"'&`;
    expect(html`<p title="${text}">${[text, 1, undefined, html`<b>${text}</b>`]}</p>`.toString()).toBe(
      '<p title="&lt;/p&gt;&lt;script&gt;&quot;&#39;&amp;">&lt;/p&gt;&lt;script&gt;&quot;&#39;&amp;1<b>&lt;/p&gt;&lt;script&gt;&quot;&#39;&amp;</b></p>',
    );
  });
});

it.each(['</script>', '</STYLE >', '<!--'])('a source of our own with %s in it is not inlined', (end) => {
  expect(() => inlineSource(`a ${end} b`)).toThrow('can not be inlined');
  expect(inlineSource('a < b').toString()).toBe('a < b');
});
