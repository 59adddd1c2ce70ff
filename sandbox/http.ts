import type { IncomingMessage } from 'node:http';

/** One request, read as far as its endpoint wants. */
export type Call = {
  readonly request: IncomingMessage;
  readonly url: URL;
  /** The whole body; empty for an endpoint that reads the stream itself. */
  readonly text: string;
};

export type Answer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  /** For the ledger: the error code that the body carries. */
  readonly errorCode?: string;
  /** No answer: the connection breaks off here. */
  readonly drop?: true;
};

export const json = (status: number, value: unknown, errorCode?: string): Answer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: JSON.stringify(value),
  ...(errorCode === undefined ? {} : { errorCode }),
});

export const html = (status: number, body: string): Answer => ({
  status,
  headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' },
  body,
});

export const plain = (status: number, body: string): Answer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body,
});

/** The media type without its parameters, in lower case. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** The body as text, or undefined when it is longer than `most` bytes. Throws when the caller goes away. */
export async function readText(request: IncomingMessage, most: number): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length <= most) parts.push(part); // the rest is read too, so that the caller gets to read our answer
  }
  return length > most ? undefined : Buffer.concat(parts).toString('utf8');
}

/** Reads to the end and keeps nothing, so that the caller is done sending when the answer comes. */
export async function drain(request: IncomingMessage): Promise<void> {
  for await (const _ of request) {
    // each part is let go
  }
}

/** TypeScript's library doesn't know it yet. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object };

/** Digits that go out as a bare number: a caller that parses them as a double gets them wrong, as with TikTok. */
export const rawNumber = (digits: string): object => rawJSON(digits);

export function parseJson(text: string): { ok: true; value: unknown } | { ok: false } {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false };
  }
}

export const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || hostname === '::1' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
