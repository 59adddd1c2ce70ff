import { createHash } from 'node:crypto';
import type { Digest } from '../../src/application/ports/digest.ts';

export const canonicalDigest: Digest = (value) =>
  createHash('sha256')
    .update(JSON.stringify(value, (_, member) => (isPlain(member) ? sorted(member) : member)))
    .digest('hex');

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

const sorted = (value: object): object =>
  Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
