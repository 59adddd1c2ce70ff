import type { Call } from '../http.ts';
import { type Checked, invalid, valid } from './answers.ts';

/** The names in `?fields=a,b`. */
export const askedFields = (call: Call): string[] =>
  (call.url.searchParams.get('fields') ?? '')
    .split(',')
    .map((field) => field.trim())
    .filter((field) => field !== '');

export function checkFields<const F extends string>(call: Call, known: readonly F[]): Checked<F[]> {
  const asked = askedFields(call);
  if (asked.length === 0) return invalid('The fields parameter is required');
  const unknown = asked.find((field) => !(known as readonly string[]).includes(field));
  if (unknown !== undefined) return invalid(`The field ${unknown} is invalid`);
  return valid(known.filter((field) => asked.includes(field)));
}
