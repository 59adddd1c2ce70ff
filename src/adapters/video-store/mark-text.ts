import { createHash } from 'node:crypto';
import type { MarkOwner } from '../../application/ports/marks.ts';
import type { Mark } from '../../domain/post/mark.ts';

/** A name of 64 letters and digits: request ids are the caller's own words, and no place in a path for them. */
export const nameOfOwner = ({ id, workspaceId, requestId }: MarkOwner): string =>
  sha256(JSON.stringify(requestId === undefined ? ['post', id] : ['request', workspaceId, requestId]));

/** The same mark has the same name. */
export const nameOfMark = (mark: Mark): string => sha256(JSON.stringify(mark)).slice(0, 32);

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const OWNER = /^[0-9a-f]{64}$/;
/** Whether a name is one that `nameOfOwner` gives. */
export const isNameOfOwner = (name: string): boolean => OWNER.test(name);

/** One line, without its end. */
export const textOfMark = (mark: Mark): string => JSON.stringify(mark);

/** Throws for anything else than `textOfMark` gave: a mark that can't be read may be the one that keeps a post from going out twice. */
export function markFromText(text: string): Mark {
  const times = new Set(['intentTime', 'uploadExpireTime']);
  const mark: Mark = JSON.parse(text, (name, value) => (times.has(name) ? new Date(value) : value));
  switch (mark.kind) {
    case 'ANNOUNCED':
    case 'FETCHED':
    case 'CAME_TO_NOTHING':
      if (!(mark.intentTime instanceof Date) || Number.isNaN(mark.intentTime.getTime())) throw unreadable(text);
      return mark;
    case 'CANCELLED':
      return mark;
    default:
      throw unreadable(text);
  }
}

const unreadable = (text: string): Error => new Error(`no mark of a post: ${text.slice(0, 200)}`);
