import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Agent, type Dispatcher, request } from 'undici';
import {
  type FetchedVideo,
  FetchInterrupted,
  type FetchLimits,
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
  readonly connectTimeoutMs?: number;
  /** From the request to the answer's last header. */
  readonly headersTimeoutMs?: number;
  /** Between two pieces of the body. */
  readonly idleTimeoutMs?: number;
  /** The system's resolver unless told otherwise. */
  readonly resolve?: Resolve;
};

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
  const guarded = new Agent({ ...timeouts, connect: { timeout, lookup: guardedLookup(options.resolve ?? lookup) } });
  // Apart, so that no connection made for a vouched-for origin is ever used for another.
  const trusted = new Agent({ ...timeouts, connect: { timeout } });

  const isVouchedFor = (url: URL): boolean => allowedOrigins.has(url.origin);

  const ask = async (
    url: URL,
    signal: AbortSignal | undefined,
  ): Promise<Result<Dispatcher.ResponseData, FetchRefusal>> => {
    const broken = isVouchedFor(url) ? undefined : brokenRule(url);
    if (broken !== undefined) return err(notAllowed(url, broken));
    try {
      return ok(
        await request(url.href, {
          dispatcher: isVouchedFor(url) ? trusted : guarded,
          headers: { accept: 'video/*, application/octet-stream;q=0.9, */*;q=0.1', 'accept-encoding': 'identity' },
          ...(signal && { signal }),
        }),
      );
    } catch (error) {
      signal?.throwIfAborted();
      return err(refusalFor(url, error));
    }
  };

  return {
    check(uri) {
      if (!URL.canParse(uri)) return [uriFinding(undefined, COMPLETE)];
      const url = new URL(uri);
      const broken = isVouchedFor(url) ? undefined : brokenRule(url);
      return broken === undefined ? [] : [uriFinding(url, broken)];
    },

    async fetch(uri, { maxBytes, signal }) {
      if (!URL.canParse(uri)) return err(notAllowed(undefined, COMPLETE));

      let url = new URL(uri);
      for (let redirects = 0; ; redirects++) {
        const asked = await ask(url, signal);
        if (!asked.ok) return asked;
        const response = asked.value;
        if (!REDIRECTS.includes(response.statusCode))
          return accept(url, response, { maxBytes, ...(signal && { signal }) });

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

const COMPLETE = 'a complete web address';
const PUBLIC_ONLY = 'a machine on the public internet';
const TOO_MANY_REDIRECTS = `at most ${MAX_REDIRECTS} redirects`;

/** The first rule that this address breaks, by its looks. What its name resolves to is judged when connecting. */
function brokenRule(url: URL): string | undefined {
  if (url.protocol !== 'https:') return 'https://';
  if (url.username !== '' || url.password !== '') return 'no user name or password in the address';
  if (url.port !== '') return 'port 443'; // which URL leaves out
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // URL has turned every spelling of an IPv4 address, such as 0x7f.1 or 2130706433, into the usual one.
  if (isIP(host) !== 0 && !isPublicAddress(host)) return PUBLIC_ONLY;
  return undefined;
}

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
  { maxBytes, signal }: FetchLimits,
): Result<FetchedVideo, FetchRefusal> {
  const refusal = refusalOf(url, response, maxBytes);
  if (refusal !== undefined) {
    discard(response);
    return err(refusal);
  }
  const sizeBytes = lengthOf(response);
  const contentType = headerOf(response, 'content-type');
  return ok({
    bytes: limited(url, response.body, { maxBytes, ...(signal && { signal }) }),
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
  body: AsyncIterable<Uint8Array>,
  { maxBytes, signal }: FetchLimits,
): AsyncGenerator<Uint8Array> {
  let seenBytes = 0;
  try {
    for await (const chunk of body) {
      seenBytes += chunk.byteLength;
      if (seenBytes > maxBytes) throw new FetchInterrupted({ code: 'TOO_LARGE', seenBytes, limitBytes: maxBytes });
      yield chunk;
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof FetchInterrupted) throw error;
    throw new FetchInterrupted(refusalFor(url, error), { cause: error });
  }
}

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
