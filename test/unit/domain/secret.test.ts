import { format, inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/domain/secret.ts';

const TEXT = 'act.hunter2';

describe('a secret', () => {
  const secret = new Secret(TEXT);

  it('gives its text when asked for it', () => {
    expect(secret.reveal()).toBe(TEXT);
  });

  it.each<[string, () => unknown]>([
    ['String()', () => String(secret)],
    ['a template', () => `${secret}`],
    ['concatenation', () => `${'a '}${secret}`],
    ['toLocaleString', () => secret.toLocaleString()],
    ['JSON', () => JSON.stringify(secret)],
    ['JSON of what holds it', () => JSON.stringify({ token: secret, list: [secret] })],
    ['inspect', () => inspect(secret)],
    ['inspect of what holds it', () => inspect({ deep: { deeper: [secret] } }, { depth: 9 })],
    ['inspect with everything shown', () => inspect(secret, { showHidden: true, getters: true, depth: 9 })],
    ['inspect that ignores our own', () => inspect(secret, { customInspect: false, showHidden: true })],
    ['%s', () => format('%s', secret)],
    ['%o', () => format('%o', secret)],
    ['%O', () => format('%O', { secret })],
    ['%j', () => format('%j', secret)],
    ['%d', () => format('%d', secret)],
    ['keys', () => Object.keys(secret)],
    ['entries', () => Object.entries(secret)],
    ['own property names', () => Object.getOwnPropertyNames(secret)],
    ['a spread', () => ({ ...secret })],
    ['Object.assign', () => Object.assign({}, secret)],
    ['structuredClone', () => structuredClone({ ...secret })],
    ['an error', () => inspect(new Error('failed', { cause: { secret } }))],
    ['a key of a map', () => inspect(new Map([[secret, secret]]))],
    ['Array.join', () => [secret, secret].join()],
  ])('is not revealed by %s', (_, show) => {
    const shown = show();
    expect(typeof shown === 'string' ? shown : inspect(shown, { depth: 9 })).not.toContain('hunter2');
  });

  it('says that something was left out', () => {
    expect([String(secret), JSON.stringify(secret), inspect(secret)]).toEqual([
      '[redacted]',
      '"[redacted]"',
      '[redacted]',
    ]);
  });
});
