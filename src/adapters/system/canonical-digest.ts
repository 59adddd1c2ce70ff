import { createHash } from 'node:crypto';
import type { Digest } from '../../application/ports/digest.ts';

/** SHA-256 of the value as JSON with sorted keys. */
export const canonicalDigest: Digest = (value) =>
  createHash('sha256')
    .update(JSON.stringify(value, (_, member: unknown) => (isPlainObject(member) ? sorted(member) : member)))
    .digest('hex');

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const sorted = (object: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
