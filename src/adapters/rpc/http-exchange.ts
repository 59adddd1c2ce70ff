import { type ContextKey, createContextKey } from '@connectrpc/connect';

/** What an RPC has to know of the HTTP exchange that carries it, and Connect doesn't tell. */
export type HttpExchange = {
  /**
   * Sends the headers of a streamed answer at once. Connect itself holds them back until the first message, and a watcher
   * would not know whether its stream is open until something happens.
   */
  readonly sendHeaders: (headers: Headers) => void;
  /** Whether the other side ended its request. Node shows an HTTP/2 request that was cut off as one that came to its end. */
  readonly requestIsWhole: () => boolean;
};

/** Without a network nothing is held back or cut off. */
export const httpExchange: ContextKey<HttpExchange> = createContextKey<HttpExchange>(
  { sendHeaders: () => {}, requestIsWhole: () => true },
  { description: 'httpExchange' },
);
