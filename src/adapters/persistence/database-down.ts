/** PostgreSQL's classes "connection exception", "insufficient resources" and "operator intervention". */
const PASSING_CLASSES = new Set(['08', '53', '57']);
const PASSING_SYSTEM_ERRORS = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN']);

/** Whether a failure says that the database can't be used right now, and the same call may succeed later. */
export function isDatabaseDown(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && typeof error.code === 'string') {
    if (PASSING_SYSTEM_ERRORS.has(error.code)) return true;
    if (/^[0-9A-Z]{5}$/.test(error.code)) return PASSING_CLASSES.has(error.code.slice(0, 2));
  }
  // The driver says this without a code when a connection ends under a query, or none comes free.
  if (/^Connection terminated|^timeout exceeded when trying to connect/.test(error.message)) return true;
  return isDatabaseDown(error.cause);
}
