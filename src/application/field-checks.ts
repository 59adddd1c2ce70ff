import type { Finding } from '../domain/finding.ts';
import type { WorkspaceId } from '../domain/ids.ts';
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

/**
 * Pages hold 1 to 500 items; 0 means 50 (AIP-158). `prefix` is that of the listed ids. A token goes on only in the workspace
 * it was given out for: anywhere else it is as good as made up.
 */
export function pageRequest(
  request: { readonly workspaceId: WorkspaceId; readonly pageSize: number; readonly pageToken: string },
  prefix: string,
): { readonly page: PageRequest; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const { workspaceId, pageSize, pageToken } = request;
  if (!Number.isInteger(pageSize) || pageSize < 0 || pageSize > 500) {
    findings.push(invalid('page_size', String(pageSize), '0 to 500', 'Ask for 1 to 500 items, or 0 for 50.'));
  }
  const after = Buffer.from(pageToken, 'base64url')
    .toString('utf8')
    .slice(0, prefix.length + 27);
  const ours = new RegExp(`^${prefix}_[0-9a-z]{26}$`).test(after) && pageTokenOf(workspaceId, after) === pageToken;
  if (pageToken !== '' && !ours) {
    findings.push(
      invalid('page_token', pageToken.slice(0, 40), 'next_page_token of the page before', 'Start again without it.'),
    );
  }
  const size = pageSize === 0 ? 50 : pageSize;
  return { page: pageToken === '' ? { size } : { size, after }, findings };
}

/** Opaque to callers. Empty when this was the last page. */
export const pageTokenOf = (workspaceId: WorkspaceId, next: string | undefined): string =>
  next === undefined ? '' : Buffer.from(`${next}${workspaceId}`, 'utf8').toString('base64url');
