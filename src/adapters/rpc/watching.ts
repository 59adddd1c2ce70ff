import { Code, type HandlerContext } from '@connectrpc/connect';
import type { Clock } from '../../application/ports/clock.ts';
import { connectError } from './answer.ts';
import { endOf } from './interceptors.ts';
import { sendHeaders } from './send-headers.ts';

/**
 * A stream of changes, which has no end of its own: this process stops, or the caller goes away or runs out of time, and the error
 * that it ends with says which. Its headers are sent at once, so that the caller knows from when on nothing is missed.
 */
export async function* watching<Event, Message>(
  rpc: string,
  context: HandlerContext,
  { stopping, clock }: { readonly stopping: AbortSignal; readonly clock: Clock },
  open: (signal: AbortSignal) => Promise<AsyncIterable<Event>>,
  message: (event: Event) => Message | Promise<Message>,
): AsyncGenerator<{ event: Message }> {
  const signal = AbortSignal.any([context.signal, stopping]);
  const events = await open(signal);
  context.values.get(sendHeaders)(context.responseHeader);
  for await (const event of events) {
    yield { event: await message(event) };
    if (signal.aborted) break;
  }
  if (!stopping.aborted) throw endOf(signal, clock.now());
  throw connectError(
    {
      status: Code.Unavailable,
      reason: 'SERVICE_STOPPING',
      message: 'This process is stopping.',
      remedy: `Call ${rpc} again with the resume_token of the last event.`,
    },
    clock.now(),
  );
}
