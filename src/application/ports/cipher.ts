import type { Secret } from '../../domain/secret.ts';

/**
 * Encrypts what must not lie open in a database. `context` says where it belongs (workspace, row, field): the same bytes moved
 * anywhere else do not open. Both throw when no usable key is there or the bytes were changed: never a wrong text.
 */
export interface Cipher {
  /** Everything that is sealed now begins with these bytes, and nothing does that another key sealed. */
  readonly mark: Uint8Array;
  seal(secret: Secret, context: readonly string[]): Uint8Array;
  open(sealed: Uint8Array, context: readonly string[]): Secret;
}
