/**
 * How long PostgreSQL is waited for, in milliseconds. Together shorter than the default deadline of a call, so that callers hear that it is away
 * and not that time is up.
 */
export type DatabaseLimits = {
  /** For a connection: a new one, or one of the pool that comes free. */
  readonly connect: number;
  /** For a statement. PostgreSQL ends it then, so that nothing of it is stored. */
  readonly statement: number;
};

export const DATABASE_LIMITS: DatabaseLimits = { connect: 10_000, statement: 15_000 };
