import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, errors } from 'undici';
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
  // HTTP/1.1: a chunk then owns its connection, and back-pressure is the socket's. Time limits are ours.
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
        const request = { ...address, method, headers, body: body ?? null };
        const { answer, cut } = send(agent, request, { maxBytes, orHead: false });
        const timer = setTimeout(
          () => cut(new DOMException(`no answer within ${withinMilliseconds} ms`, 'TimeoutError')),
          withinMilliseconds,
        );
        const { head, text } = await answer.finally(() => clearTimeout(timer));
        return readAnswer(said, head.statusCode, text(), single(head.headers['x-tt-logid']));
      }),

    put: ({ address, headers, body, signal }) =>
      run({ method: 'PUT', server: address.origin, endpoint: 'upload' }, async () => {
        // undici takes any async iterable (its types name only the streams among them), and when a piece fills the socket, the next
        // is asked for when that was drained: a video's earlier pieces are overwritten by then.
        const request = { ...address, method: 'PUT' as const, headers, body: body as unknown as Readable };
        // The head is the verdict; reading on only keeps the connection in use.
        const { answer, cut } = send(agent, request, { maxBytes: maxAnswerBytes, orHead: true });
        const giveUp = (): void => cut(signal.reason);
        if (signal.aborted) giveUp();
        signal.addEventListener('abort', giveUp, { once: true });
        const { head } = await answer.finally(() => signal.removeEventListener('abort', giveUp));
        return {
          status: head.statusCode,
          ...present({
            contentRange: single(head.headers['content-range']),
            logId: asWord(single(head.headers['x-tt-logid'])),
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

type Received = {
  readonly head: { readonly statusCode: number; readonly headers: Dispatcher.ResponseData['headers'] };
  readonly text: () => string;
};

/**
 * The answer as it comes in, without the streams that undici's own `request` makes for it: a post takes four calls. `cut` ends all at once;
 * undici itself notices only when it is connected. `orHead`: once the head is there, a body that breaks off or is too large does not matter.
 */
function send(
  agent: Agent,
  request: Dispatcher.DispatchOptions,
  { maxBytes, orHead }: { readonly maxBytes: number; readonly orHead: boolean },
): { readonly answer: Promise<Received>; readonly cut: (reason: Error) => void } {
  const { promise: answer, resolve, reject } = Promise.withResolvers<Received>();
  const pieces: Buffer[] = [];
  const text = (): string => Buffer.concat(pieces).toString('utf8');
  let size = 0;
  let head: Received['head'] | undefined;
  let reason: Error | undefined;
  let controller: Dispatcher.DispatchController | undefined;

  function fail(error: Error): void {
    if (orHead && head !== undefined) resolve({ head, text });
    else reject(error);
  }

  function cut(error: Error): void {
    reason = error;
    fail(error);
    controller?.abort(error);
  }

  agent.dispatch(request, {
    onRequestStart(started) {
      controller = started;
      if (reason !== undefined) started.abort(reason);
    },
    onResponseStart(_, statusCode, headers) {
      // Those below 200 come before the answer.
      if (statusCode >= 200) head = { statusCode, headers };
    },
    onResponseData(_, piece) {
      size += piece.length;
      if (size > maxBytes) cut(Object.assign(new Error('answer too large'), { code: 'ANSWER_TOO_LARGE' }));
      else pieces.push(piece);
    },
    onResponseEnd() {
      if (head === undefined) fail(new Error('an answer without a head'));
      else resolve({ head, text });
    },
    onResponseError(_, error) {
      fail(error);
    },
  });
  return { answer, cut };
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
