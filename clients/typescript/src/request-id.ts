import { createHash, randomUUID } from 'node:crypto';

/**
 * A `request_id`. With a key of the caller's own (the id of its job, say) always the same one for the same key, in every process and for ever:
 * whoever repeats the job gets the same post back. Without one it is random: keep it with what is to be repeated, before the call.
 *
 * 68 or 40 characters, whatever the length of the key.
 */
export const requestId = (key?: string): string =>
  `req_${key === undefined ? randomUUID() : createHash('sha256').update(key).digest('hex')}`;
