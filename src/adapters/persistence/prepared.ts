import { createHash } from 'node:crypto';

type Statement = { readonly name: string; readonly text: string; readonly values: unknown[] };

/**
 * A statement that each connection plans once. For the hot path: PostgreSQL would plan its large statements anew each time, which
 * costs more than running them.
 */
export function prepared(text: string): (...values: readonly unknown[]) => Statement {
  const name = createHash('sha256').update(text).digest('hex').slice(0, 32);
  return (...values) => ({ name, text, values: [...values] });
}
