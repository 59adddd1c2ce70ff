import { Code, type ConnectError } from '@connectrpc/connect';
import { connectError } from './answer.ts';
import { endOf } from './interceptors.ts';

/** Why a stream of changes ends: this process is stopping, or the caller went away or ran out of time. */
export function endOfWatch(
  rpc: string,
  { signal, stopping, now }: { readonly signal: AbortSignal; readonly stopping: AbortSignal; readonly now: Date },
): ConnectError {
  if (!stopping.aborted) return endOf(signal, now);
  return connectError(
    {
      status: Code.Unavailable,
      reason: 'SERVICE_STOPPING',
      message: 'This process is stopping.',
      remedy: `Call ${rpc} again with the resume_token of the last event.`,
    },
    now,
  );
}
