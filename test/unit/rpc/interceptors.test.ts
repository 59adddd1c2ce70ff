import { Code, type ConnectError, type Interceptor } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { ErrorInfoSchema } from '../../../src/adapters/rpc/gen/google/rpc/error_details_pb.js';
import { answerInTime } from '../../../src/adapters/rpc/interceptors.ts';

const clock = { now: () => new Date('2026-03-01T12:00:00Z') };

type Next = Parameters<Interceptor>[0];
type Request = Parameters<Next>[0];

const call = (
  interceptor: Interceptor,
  next: Next,
  request: { signal?: AbortSignal; header?: Record<string, string> } = {},
) =>
  interceptor(next)({
    stream: false,
    signal: request.signal ?? new AbortController().signal,
    header: new Headers(request.header),
  } as Request).catch((error: unknown) => error);

const never: Next = () => new Promise(() => {});

describe('answerInTime', () => {
  it('answers a call without a deadline when its time is over', async () => {
    const error = await call(answerInTime(0.01, { clock }), never);
    expect(error).toMatchObject({ code: Code.DeadlineExceeded });
    expect((error as ConnectError).findDetails(ErrorInfoSchema)).toMatchObject([{ reason: 'DEADLINE_EXCEEDED' }]);
  });

  it.each(['grpc-timeout', 'connect-timeout-ms'])('leaves a call with a %s to its own deadline', async (name) => {
    const own = new AbortController();
    const interceptor = answerInTime(0, { clock });
    const answer = call(interceptor, never, { signal: own.signal, header: { [name]: '1' } });
    // A call beside it, without a deadline, is over by now: the default would have ended this one too.
    await call(interceptor, never);
    own.abort();
    expect(await answer).toMatchObject({ code: Code.Canceled });
  });

  it('stops waiting when the caller is gone, before or during the call', async () => {
    const gone = new AbortController();
    const during = call(answerInTime(60, { clock }), never, { signal: gone.signal });
    gone.abort();
    expect(await during).toMatchObject({ code: Code.Canceled });
    expect(await call(answerInTime(60, { clock }), never, { signal: gone.signal })).toMatchObject({
      code: Code.Canceled,
    });
  });
});
