/** What Node says of a stream or a socket whose other side has left. */
const GONE = new Set([
  'ECANCELED',
  'ECONNRESET',
  'EPIPE',
  'ERR_HTTP2_INVALID_STREAM',
  'ERR_HTTP2_STREAM_ERROR',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_WRITE_AFTER_END',
]);

/** Whether reading from a caller or writing to it failed because nobody is there. Says nothing about other neighbours. */
export function isGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('code' in error && typeof error.code === 'string' && GONE.has(error.code)) || isGone(error.cause);
}
