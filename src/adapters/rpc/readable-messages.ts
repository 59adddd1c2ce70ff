import { type DescMessage, fromBinary } from '@bufbuild/protobuf';
import type { UniversalServerRequest } from '@connectrpc/connect/protocol';
import { invalid } from '../../application/field-checks.ts';
import { toConnectError } from './to-connect-error.ts';

/** A longer one is a piece of a file. To look into all of these would cost an upload more than it tells. */
const LONGEST_LOOKED_AT = 64 * 1024;
const ENVELOPE_BYTES = 5;

const ENVELOPED: ReadonlySet<string> = new Set([
  'application/connect+proto',
  'application/grpc',
  'application/grpc+proto',
  'application/grpc-web',
  'application/grpc-web+proto',
]);

/**
 * The body of a call, which ends with a refusal where its bytes are no message of this kind: without it that would be called a fault
 * of ours, with INTERNAL, as gRPC's libraries do. What is packed, or is JSON, is left as it is.
 */
export function readableMessages(
  message: DescMessage,
  { header, body }: Pick<UniversalServerRequest, 'header' | 'body'>,
): UniversalServerRequest['body'] {
  if (typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body)) return body;
  const type = header.get('content-type')?.split(';', 1)[0] ?? '';
  if (type === 'application/proto') return header.has('content-encoding') ? body : whole(message, body);
  return ENVELOPED.has(type) ? enveloped(message, body) : body;
}

function check(message: DescMessage, bytes: Uint8Array): void {
  try {
    fromBinary(message, bytes);
  } catch {
    const unreadable = invalid(
      'message',
      'bytes that are no such message',
      `a ${message.typeName} in the binary format of Protobuf`,
      'Send what was generated from the .proto files of this service.',
    );
    throw toConnectError({ code: 'INVALID', findings: [unreadable] }, new Date());
  }
}

async function* whole(message: DescMessage, body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const parts: Uint8Array[] = [];
  // Who reads this stops at the longest message it takes.
  for await (const part of body) {
    parts.push(part);
    yield part;
  }
  check(message, Buffer.concat(parts));
}

/** Each message has flags (1: packed, others: the end of the stream) and its length before it. */
async function* enveloped(message: DescMessage, body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let pending: Buffer = Buffer.alloc(0);
  /** Of a message that is not looked at. */
  let skip = 0;
  for await (const part of body) {
    const rest = part.subarray(skip);
    skip = Math.max(0, skip - part.length);
    if (rest.length > 0) pending = Buffer.concat([pending, rest]);
    while (pending.length >= ENVELOPE_BYTES) {
      const flags = pending.readUInt8(0);
      const length = pending.readUInt32BE(1);
      if (flags !== 0 || length > LONGEST_LOOKED_AT) {
        skip = Math.max(0, ENVELOPE_BYTES + length - pending.length);
        pending = pending.subarray(ENVELOPE_BYTES + length);
        continue;
      }
      if (pending.length < ENVELOPE_BYTES + length) break;
      check(message, pending.subarray(ENVELOPE_BYTES, ENVELOPE_BYTES + length));
      pending = pending.subarray(ENVELOPE_BYTES + length);
    }
    yield part;
  }
}
