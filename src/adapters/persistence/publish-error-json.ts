import type { PublishError } from '../../domain/publish-error.ts';
import { date } from './json.ts';

/** The one date among all errors comes back from JSON as text. */
export function publishErrorFromJson(json: object): PublishError {
  const error = json as PublishError;
  return error.code === 'UPSTREAM_RATE_LIMITED' && error.retryTime !== undefined
    ? { ...error, retryTime: date(error.retryTime) }
    : error;
}
