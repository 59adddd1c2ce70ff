import { type Answer, json } from '../http.ts';
import type { World } from '../world.ts';
import { type BusinessCode, businessCodes } from './vocabulary.ts';

/** What an endpoint found wrong. */
export type Refusal = { readonly ok: false; readonly code: BusinessCode; readonly message?: string };
export type Checked<T> = { readonly ok: true; readonly value: T } | Refusal;

export const valid = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });

export const refused = (code: BusinessCode, message?: string): Refusal => ({
  ok: false,
  code,
  ...(message === undefined ? {} : { message }),
});

export const missing = (field: string): Refusal => refused(40002, `${field}: Missing data for required field.`);
export const invalid = (field: string, rule: string): Refusal => refused(40002, `${field}: ${rule}`);

/** HTTP 200 whatever happened: `code` alone tells. */
function envelope(world: World, code: number, message: string, data: object): Answer {
  const requestId = world.ids.logId(world.clock.now());
  const answer = json(200, { code, message, request_id: requestId, data }, code === 0 ? undefined : String(code));
  return { ...answer, headers: { ...answer.headers, 'x-tt-logid': requestId } };
}

export const approve = (world: World, data: object): Answer => envelope(world, 0, 'OK', data);

export const deny = (world: World, { code, message }: Omit<Refusal, 'ok'>): Answer =>
  envelope(world, code, message ?? businessCodes[code], {});
