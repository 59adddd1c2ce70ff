import type { Grant } from '../state.ts';
import { type Checked, invalid, refused, valid } from './answers.ts';
import { literal, type Parameters } from './endpoints.ts';
import type { BusinessScope } from './vocabulary.ts';

/** `fields` of a GET: known names, and the holder's permission for each. One without it fails the whole call. */
export function askedFields<F extends string>(
  parameters: Parameters,
  grant: Grant,
  scopeOf: Readonly<Record<F, BusinessScope>>,
  byDefault: readonly F[],
): Checked<readonly F[]> {
  const read = literal(parameters, 'fields');
  if (!read.ok) return read;
  if (read.value === undefined) return valid(byDefault);
  if (!Array.isArray(read.value) || read.value.length === 0) return invalid('fields', 'Not a valid list.');
  const names: F[] = [];
  for (const name of read.value as unknown[]) {
    if (typeof name !== 'string' || !Object.hasOwn(scopeOf, name)) {
      return invalid('fields', `${String(name)} is not a valid field.`);
    }
    if (!grant.scopes.includes(scopeOf[name as F])) return refused(40001);
    names.push(name as F);
  }
  return valid(names);
}
