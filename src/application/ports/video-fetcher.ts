import type { Finding } from '../../domain/finding.ts';
import type { Result } from '../../domain/result.ts';

export type FetchLimits = {
  /** A longer answer is refused at its header, or interrupted. */
  readonly maxBytes: number;
  /** Ends the fetch and its body; the signal's reason is thrown. */
  readonly signal?: AbortSignal;
};

export type FetchedVideo = {
  /** To be read once, to the end or abandoned with `return`. May throw `FetchInterrupted`. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** As announced. The body has this length or is interrupted. */
  readonly sizeBytes?: number;
  /** As announced, for people. Says nothing about the bytes. */
  readonly contentType?: string;
};

/** Addresses in the findings are for people and logs: without user name, password, query and fragment. */
export type FetchRefusal =
  /** Not fetched, and never will be. */
  | { readonly code: 'URI_NOT_ALLOWED'; readonly finding: Finding }
  /** Allowed, but the bytes didn't come. */
  | {
      readonly code: 'FETCH_FAILED';
      /** `VIDEO_FETCH_FAILED`, for when it is given up. */
      readonly finding: Finding;
      /** HTTP status, when there was an answer. */
      readonly status?: number;
      /** The same call may succeed later. */
      readonly retryable: boolean;
    }
  /** `seenBytes` is the announced size or where we stopped reading. */
  | { readonly code: 'TOO_LARGE'; readonly seenBytes: number; readonly limitBytes: number };

/** Thrown while the body is read: by then `fetch` has returned, and half a video must not look like a whole one. */
export class FetchInterrupted extends Error {
  override readonly name = 'FetchInterrupted';
  readonly refusal: FetchRefusal;

  constructor(refusal: FetchRefusal, options?: ErrorOptions) {
    super(`The video stopped coming: ${refusal.code}`, options);
    this.refusal = refusal;
  }
}

export interface VideoFetcher {
  /** What can be said against `uri` without asking the network: `URI_NOT_ALLOWED` once, or nothing. */
  check(uri: string): readonly Finding[];
  /** Starts to fetch what `uri` points at. Reaches public addresses only, whatever the address or a redirect says. */
  fetch(uri: string, limits: FetchLimits): Promise<Result<FetchedVideo, FetchRefusal>>;
}
