import { type Answer, json } from '../http.ts';
import type { World } from '../world.ts';
import { type ErrorCode, errors, type OAuthErrorCode, oauthErrors } from './vocabulary.ts';

/** What an endpoint found wrong; `status` only where an endpoint differs from the table. */
export type Refusal = {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly message?: string;
  readonly status?: number;
};
export type Checked<T> = { readonly ok: true; readonly value: T } | Refusal;

export const valid = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });

export const refused = (code: ErrorCode, message?: string): Refusal => ({
  ok: false,
  code,
  ...(message === undefined ? {} : { message }),
});

export const invalid = (message: string): Refusal => refused('invalid_params', message);

export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errors, code);

const withLogId = (answer: Answer, logId: string): Answer => ({
  ...answer,
  headers: { ...answer.headers, 'x-tt-logid': logId },
});

/** `{data, error}`, as all JSON endpoints answer. Without `data`: the key is absent. */
export function envelope(world: World, data: object | undefined): Answer {
  const logId = world.ids.logId(world.clock.now());
  return withLogId(json(200, { data, error: { code: 'ok', message: '', log_id: logId } }), logId);
}

export function errorEnvelope(world: World, { code, message, status }: Omit<Refusal, 'ok'>): Answer {
  const logId = world.ids.logId(world.clock.now());
  const error = { code, message: message ?? errors[code].message, log_id: logId };
  return withLogId(json(status ?? errors[code].status, { data: {}, error }, code), logId);
}

/** OAuth endpoints say no in a flat body, with HTTP 200. */
export function oauthError(world: World, code: OAuthErrorCode, description?: string): Answer {
  const logId = world.ids.logId(world.clock.now());
  const body = { error: code, error_description: description ?? oauthErrors[code], log_id: logId };
  return withLogId(json(200, body, code), logId);
}
