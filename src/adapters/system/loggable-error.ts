/**
 * What a log says of an error: its name, message, code, stack and cause. Nothing else that somebody attached to it, since that may be a
 * database client with its password, or the row of a statement that failed.
 */
export function loggableError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name, message, stack, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  return {
    type: name,
    message,
    ...((typeof code === 'string' || typeof code === 'number') && { code: String(code) }),
    ...(stack !== undefined && { stack }),
    ...(cause !== undefined && { cause: loggableError(cause) }),
    ...(error instanceof AggregateError && { errors: error.errors.map(loggableError) }),
  };
}
