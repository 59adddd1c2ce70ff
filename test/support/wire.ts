import { connect, constants, type IncomingHttpHeaders } from 'node:http2';
import { gunzipSync } from 'node:zlib';

/** What came back of one request over HTTP/2, as it was on the wire. */
export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

/** One request over a connection of its own, with nothing added and nothing read into it. */
export function exchange(
  address: string,
  {
    path,
    method = 'POST',
    headers = {},
    body,
  }: {
    readonly path: string;
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: Uint8Array;
  },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://${address}`);
    session.on('error', reject);
    const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: body === undefined });
    let status = 0;
    let head: Readonly<Record<string, string>> = {};
    let trailers: Readonly<Record<string, string>> = {};
    const parts: Buffer[] = [];
    stream.on('response', (given) => {
      status = Number(given[constants.HTTP2_HEADER_STATUS]);
      head = flat(given);
    });
    stream.on('trailers', (given) => {
      trailers = flat(given);
    });
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', reject);
    stream.on('end', () => {
      session.close();
      resolve({ status, headers: head, trailers, body: Buffer.concat(parts) });
    });
    if (body !== undefined) stream.end(body);
  });
}

const flat = (headers: IncomingHttpHeaders): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

/** A message of gRPC, gRPC-Web and streaming Connect: flags, length, bytes. */
export function enveloped(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const COMPRESSED = 0b1;

/** The messages of a body, unpacked, with their flags. */
export function messagesOf(body: Buffer): readonly { readonly flags: number; readonly data: Buffer }[] {
  const messages = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    const flags = body.readUInt8(at);
    const data = body.subarray(at + 5, end);
    messages.push({ flags, data: flags & COMPRESSED ? gunzipSync(data) : data });
    at = end;
  }
  return messages;
}

/** The body as a caller reads it: unpacked. */
export function unpacked({ headers, body }: Pick<Answer, 'headers' | 'body'>): Buffer {
  if (headers['content-encoding'] === 'gzip') return gunzipSync(body);
  const inMessages = headers['connect-content-encoding'] === 'gzip' || headers['grpc-encoding'] === 'gzip';
  return inMessages ? Buffer.concat(messagesOf(body).map(({ data }) => data)) : body;
}

/** All that a caller could read in it: what is packed is unpacked, and what is base64 is opened. */
export function everythingIn(answer: Answer): string {
  const { headers, trailers } = answer;
  const text = [...Object.entries(headers), ...Object.entries(trailers)]
    .flat()
    .concat(unpacked(answer).toString('latin1'))
    .join('\n');
  const opened = [...text.matchAll(/[\w+/-]{16,}={0,2}/g)].map(([word]) =>
    Buffer.from(word, 'base64').toString('latin1'),
  );
  return [text, decodeLeniently(text), ...opened].join('\n');
}

const decodeLeniently = (text: string): string =>
  text.replace(/(%[0-9a-f]{2})+/gi, (encoded) => Buffer.from(encoded.replaceAll('%', ''), 'hex').toString('utf8'));
