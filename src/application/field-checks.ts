import type { Finding } from '../domain/finding.ts';
import type { ConnectionId } from '../domain/ids.ts';
import type { PageRequest } from './ports/page.ts';

/** Every text field of a request is checked by one of these, so that the answer always names field, value, limit and remedy. */
export function requireText(field: string, value: string, limit: number): readonly Finding[] {
  if (value !== '') return optionalText(field, value, limit);
  return [
    {
      code: 'FIELD_REQUIRED',
      severity: 'ERROR',
      field,
      message: `The field ${field} is required.`,
      remedy: `Set ${field}.`,
      observed: 'nothing',
      limit: `1 to ${limit} characters`,
    },
  ];
}

export function optionalText(field: string, value: string, limit: number): readonly Finding[] {
  if (value.length <= limit) return storableText(field, value);
  return [
    invalid(field, `${value.length} characters`, `at most ${limit} characters`, `Send at most ${limit} characters.`),
  ];
}

/** Text of any length. A database holds no NUL. */
export function storableText(field: string, value: string): readonly Finding[] {
  if (!value.includes('\0')) return [];
  return [invalid(field, 'a NUL character', 'text without NUL', 'Take the NUL character out.')];
}

export const invalid = (field: string, observed: string, limit: string, remedy: string): Finding => ({
  code: 'FIELD_INVALID',
  severity: 'ERROR',
  field,
  message: `The field ${field} has a value that is not allowed.`,
  remedy,
  observed,
  limit,
});

/** A window of time may be open at either end, and is never empty. */
export function checkWindow(
  from: readonly [field: string, time: Date | undefined],
  before: readonly [field: string, time: Date | undefined],
): readonly Finding[] {
  const [fromField, start] = from;
  const [beforeField, end] = before;
  if (start === undefined || end === undefined || start < end) return [];
  return [
    invalid(beforeField, end.toISOString(), `after ${fromField} (${start.toISOString()})`, 'Swap the two times.'),
  ];
}

/** Accounts to list things of. */
export const checkConnectionIds = (ids: readonly ConnectionId[]): readonly Finding[] =>
  ids.length <= 500 ? [] : [invalid('connection_ids', `${ids.length} ids`, 'at most 500', 'Ask for fewer at a time.')];

/** What a list gives as its place when it is a list of ids with this prefix. */
export const isIdWith =
  (prefix: string) =>
  (place: string): boolean =>
    new RegExp(`^${prefix}_[0-9a-z]{26}$`).test(place);

/** Of a list whose places only its store knows: it could be one. */
export const couldBePlace = (place: string): boolean => /^[ -~]{1,200}$/.test(place);

/**
 * Pages hold 1 to 500 items; 0 means 50 (AIP-158). A token goes on only in the `scope` that it was given out for, such as a
 * workspace: anywhere else it is as good as made up. `isPlace` knows the places of this list.
 */
export function pageRequest(
  request: { readonly scope: string; readonly pageSize: number; readonly pageToken: string },
  isPlace: (after: string) => boolean,
): { readonly page: PageRequest; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const { scope, pageSize, pageToken } = request;
  if (!Number.isInteger(pageSize) || pageSize < 0 || pageSize > 500) {
    findings.push(invalid('page_size', String(pageSize), '0 to 500', 'Ask for 1 to 500 items, or 0 for 50.'));
  }
  const [after = ''] = Buffer.from(pageToken, 'base64url').toString('utf8').split('\0', 1);
  const ours = isPlace(after) && pageTokenOf(scope, after) === pageToken;
  if (pageToken !== '' && !ours) findings.push(pageTokenInvalid(pageToken));
  const size = pageSize === 0 ? 50 : pageSize;
  return { page: pageToken === '' ? { size } : { size, after }, findings };
}

export const pageTokenInvalid = (pageToken: string): Finding =>
  invalid('page_token', pageToken.slice(0, 40), 'next_page_token of the page before', 'Start again without it.');

/** Opaque to callers. Empty when this was the last page. */
export const pageTokenOf = (scope: string, next: string | undefined): string =>
  next === undefined ? '' : Buffer.from(`${next}\0${scope}`, 'utf8').toString('base64url');
