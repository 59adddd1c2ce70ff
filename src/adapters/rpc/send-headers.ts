import { type ContextKey, createContextKey } from '@connectrpc/connect';

/**
 * Sends the headers of a streamed answer at once. Connect itself holds them back until the first message, and a watcher
 * would not know whether its stream is open until something happens. Does nothing where there is no network.
 */
export const sendHeaders: ContextKey<(headers: Headers) => void> = createContextKey((_headers: Headers): void => {}, {
  description: 'sendHeaders',
});
