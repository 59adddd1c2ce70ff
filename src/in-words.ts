/** What went wrong and what lies behind it, a line each. */
export function inWords(error: unknown): string {
  if (error instanceof AggregateError) return [error.message, ...error.errors.map(inWords)].join('\n');
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n  because: ${inWords(error.cause)}`;
}
