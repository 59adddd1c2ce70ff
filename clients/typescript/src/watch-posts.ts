import { type Client, Code, ConnectError } from '@connectrpc/connect';
import type { PostEvent, PostService } from '../gen/glowtify/tiktok/v1/post_service_pb.js';
import { ConnectorError } from './connector-error.ts';
import { backoffMilliseconds, type RetrySurroundings } from './retry.ts';
import type { RetryPolicy } from './service-config.ts';

export type WatchFilter = {
  readonly workspaceId: string;
  /** Only these accounts. Empty or absent: all. */
  readonly connectionIds?: readonly string[];
  /** Only these posts. Empty or absent: all. */
  readonly postIds?: readonly string[];
  /** Of the last event that was handled, as it was stored. Absent: from now on. */
  readonly resumeToken?: string;
};

export type WatchOptions = {
  /** Ends the watch: the loop over it then ends without an error. */
  readonly signal?: AbortSignal;
  /** Called when the stream broke and is opened again after so many milliseconds. For logs. */
  readonly onBreak?: (error: ConnectorError, pauseMilliseconds: number) => void;
};

/** What a watch gives. */
export type WatchStep =
  /**
   * The stream goes on after no event: at first (unless there is a `resumeToken`), and each time it broke before any event had come. What
   * happened until now is in no event of it: read it (GetPost, ListPosts) before going on.
   */
  | { readonly kind: 'FRESH' }
  /** Store `event.resumeToken` once the event is handled. The same event may come again. */
  | { readonly kind: 'EVENT'; readonly event: PostEvent };

/** From half a second to half a minute, for as long as it takes: a watch has no deadline. */
const REOPENING: RetryPolicy = {
  maxAttempts: Number.POSITIVE_INFINITY,
  initialBackoffMilliseconds: 500,
  maxBackoffMilliseconds: 30_000,
  backoffMultiplier: 2,
};

/**
 * Changes of posts: each at least once, in order for each post, over broken connections and restarts of the service. Ends when `signal` is
 * aborted. Throws what waiting can't mend, such as a resume token that is not the service's.
 */
export async function* watchPosts(
  posts: Client<typeof PostService>,
  surroundings: RetrySurroundings,
  { workspaceId, connectionIds = [], postIds = [], resumeToken: stored = '' }: WatchFilter,
  { signal = new AbortController().signal, onBreak }: WatchOptions = {},
): AsyncGenerator<WatchStep, void, undefined> {
  let resumeToken = stored;
  let failures = 0;
  let wasRenewed = false;
  while (!signal.aborted) {
    // Ends this stream also when the loop over the steps is left early.
    const stream = new AbortController();
    try {
      const ended = AbortSignal.any([signal, stream.signal]);
      const filter = { workspaceId, connectionIds: [...connectionIds], postIds: [...postIds], resumeToken };
      let opened: () => void = () => undefined;
      const headers = new Promise<void>((resolve) => {
        opened = resolve;
      });
      const messages = posts.watchPosts(filter, { signal: ended, onHeader: () => opened() })[Symbol.asyncIterator]();
      let next = messages.next();
      await Promise.race([headers, next]);
      if (resumeToken === '') yield { kind: 'FRESH' };
      for (;;) {
        const { done, value } = await next;
        if (done) throw new ConnectorError(new ConnectError('the stream ended', Code.Unavailable));
        // Headers prove nothing: a refusal comes after them.
        failures = 0;
        wasRenewed = false;
        if (value.event !== undefined) {
          yield { kind: 'EVENT', event: value.event };
          resumeToken = value.event.resumeToken;
        }
        next = messages.next();
      }
    } catch (thrown) {
      if (signal.aborted) return;
      if (!(thrown instanceof ConnectorError)) throw thrown;
      // A token that expired while the stream was open: the next call brings a new one. Once, for a key that expired stays so.
      const renews: boolean = thrown.reason === 'CREDENTIALS_EXPIRED' && !wasRenewed;
      if (!renews && thrown.code !== Code.Unavailable && thrown.code !== Code.DeadlineExceeded) throw thrown;
      wasRenewed ||= renews;
      failures += 1;
      const pause = backoffMilliseconds(REOPENING, failures, surroundings.random);
      onBreak?.(thrown, pause);
      await surroundings.wait(pause, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    } finally {
      stream.abort();
    }
  }
}
