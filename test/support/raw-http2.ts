import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** RFC 9113, section 6. */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;
export const FLAG = { ACK: 1, END_STREAM: 1, END_HEADERS: 4 } as const;
/** RFC 9113, section 7. */
export const ERROR = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  ENHANCE_YOUR_CALM: 11,
} as const;

export type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
};

export type RawHttp2 = {
  readonly socket: Socket;
  /** As it is, whatever the rules say. */
  send(...frames: readonly Buffer[]): void;
  /** Resolves when the kernel has room for more, or the connection ended. */
  flushed(): Promise<void>;
  /** The first frame like this, from now on or before. Rejects when the connection ends without. */
  seen(fits: (frame: Frame) => boolean): Promise<Frame>;
  frames(): readonly Frame[];
  /** Resolves when the other side has ended the connection. */
  readonly closed: Promise<void>;
  close(): void;
};

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const HEAD_BYTES = 9;

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export const settings = (): Buffer => frame(FRAME.SETTINGS, 0, 0);

export function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const reset = (streamId: number, code: number = ERROR.CANCEL): Buffer =>
  frame(FRAME.RST_STREAM, 0, streamId, number32(code));

/** Names and values as HPACK literals that nobody has to remember: each shorter than 127 bytes. */
export const fields = (pairs: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(
    Object.entries(pairs).flatMap(([name, value]) => [
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]),
  );

/** The head of a gRPC call. */
export const call = (path: string, more: Readonly<Record<string, string>> = {}): Buffer =>
  fields({
    ':method': 'POST',
    ':scheme': 'http',
    ':authority': 'localhost',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  });

/** A message of gRPC: not compressed, and its length. */
export const envelope = (message: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0]), number32(message.length), message]);

/** A client that keeps to no rule but its test's. It acknowledges settings and pings, unless it is `mute`. */
export async function rawHttp2(
  address: string,
  { greets = true, mute = false }: { readonly greets?: boolean; readonly mute?: boolean } = {},
): Promise<RawHttp2> {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(address) ?? [];
  const socket = connect(Number(port), host);
  await once(socket, 'connect');
  // Who breaks the rules is cut off, with or without a reset: what was said before counts.
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));

  const frames: Frame[] = [];
  const watchers = new Set<() => void>();
  const tell = (): void => {
    for (const look of watchers) look();
  };
  let ended = false;
  let unread = Buffer.alloc(0);
  socket.on('data', (bytes: Buffer) => {
    unread = Buffer.concat([unread, bytes]);
    while (unread.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + unread.readUIntBE(0, 3);
      if (unread.length < end) break;
      const one: Frame = {
        type: unread.readUInt8(3),
        flags: unread.readUInt8(4),
        streamId: unread.readUInt32BE(5) & 0x7f_ff_ff_ff,
        payload: unread.subarray(HEAD_BYTES, end),
      };
      unread = unread.subarray(end);
      frames.push(one);
      const asks = (one.type === FRAME.SETTINGS || one.type === FRAME.PING) && (one.flags & FLAG.ACK) === 0;
      if (asks && !mute) socket.write(frame(one.type, FLAG.ACK, 0, one.type === FRAME.PING ? one.payload : undefined));
    }
    tell();
  });
  closed.then(() => {
    ended = true;
    tell();
  });
  if (greets) socket.write(Buffer.concat([PREFACE, settings()]));

  return {
    socket,
    send: (...sent) => void socket.write(Buffer.concat(sent)),
    async flushed() {
      if (ended || !socket.writableNeedDrain) return;
      await Promise.race([new Promise<void>((resolve) => socket.once('drain', resolve)), closed]);
    },
    seen: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = frames.find(fits);
          if (found === undefined && !ended) return;
          watchers.delete(look);
          if (found === undefined) reject(new Error('the connection ended without such a frame'));
          else resolve(found);
        };
        watchers.add(look);
        look();
      }),
    frames: () => frames,
    closed,
    close: () => socket.destroy(),
  };
}

export const isGoaway = ({ type }: Frame): boolean => type === FRAME.GOAWAY;
export const goawayCode = ({ payload }: Frame): number => payload.readUInt32BE(4);
export const isResetOf =
  (id: number) =>
  ({ type, streamId }: Frame): boolean =>
    type === FRAME.RST_STREAM && streamId === id;
