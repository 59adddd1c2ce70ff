/** pino's. */
const ERROR_LEVEL = 50;

/** A sentence about the errors in a process's log, or none. */
export function errorsIn(lines: readonly string[]): readonly string[] {
  const errors = lines.filter((line) => {
    const level = /^\{"level":(\d+)/.exec(line)?.[1];
    return level !== undefined && Number(level) >= ERROR_LEVEL;
  });
  return errors.length === 0 ? [] : [`the service logged ${errors.length} errors, the first: ${errors[0]}`];
}
