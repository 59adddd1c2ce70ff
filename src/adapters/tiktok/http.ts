import type { Readable } from 'node:stream';
import { Agent, errors } from 'undici';
import type { PublishError } from '../../domain/publish-error.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { type Answer, asWord, readAnswer, type Verdict } from './answer.ts';
import { present } from './fields.ts';
import type { JsonObject } from './lossless-json.ts';
import { UNAVAILABLE } from './refusal.ts';

/** One call, for measuring. Holds nothing secret: `endpoint` has no query, and `code` is TikTok's or the network's. */
export type Call = {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** The origin that was asked. */
  readonly server: string;
  readonly endpoint: string;
  readonly status?: number;
  readonly code?: string;
  readonly logId?: string;
  readonly milliseconds: number;
};

/** Path and query exactly as they go out, so that nobody normalises an address of TikTok's. */
export type Address = { readonly origin: string; readonly path: string };

/** The head of an answer whose body does not matter. */
export type Head = { readonly status: number; readonly contentRange?: string; readonly logId?: string };

/** Asks once, follows no redirect and repeats nothing. No answer at all is `PLATFORM_UNAVAILABLE`. */
export type Http = {
  ask(request: {
    readonly address: Address;
    readonly method: 'GET' | 'POST';
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
    /** For everything: connecting, sending and the whole answer. */
    readonly withinMilliseconds: number;
    /** Of an answer that may be larger than others. */
    readonly maxAnswerBytes?: number;
  }): Promise<Result<Answer, PublishError>>;
  /** Streams `body`, never ahead of the socket. Its length is in the `content-length` of `headers`. */
  put(request: {
    readonly address: Address;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: AsyncIterable<Uint8Array>;
    readonly signal: AbortSignal;
  }): Promise<Result<Head, PublishError>>;
  close(): Promise<void>;
};

export function openHttp(options: {
  readonly connectMilliseconds: number;
  readonly maxAnswerBytes: number;
  readonly said: (json: JsonObject) => Verdict;
  readonly onCall: ((call: Call) => void) | undefined;
}): Http {
  const { connectMilliseconds, maxAnswerBytes, said, onCall } = options;
  // HTTP/1.1: a chunk then owns its connection, and back-pressure is the socket's. Time limits are signals.
  const agent = new Agent({
    allowH2: false,
    connect: { timeout: connectMilliseconds },
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  /** Runs one call and reports it. What the network did wrong is told to `onCall` only. */
  async function run<T extends Pick<Answer, 'status' | 'code' | 'logId'>>(
    of: Pick<Call, 'method' | 'server' | 'endpoint'>,
    work: () => Promise<T>,
  ): Promise<Result<T, PublishError>> {
    const start = performance.now();
    const report = (seen: { status?: number; code?: string | undefined; logId?: string | undefined }) =>
      onCall?.({ ...of, ...present(seen), milliseconds: performance.now() - start });
    let answer: T;
    try {
      answer = await work();
    } catch (error) {
      if (error instanceof errors.InvalidArgumentError) throw error;
      report({ code: failureCode(error) });
      return err(UNAVAILABLE);
    }
    report({ status: answer.status, code: answer.code, logId: answer.logId });
    return ok(answer);
  }

  return {
    ask: ({ address, method, headers, body, withinMilliseconds, maxAnswerBytes: maxBytes = maxAnswerBytes }) =>
      run({ method, server: address.origin, endpoint: address.path.replace(/\?.*/s, '') }, async () => {
        const signal = AbortSignal.timeout(withinMilliseconds);
        const request = agent.request({ ...address, method, headers, body: body ?? null, signal });
        const response = await untilAborted(request, signal);
        const text = await readText(response.body, maxBytes);
        return readAnswer(said, response.statusCode, text, single(response.headers['x-tt-logid']));
      }),

    put: ({ address, headers, body, signal }) =>
      run({ method: 'PUT', server: address.origin, endpoint: 'upload' }, async () => {
        // undici takes any async iterable; its types name only the streams among them.
        const stream = body as unknown as Readable;
        const request = agent.request({ ...address, method: 'PUT', headers, body: stream, signal });
        const response = await untilAborted(request, signal);
        // The head is the verdict; reading on only keeps the connection in use.
        await response.body.dump({ limit: maxAnswerBytes, signal }).catch(() => undefined);
        return {
          status: response.statusCode,
          ...present({
            contentRange: single(response.headers['content-range']),
            logId: asWord(single(response.headers['x-tt-logid'])),
          }),
        };
      }),

    close: async () => {
      if (!agent.destroyed) await agent.close();
    },
  };
}

const single = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header[0] : header;

/** undici heeds a signal only once it is connected; nobody should wait for that. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason);
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}

async function readText(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.byteLength;
    if (size > maxBytes) throw Object.assign(new Error('answer too large'), { code: 'ANSWER_TOO_LARGE' });
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** Addresses under `url`, which may have a path of its own. */
export function below(url: string): (path: string) => Address {
  const { origin, pathname } = new URL(url);
  const prefix = pathname.replace(/\/+$/, '');
  return (path) => ({ origin, path: prefix + path });
}

const failureCode = (error: unknown): string => {
  if (!(error instanceof Error)) return 'ABORTED';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
};
