import type { ApiFamily } from '../../domain/connection/connection.ts';
import type { ConnectionId, PostId, VideoId } from '../../domain/ids.ts';
import type { TracedCall } from './call-trace.ts';

/**
 * What may be told of a piece of work: ids of ours, words and numbers. Nothing else has a place here: no caption, no token, no address
 * with a secret in it, no file name, nothing that a caller chose.
 */
export type Facts = {
  readonly postId?: PostId;
  readonly connectionId?: ConnectionId;
  readonly videoId?: VideoId;
  readonly apiFamily?: ApiFamily;
  /** Of a post, a phase instead of PUBLISHING. */
  readonly stateBefore?: string;
  readonly stateAfter?: string;
  /** What was to be done for the post. */
  readonly effect?: string;
  /** Of the latest attempt, from 1 on. */
  readonly attempt?: number;
  /** Code of the error that the post has now. */
  readonly postError?: string;
  /** How long the post waits from now on, for whatever reason. */
  readonly waitSeconds?: number;
  readonly sizeBytes?: number;
  /** TikTok's word for what a webhook tells. */
  readonly event?: string;
  /** How many things were removed. */
  readonly removed?: number;
  /** What came of it, in one word. */
  readonly outcome?: string;
  /** `package.Service/Method`. */
  readonly rpcMethod?: string;
  readonly rpcSystem?: 'grpc' | 'connectrpc';
  /** As gRPC spells it: `OK`, `NOT_FOUND`. */
  readonly rpcStatus?: string;
  readonly httpMethod?: string;
  /** The address without what is secret in it: `/media/{token}`. */
  readonly httpRoute?: string;
  readonly httpStatus?: number;
  /** It did not succeed: a code or the name of an error, never its text. */
  readonly failure?: string;
};

/** W3C's `traceparent` of a span: version, trace, span and whether it is sampled. */
export type TraceParent = string;

/** A piece of work, as it begins. */
export type Work = {
  /** What is done; there are few of them. Of whom or what it is done for only the facts tell. */
  readonly name: string;
  /** SERVER: somebody waits for the answer. Absent: neither, all of it happens here. */
  readonly kind?: 'SERVER';
  /** What the caller's headers say of the trace that this is a part of. What can't be read is no trace. */
  readonly caller?: { readonly traceparent?: string | undefined; readonly tracestate?: string | undefined };
  /**
   * The work has a trace of its own, which points back at the span that it is a late consequence of, and is kept when that one is.
   */
  readonly cause?: TraceParent | undefined;
  readonly facts?: Facts;
};

/** A call to TikTok that has ended. `server` is the origin that was asked. */
export type EndedCall = Omit<TracedCall, 'time'> & { readonly method: string; readonly server: string };

/** What this service does for whom, as a tree of spans for whoever looks into it. Telling never waits and never fails. */
export interface Traces {
  /**
   * Runs `run` as a span: those that begin within it, however deep, are its children. Gives what `run` gives and throws what it
   * throws; the span then counts as failed, by the name of the error alone.
   */
  span<T>(work: Work, run: () => Promise<T>): Promise<T>;
  /** Adds to the innermost span that this runs in. Later facts replace earlier ones. Outside of any nothing happens. */
  tell(facts: Facts): void;
  /** Adds a span that ended right now, a child of the one that this runs in. */
  called(call: EndedCall): void;
  /** The innermost span that this runs in, sampled or not. Undefined outside of any. */
  here(): TraceParent | undefined;
}

/** Nobody looks. */
export const NO_TRACES: Traces = {
  span: (_work, run) => run(),
  tell: () => undefined,
  called: () => undefined,
  here: () => undefined,
};
