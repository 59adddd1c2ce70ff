/**
 * What makes a repeated call harmless: the caller's id, unique per workspace for the life of what it made, and a digest of
 * what was asked. The same id with the same digest is a replay; with another one it is refused.
 */
export type RequestKey = { readonly requestId: string; readonly payloadHash: string };

/** The id came before, with another payload. */
export type RequestIdReused = { readonly code: 'REQUEST_ID_REUSED'; readonly requestId: string };
