import { isOutOfReach } from '../../application/out-of-reach.ts';

/** PostgreSQL's classes "connection exception", "insufficient resources", "operator intervention" and "system error" (its disk). */
const PASSING_CLASSES = new Set(['08', '53', '57', '58']);
/** `read_only_sql_transaction`: the one that took over is elsewhere, and this connection leads to the one of before. */
const READ_ONLY = '25006';

/** Whether a failure says that the database can't be used right now, and the same call may succeed later. */
export function isDatabaseDown(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && typeof error.code === 'string') {
    if (isOutOfReach(error.code)) return true;
    if (/^[0-9A-Z]{5}$/.test(error.code))
      return PASSING_CLASSES.has(error.code.slice(0, 2)) || error.code === READ_ONLY;
  }
  // The driver says this without a code when a connection ends under a query, or none comes free.
  if (/^Connection terminated|^timeout (?:exceeded when trying to connect|expired)/.test(error.message)) return true;
  return isDatabaseDown(error.cause);
}
