import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CAPTION_LIMIT, checkCaption, hashtags, mentions } from '../../../src/domain/post/caption.ts';

describe('hashtags', () => {
  it.each<[caption: string, tags: readonly string[]]>([
    ['', []],
    ['no tags at all', []],
    ['#sun', ['sun']],
    ['Sun #sun #sea', ['sun', 'sea']],
    ['first\n#sun\t#sea', ['sun', 'sea']],
    ['#sun\u00a0#sea\u2003#sand', ['sun', 'sea', 'sand']],
    ['#a#b', ['a']],
    ['a#b', []],
    ['#', []],
    ['##a', []],
    ['# sun', []],
    ['#sun!', ['sun']],
    ['(#sun)', []],
    ['#under_score #1st #2026', ['under_score', '1st', '2026']],
    ['#café #Straße #日本 #солнце', ['café', 'Straße', '日本', 'солнце']],
    ['#cafe\u0301', ['cafe\u0301']],
    ['#हिन्दी', ['हिन्दी']],
    ['#שלום #مرحبا', ['שלום', 'مرحبا']],
    ['\u200f#שלום', []],
    ['#sun🌞 #🌞', ['sun']],
    ['🌞 #sun', ['sun']],
    ['🌞#sun', []],
    ['#Sun #sun #sun', ['Sun', 'sun', 'sun']],
    ['#a-b', ['a']],
  ])('of %j are %j', (caption, tags) => {
    expect(hashtags(caption)).toEqual(tags);
  });
});

describe('mentions', () => {
  it.each<[caption: string, names: readonly string[]]>([
    ['@acme', ['acme']],
    ['with @acme and @b', ['acme', 'b']],
    ['@acme.shop', ['acme.shop']],
    ['Thanks @acme.', ['acme']],
    ['Thanks @acme...', ['acme']],
    ['@a.b.c, really', ['a.b.c']],
    ['@.acme', []],
    ['mail me@acme.example', []],
    ['@@acme', []],
    ['@', []],
    ['@under_score9', ['under_score9']],
    ['@a@b', ['a']],
    ['#a @b #c @d', ['b', 'd']],
  ])('of %j are %j', (caption, names) => {
    expect(mentions(caption)).toEqual(names);
  });
});

describe('a caption', () => {
  const codes = (caption: string, draft = false) => checkCaption(caption, { draft }).map(({ code }) => code);

  it.each<[string, string, readonly string[]]>([
    ['2,199 letters', 'a'.repeat(2199), []],
    ['2,200 letters', 'a'.repeat(2200), []],
    ['2,201 letters', 'a'.repeat(2201), ['CAPTION_TOO_LONG']],
    ['2,198 letters and an emoji', `${'a'.repeat(2198)}🌞`, []],
    ['2,199 letters and an emoji', `${'a'.repeat(2199)}🌞`, ['CAPTION_TOO_LONG']],
    ['1,100 emoji', '🌞'.repeat(1100), []],
    ['1,101 emoji', '🌞'.repeat(1101), ['CAPTION_TOO_LONG']],
    ['200 families of 11 units', '👨‍👩‍👧‍👦'.repeat(200), []],
    ['201 families of 11 units', '👨‍👩‍👧‍👦'.repeat(201), ['CAPTION_TOO_LONG']],
    ['1,100 letters with combining marks', 'e\u0301'.repeat(1100), []],
    ['nothing', '', ['CAPTION_REQUIRED']],
    ['blanks', ' \n\t\u00a0', ['CAPTION_REQUIRED']],
    ['one letter', 'a', []],
    ['one hashtag', '#a', []],
    ['2,201 blanks', ' '.repeat(2201), ['CAPTION_TOO_LONG']],
  ])('of %s', (_, caption, expected) => {
    expect(codes(caption)).toEqual(expected);
  });

  it('of a draft may be empty, but not too long', () => {
    expect(codes('', true)).toEqual([]);
    expect(codes('a'.repeat(2201), true)).toEqual(['CAPTION_TOO_LONG']);
  });

  it('is told by how much it is too long', () => {
    expect(checkCaption('a'.repeat(2210), { draft: false })).toEqual([
      {
        code: 'CAPTION_TOO_LONG',
        severity: 'ERROR',
        field: 'caption',
        message: 'The caption is too long for TikTok by 10 characters.',
        remedy: 'Shorten it to 2200 characters; hashtags count, and an emoji counts two or more.',
        observed: '2210 UTF-16 units',
        limit: 'at most 2200 UTF-16 units',
      },
    ]);
  });

  it('is refused exactly when it has more units than the limit, or nothing to see', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 1200, size: 'max' }), (caption) => {
        const expected =
          caption.length > CAPTION_LIMIT ? ['CAPTION_TOO_LONG'] : caption.trim() === '' ? ['CAPTION_REQUIRED'] : [];
        expect(codes(caption)).toEqual(expected);
      }),
    );
  });

  it('gives back every tag that was joined by blanks', () => {
    const tag = fc.stringMatching(/^[\p{L}\p{N}_]{1,12}$/u);
    const gap = fc.constantFrom(' ', '\n', '\t', ' text ');
    fc.assert(
      fc.property(fc.array(fc.tuple(tag, gap), { maxLength: 20 }), (pairs) => {
        const caption = pairs.map(([name, blank]) => `#${name}${blank}`).join('');
        expect(hashtags(caption)).toEqual(pairs.map(([name]) => name));
      }),
    );
  });
});
