import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector, type Dispatcher, request } from 'undici';
import {
  type FetchedVideo,
  FetchInterrupted,
  type FetchRefusal,
  type VideoFetcher,
} from '../../application/ports/video-fetcher.ts';
import type { Finding } from '../../domain/finding.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { isPublicAddress } from './public-address.ts';

export type Resolve = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export type GuardedVideoFetcherOptions = {
  /**
   * Origins such as `http://127.0.0.1:9000` that the operator vouches for: exactly these may use any scheme, port and
   * address. For tests and storage in the operator's own network.
   */
  readonly allowedOrigins?: readonly string[];
  /**
   * With it, only these hosts are fetched from, by their names: `media.example.com`, or `*.example.com` for all below it, which
   * `example.com` itself is not. Everything else that holds for an address holds for theirs.
   */
  readonly allowedHosts?: readonly string[];
  readonly connectTimeoutMs?: number;
  /** From the request to the answer's last header. */
  readonly headersTimeoutMs?: number;
  /** Between two pieces of the body. */
  readonly idleTimeoutMs?: number;
  /** From the first request to the last byte, redirects included. */
  readonly totalTimeoutMs?: number;
  /** A body that comes slower than this is not waited for: it may drip for ever without ever falling silent. */
  readonly slowest?: Pace;
  /** The system's resolver unless told otherwise. */
  readonly resolve?: Resolve;
};

/** Judged each time that `milliseconds` were spent waiting for the sender; while we are busy ourselves it is not to blame. */
export type Pace = { readonly bytesPerSecond: number; readonly milliseconds: number };

/** 4 GB at 5 Mbit/s. */
const TOTAL_TIMEOUT_MS = 2 * 60 * 60 * 1000;
const SLOWEST: Pace = { bytesPerSecond: 64 * 1024, milliseconds: 30_000 };
const MAX_REDIRECTS = 3;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/**
 * Fetches over HTTPS from public addresses only. A name is looked up once, inside the connect, so that the address that
 * was judged is the address that is dialled. Ignores proxy settings: a proxy would dial what we can't judge.
 */
export function guardedVideoFetcher(options: GuardedVideoFetcherOptions = {}): VideoFetcher & AsyncDisposable {
  const allowedOrigins = new Set(options.allowedOrigins?.map((origin) => new URL(origin).origin));
  const timeouts = {
    headersTimeout: options.headersTimeoutMs ?? 30_000,
    bodyTimeout: options.idleTimeoutMs ?? 30_000,
  };
  const timeout = options.connectTimeoutMs ?? 10_000;
  const connect = guardedConnector(
    buildConnector({ timeout, lookup: guardedLookup(options.resolve ?? lookup), allowH2: false }),
  );
  const guarded = new Agent({ ...timeouts, connect });
  // Apart, so that no connection made for a vouched-for origin is ever used for another.
  const trusted = new Agent({ ...timeouts, connect: { timeout } });

  const pace = options.slowest ?? SLOWEST;
  const totalTimeoutMs = options.totalTimeoutMs ?? TOTAL_TIMEOUT_MS;
  const isVouchedFor = (url: URL): boolean => allowedOrigins.has(url.origin);
  const ruleBrokenBy = (url: URL): string | undefined => {
    if (isVouchedFor(url)) return undefined;
    const hosts = options.allowedHosts;
    return brokenRule(url) ?? (hosts === undefined || isAmong(hosts, url) ? undefined : OPERATORS_CHOICE);
  };

  const ask = async (url: URL, times: Times): Promise<Result<Dispatcher.ResponseData, FetchRefusal>> => {
    const broken = ruleBrokenBy(url);
    if (broken !== undefined) return err(notAllowed(url, broken));
    try {
      return ok(
        await request(url.href, {
          dispatcher: isVouchedFor(url) ? trusted : guarded,
          headers: { accept: 'video/*, application/octet-stream;q=0.9, */*;q=0.1', 'accept-encoding': 'identity' },
          signal: times.signal,
        }),
      );
    } catch (error) {
      times.caller?.throwIfAborted();
      return err(times.deadline.aborted ? tooSlow(url, totalTimeoutMs) : refusalFor(url, error));
    }
  };

  return {
    check(uri) {
      if (!URL.canParse(uri)) return [uriFinding(undefined, COMPLETE)];
      const url = new URL(uri);
      const broken = ruleBrokenBy(url);
      return broken === undefined ? [] : [uriFinding(url, broken)];
    },

    async fetch(uri, { maxBytes, signal }) {
      if (!URL.canParse(uri)) return err(notAllowed(undefined, COMPLETE));

      const deadline = AbortSignal.timeout(totalTimeoutMs);
      const times: Times = {
        deadline,
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
        ...(signal && { caller: signal }),
      };
      let url = new URL(uri);
      for (let redirects = 0; ; redirects++) {
        const asked = await ask(url, times);
        if (!asked.ok) return asked;
        const response = asked.value;
        if (!REDIRECTS.includes(response.statusCode))
          return accept(url, response, maxBytes, (body) =>
            limited(url, body, { maxBytes, times, totalTimeoutMs, pace }),
          );

        discard(response);
        const location = headerOf(response, 'location');
        if (location === undefined || !URL.canParse(location, url.href))
          return err(failed(url, 'a redirect that leads nowhere', { status: response.statusCode }));
        url = new URL(location, url);
        if (redirects === MAX_REDIRECTS) return err(notAllowed(url, TOO_MANY_REDIRECTS));
      }
    },

    async [Symbol.asyncDispose]() {
      await Promise.all([guarded.destroy(), trusted.destroy()]);
    },
  };
}

/** What may end a fetch: the caller, and our patience. `signal` is both. */
type Times = { readonly signal: AbortSignal; readonly deadline: AbortSignal; readonly caller?: AbortSignal };

const COMPLETE = 'a complete web address';
const OPERATORS_CHOICE = 'a host that the operator of this service allows';
const PUBLIC_ONLY = 'a machine on the public internet';
const TOO_MANY_REDIRECTS = `at most ${MAX_REDIRECTS} redirects`;

/** The first rule that this address breaks, by its looks. What its name resolves to is judged when connecting. */
function brokenRule(url: URL): string | undefined {
  if (url.protocol !== 'https:') return 'https://';
  if (url.username !== '' || url.password !== '') return 'no user name or password in the address';
  if (url.port !== '') return 'port 443'; // which URL leaves out
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // URL has turned every spelling of an IPv4 address, such as 0x7f.1 or 2130706433, into the usual one.
  if (isIP(host) !== 0 ? !isPublicAddress(host) : isLocalName(host)) return PUBLIC_ONLY;
  return undefined;
}

/** Names that mean something on this machine, in its network or in its cloud only: none of them is even looked up. */
const isLocalName = (host: string): boolean =>
  /^[^.]*\.?$|(^|\.)(localhost|local|internal|intranet|lan|home|corp|private|arpa|onion)\.?$/.test(host);

const isAmong = (hosts: readonly string[], { hostname }: URL): boolean => {
  const name = hostname.replace(/\.$/, '');
  return hosts.some((host) => (host.startsWith('*.') ? name.endsWith(host.slice(1)) : name === host));
};

/** No name is looked up where there is an address already: it is judged here, right before it is dialled. */
const guardedConnector =
  (dial: buildConnector.connector): buildConnector.connector =>
  (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !isPublicAddress(host)) callback(new AddressNotPublic(), null);
    else dial(options, callback);
  };

/** All of a name's addresses must be public: one that mixes them is trying something. */
export const guardedLookup =
  (resolve: Resolve): LookupFunction =>
  (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null) callback(error, '');
      else if (first === undefined || !addresses.every(({ address }) => isPublicAddress(address)))
        callback(new AddressNotPublic(), '');
      else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };

class AddressNotPublic extends Error {
  override readonly name = 'AddressNotPublic';
}

function accept(
  url: URL,
  response: Dispatcher.ResponseData,
  maxBytes: number,
  bytesOf: (body: Dispatcher.ResponseData['body']) => AsyncIterable<Uint8Array>,
): Result<FetchedVideo, FetchRefusal> {
  const refusal = refusalOf(url, response, maxBytes);
  if (refusal !== undefined) {
    discard(response);
    return err(refusal);
  }
  const sizeBytes = lengthOf(response);
  const contentType = headerOf(response, 'content-type');
  return ok({
    bytes: bytesOf(response.body),
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(contentType !== undefined && { contentType }),
  });
}

function refusalOf(url: URL, response: Dispatcher.ResponseData, maxBytes: number): FetchRefusal | undefined {
  const status = response.statusCode;
  if (status !== 200) {
    const retryable = status >= 500 || status === 408 || status === 425 || status === 429;
    return failed(url, `HTTP status ${status}`, { status, retryable });
  }
  const encoding = headerOf(response, 'content-encoding');
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    return failed(url, `a packed file (${encoding}), although asked not to`, { status });
  const sizeBytes = lengthOf(response);
  if (sizeBytes !== undefined && sizeBytes > maxBytes)
    return { code: 'TOO_LARGE', seenBytes: sizeBytes, limitBytes: maxBytes };
  return undefined;
}

async function* limited(
  url: URL,
  body: Dispatcher.ResponseData['body'],
  limits: {
    readonly maxBytes: number;
    readonly times: Times;
    readonly totalTimeoutMs: number;
    readonly pace: Pace;
  },
): AsyncGenerator<Uint8Array> {
  const { maxBytes, times, totalTimeoutMs, pace } = limits;
  let seenBytes = 0;
  try {
    for await (const chunk of atLeast(pace, body, () => new FetchInterrupted(dripping(url, pace)))) {
      seenBytes += chunk.byteLength;
      if (seenBytes > maxBytes) throw new FetchInterrupted({ code: 'TOO_LARGE', seenBytes, limitBytes: maxBytes });
      yield chunk;
    }
  } catch (error) {
    times.caller?.throwIfAborted();
    if (error instanceof FetchInterrupted) throw error;
    const refusal = times.deadline.aborted ? tooSlow(url, totalTimeoutMs) : refusalFor(url, error);
    throw new FetchInterrupted(refusal, { cause: error });
  }
}

async function* atLeast(
  { bytesPerSecond, milliseconds }: Pace,
  body: AsyncIterable<Uint8Array>,
  tooSlowly: () => Error,
): AsyncGenerator<Uint8Array> {
  let waited = 0;
  let bytes = 0;
  let since = performance.now();
  for await (const chunk of body) {
    waited += performance.now() - since;
    bytes += chunk.byteLength;
    if (waited >= milliseconds) {
      if (bytes < (bytesPerSecond * waited) / 1000) throw tooSlowly();
      waited = 0;
      bytes = 0;
    }
    yield chunk;
    since = performance.now();
  }
}

const dripping = (url: URL, { bytesPerSecond }: Pace): FetchRefusal =>
  failed(url, `fewer than ${bytesPerSecond} bytes a second`, { retryable: true });

const tooSlow = (url: URL, milliseconds: number): FetchRefusal =>
  failed(url, `not the whole file within ${Math.ceil(milliseconds / 1000)} seconds`, { retryable: true });

/** Nobody will read this body. Its end, whether good or bad, is of no interest. */
function discard({ body }: Dispatcher.ResponseData): void {
  body.on('error', () => {});
  body.destroy();
}

/** These mean that the same address will say the same again, until someone over there changes something. */
const LASTING_FAILURES = /^(ENOTFOUND|ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HPE_)/;

function refusalFor(url: URL, error: unknown): FetchRefusal {
  if (error instanceof AddressNotPublic) return notAllowed(url, PUBLIC_ONLY);
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code !== 'string') throw error; // not the network: a mistake of ours
  return failed(url, `no complete answer (${code})`, { retryable: !LASTING_FAILURES.test(code) });
}

const failed = (url: URL, answer: string, details: { status?: number; retryable?: boolean }): FetchRefusal => ({
  code: 'FETCH_FAILED',
  finding: {
    code: 'VIDEO_FETCH_FAILED',
    severity: 'ERROR',
    field: 'video_uri',
    message: `The video could not be fetched: ${presentable(url)} gave ${answer}.`,
    remedy: 'Check that the address opens for everyone without a login, or upload the file instead.',
    observed: answer,
    limit: 'HTTP status 200 and the whole file',
  },
  retryable: false,
  ...details,
});

const notAllowed = (url: URL | undefined, rule: string): FetchRefusal => ({
  code: 'URI_NOT_ALLOWED',
  finding: uriFinding(url, rule),
});

const uriFinding = (url: URL | undefined, rule: string): Finding => ({
  code: 'URI_NOT_ALLOWED',
  severity: 'ERROR',
  field: 'video_uri',
  message: `We do not fetch videos from this address; required is ${rule}.`,
  remedy: 'Give a public https:// address of the video file, or upload the file instead.',
  observed: url === undefined ? 'not a web address' : presentable(url),
  limit: rule,
});

/** Without user name, password, query and fragment, where secrets live. */
const presentable = (url: URL): string =>
  // An opaque address, such as data:…, is all content.
  url.host === '' ? url.protocol : `${url.protocol}//${url.host}${url.pathname}`;

function headerOf({ headers }: Dispatcher.ResponseData, name: string): string | undefined {
  return [headers[name]].flat()[0];
}

function lengthOf(response: Dispatcher.ResponseData): number | undefined {
  const header = headerOf(response, 'content-length');
  return header !== undefined && /^\d+$/.test(header) ? Number(header) : undefined;
}
