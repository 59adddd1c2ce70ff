import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';

/**
 * One S3 bucket in memory, as strict as Amazon's where our store depends on it: parts of at least 5 MiB except the last, in order,
 * with the ETags and sums that were given; a kind of sum that was named beforehand; ranges, `If-Match`, a sum for each body; and an
 * upload that is gone once it was ended. It knows its one caller by the key id and checks no signature: real stores do (S3_TEST_URL).
 */
export type S3Server = {
  readonly url: string;
  readonly objects: ReadonlyMap<string, StoredObject>;
  readonly uploads: ReadonlyMap<string, Upload>;
  /** What was asked so far, such as `UploadPart`. */
  readonly asked: readonly Operation[];
  /** Resolves when it was asked so often since the start. */
  askedFor(operation: Operation, times: number): Promise<void>;
  /** The next so many such calls meet with it. */
  fail(operation: Operation, fault: Fault, times?: number): void;
  /** Nothing fails any more. */
  heal(): void;
  /** What is stored or begun from now on is of this time; undefined: of its own. */
  setTime(time: Date | undefined): void;
  close(): Promise<void>;
};

export type StoredObject = {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly metadata: Headers;
  readonly time: Date;
};
export type Upload = {
  readonly key: string;
  readonly metadata: Headers;
  readonly time: Date;
  readonly parts: Map<number, Part>;
  /** Whether each part comes with its CRC-32. */
  readonly summed: boolean;
};
type Part = { readonly bytes: Buffer; readonly etag: string; readonly sum: string };
type Headers = Readonly<Record<string, string>>;

export type Operation =
  | 'PutObject'
  | 'GetObject'
  | 'DeleteObject'
  | 'ListObjectsV2'
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'ListMultipartUploads';

export type Fault =
  /** Nothing is done. */
  | { readonly status: number; readonly code: string }
  /** All is done, and the connection breaks before the answer. */
  | 'ANSWER_LOST'
  /** The connection breaks in the middle of the answer. */
  | 'ANSWER_CUT'
  /** The answer begins and never ends. */
  | 'ANSWER_STALLS'
  /** The call is taken and never answered. */
  | 'NO_ANSWER';

export const BUCKET = 'videos';
export const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'secret' } as const;
const SMALLEST_PART = 5 * 1024 * 1024;
const LARGEST_PAGE = 2;

type Answer = { readonly status: number; readonly headers?: Record<string, string>; readonly body?: Buffer | string };

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

export async function s3Server(): Promise<S3Server> {
  const objects = new Map<string, StoredObject>();
  const uploads = new Map<string, Upload>();
  const asked: Operation[] = [];
  const faults: { readonly operation: Operation; readonly fault: Fault }[] = [];
  const watchers = new Set<() => void>();
  let time: Date | undefined;
  const now = (): Date => time ?? new Date();

  const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');
  const uploadOf = (id: string | null): Upload => {
    const upload = uploads.get(id ?? '');
    if (upload === undefined) throw new Refusal(404, 'NoSuchUpload');
    return upload;
  };

  const operations: Record<Operation, (call: Call) => Answer> = {
    PutObject({ key, body, metadata }) {
      const etag = `"${md5(body)}"`;
      objects.set(key, { bytes: body, etag, metadata, time: now() });
      return { status: 200, headers: { etag } };
    },
    GetObject({ key, headers }) {
      const object = objects.get(key);
      if (object === undefined) throw new Refusal(404, 'NoSuchKey');
      const { bytes, etag, metadata, time } = object;
      if (headers['if-match'] !== undefined && headers['if-match'] !== etag)
        throw new Refusal(412, 'PreconditionFailed');
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
      if (from === undefined) throw new Refusal(400, 'NoRange'); // Amazon gives all of it; we never ask for that.
      const [start, last] = [Number(from), Math.min(Number(to), bytes.length - 1)];
      if (start > last) throw new Refusal(416, 'InvalidRange');
      return {
        status: 206,
        headers: {
          ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
          etag,
          'last-modified': time.toUTCString(),
          'content-range': `bytes ${start}-${last}/${bytes.length}`,
        },
        body: bytes.subarray(start, last + 1),
      };
    },
    DeleteObject({ key }) {
      objects.delete(key);
      return { status: 204 };
    },
    ListObjectsV2({ query }) {
      const after = query.get('continuation-token') ?? '';
      const names = [...objects.keys()]
        .filter((key) => key.startsWith(query.get('prefix') ?? '') && key > after)
        .sort();
      const page = names.slice(0, LARGEST_PAGE);
      return xml(
        'ListBucketResult',
        `<IsTruncated>${names.length > page.length}</IsTruncated><NextContinuationToken>${page.at(-1) ?? ''}</NextContinuationToken>`,
        ...page.map(
          (key) =>
            `<Contents><Key>${key}</Key><LastModified>${objects.get(key)?.time.toISOString()}</LastModified></Contents>`,
        ),
      );
    },
    CreateMultipartUpload({ key, metadata, headers }) {
      const id = randomUUID();
      const summed = headers['x-amz-checksum-algorithm'] === 'CRC32';
      uploads.set(id, { key, metadata, summed, time: now(), parts: new Map() });
      return xml('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`);
    },
    UploadPart({ query, headers, body }) {
      const { summed, parts } = uploadOf(query.get('uploadId'));
      const sum = headers['x-amz-checksum-crc32'];
      // "Checksum Type mismatch occurred, expected checksum Type: null, actual checksum Type: crc32"
      if (summed !== (sum !== undefined)) throw new Refusal(400, 'InvalidRequest');
      const etag = `"${md5(body)}"`;
      parts.set(Number(query.get('partNumber')), { bytes: body, etag, sum: String(sum) });
      return { status: 200, headers: { etag, ...(sum === undefined ? {} : { 'x-amz-checksum-crc32': String(sum) }) } };
    },
    CompleteMultipartUpload({ query, body }) {
      const { key, metadata, summed, parts } = uploadOf(query.get('uploadId'));
      const wanted = [...body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => ({
        number: Number(/<PartNumber>(\d+)</.exec(part)?.[1]),
        etag: /<ETag>(.*?)</.exec(part)?.[1]?.replaceAll('&quot;', '"'),
        sum: /<ChecksumCRC32>(.*?)</.exec(part)?.[1],
      }));
      if (wanted.length === 0) throw new Refusal(400, 'MalformedXML');
      const chosen = wanted.map(({ number, etag, sum }, index) => {
        const part = parts.get(number);
        if (part === undefined || part.etag !== etag) throw new Refusal(400, 'InvalidPart');
        if (summed && part.sum !== sum) throw new Refusal(400, 'InvalidRequest');
        if (number <= (wanted[index - 1]?.number ?? 0)) throw new Refusal(400, 'InvalidPartOrder');
        if (index < wanted.length - 1 && part.bytes.length < SMALLEST_PART) throw new Refusal(400, 'EntityTooSmall');
        return part;
      });
      const bytes = Buffer.concat(chosen.map((part) => part.bytes));
      objects.set(key, { bytes, etag: `"${md5(bytes)}-${chosen.length}"`, metadata, time: now() });
      uploads.delete(query.get('uploadId') ?? '');
      return xml('CompleteMultipartUploadResult', `<Key>${key}</Key>`);
    },
    AbortMultipartUpload({ query }) {
      uploadOf(query.get('uploadId'));
      uploads.delete(query.get('uploadId') ?? '');
      return { status: 204 };
    },
    ListMultipartUploads({ query }) {
      const after = `${query.get('key-marker') ?? ''} ${query.get('upload-id-marker') ?? ''}`;
      const found = [...uploads]
        .map(([id, { key, time }]) => ({ id, key, time, order: `${key} ${id}` }))
        .filter(({ key, order }) => key.startsWith(query.get('prefix') ?? '') && order > after)
        .sort((one, other) => (one.order < other.order ? -1 : 1));
      const page = found.slice(0, LARGEST_PAGE);
      const last = page.at(-1);
      return xml(
        'ListMultipartUploadsResult',
        `<IsTruncated>${found.length > page.length}</IsTruncated>`,
        `<NextKeyMarker>${last?.key ?? ''}</NextKeyMarker><NextUploadIdMarker>${last?.id ?? ''}</NextUploadIdMarker>`,
        ...page.map(
          ({ id, key, time }) =>
            `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${time.toISOString()}</Initiated></Upload>`,
        ),
      );
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = await callOf(request);
    const operation = operationOf(call);
    asked.push(operation);
    for (const look of watchers) look();
    const index = faults.findIndex((each) => each.operation === operation);
    const fault = index < 0 ? undefined : faults.splice(index, 1)[0]?.fault;
    if (fault === 'NO_ANSWER') return;
    const answer =
      typeof fault === 'object'
        ? refused(fault)
        : attempt(() => {
            check(call);
            return operations[operation](call);
          });
    const body = Buffer.from(answer.body ?? '');
    if (fault === 'ANSWER_LOST') return void request.socket.destroy();
    response.writeHead(answer.status, { ...answer.headers, 'content-length': body.length });
    if (fault === 'ANSWER_CUT' || fault === 'ANSWER_STALLS') {
      response.write(body.subarray(0, body.length / 2), () => fault === 'ANSWER_CUT' && request.socket.destroy());
    } else response.end(body);
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      // Whoever asked may be gone in the middle of its body.
      if (!request.destroyed) throw error;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    uploads,
    asked,
    askedFor: (operation, times) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (asked.filter((each) => each === operation).length < times) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
    fail(operation, fault, times = 1) {
      faults.push(...Array.from({ length: times }, () => ({ operation, fault })));
    },
    heal() {
      faults.length = 0;
    },
    setTime(to) {
      time = to;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Call = {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly metadata: Headers;
  readonly body: Buffer;
};

async function callOf(request: IncomingMessage): Promise<Call> {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://s3');
  const { headers, method = '' } = request;
  return {
    method,
    key: decodeURIComponent(pathname.slice(`/${BUCKET}/`.length)),
    query: searchParams,
    bucket: pathname.split('/')[1] ?? '',
    headers,
    metadata: Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) =>
        name.startsWith('x-amz-meta-') ? [[name.slice('x-amz-meta-'.length), String(value)]] : [],
      ),
    ),
    body: Buffer.concat(await request.toArray()),
  };
}

function check({ bucket, headers, body }: Call): void {
  if (!headers.authorization?.includes(`Credential=${CREDENTIALS.AWS_ACCESS_KEY_ID}/`))
    throw new Refusal(403, 'AccessDenied');
  if (bucket !== BUCKET) throw new Refusal(404, 'NoSuchBucket');
  const sha256 = headers['x-amz-content-sha256'];
  if (sha256 !== createHash('sha256').update(body).digest('hex')) throw new Refusal(400, 'XAmzContentSHA256Mismatch');
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  if (headers['x-amz-checksum-crc32'] !== undefined && headers['x-amz-checksum-crc32'] !== checksum.toString('base64'))
    throw new Refusal(400, 'BadDigest');
}

function operationOf({ method, key, query }: Call): Operation {
  if (method === 'GET' && key === '') return query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2';
  if (method === 'GET') return 'GetObject';
  if (method === 'PUT') return query.has('uploadId') ? 'UploadPart' : 'PutObject';
  if (method === 'POST') return query.has('uploads') ? 'CreateMultipartUpload' : 'CompleteMultipartUpload';
  if (method === 'DELETE') return query.has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject';
  throw new Error(`no operation of S3 that is known here: ${method} ${key}?${query}`);
}

const xml = (name: string, ...parts: string[]): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0"?><${name}>${parts.join('')}</${name}>`,
});

const refused = ({ status, code }: { readonly status: number; readonly code: string }): Answer => ({
  ...xml('Error', `<Code>${code}</Code><Message>${code}</Message>`),
  status,
});

function attempt(work: () => Answer): Answer {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) return refused(error);
    throw error;
  }
}
