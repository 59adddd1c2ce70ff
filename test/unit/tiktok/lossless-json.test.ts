import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLosslessJson } from '../../../src/adapters/tiktok/lossless-json.ts';

describe('JSON without loss', () => {
  it('keeps every digit of an id of 19 digits, wherever it is', () => {
    expect(parseLosslessJson('{"data":{"ids":[7611111122222222223, 12]},"id":-9007199254740993}')).toEqual({
      data: { ids: ['7611111122222222223', 12] },
      id: '-9007199254740993',
    });
  });

  it.each(['[?]', '[ ?]', '[1,?]', '[1,\n\t?]', '{"id":?}', '{"id": ?}', '{"a":"b","id"\r\n:\r\n?,"c":1}'])(
    'keeps them in %s',
    (around) => {
      for (const digits of ['9007199254740993', '-9007199254740993']) {
        const text = around.replace('?', digits);
        expect(parseLosslessJson(text)).toEqual(JSON.parse(around.replace('?', `"${digits}"`)));
      }
    },
  );

  it.each([
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740992', '9007199254740992'],
    ['9007199254740993', '9007199254740993'],
    ['-9007199254740991', Number.MIN_SAFE_INTEGER],
    ['1'.repeat(400), '1'.repeat(400)],
    ['0.5', 0.5],
    ['1e3', 1000],
    ['"7611111122222222223"', '7611111122222222223'],
  ])('reads %s', (text, value) => {
    expect(parseLosslessJson(text)).toBe(value);
  });

  it('never changes an integer', () => {
    fc.assert(
      fc.property(fc.bigInt(), (integer) => {
        expect(parseLosslessJson(`{"id":${integer}}`)).toEqual({
          id: Number.isSafeInteger(Number(integer)) ? Number(integer) : String(integer),
        });
      }),
    );
  });

  it('reads everything that has no large integer as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const value = JSON.parse(text);
        fc.pre(!JSON.stringify(value).match(/\d{16}/));
        expect(parseLosslessJson(text)).toEqual(value);
      }),
    );
  });
});
