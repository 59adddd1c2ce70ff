import { setTimeout as delay } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { errorDetails, type GrpcClients } from '../support/grpc-client.ts';
import type { Fleet } from './fleet.ts';
import type { Random } from './random.ts';
import type { Worker } from './worker-process.ts';

/** Calls as a careful client makes them: to any worker, and when no answer came, the same again to another one. */
export type Calls = {
  /** Until one answers or refuses. Throws the refusal. */
  repeat<T>(name: string, call: (clients: GrpcClients) => Promise<T>): Promise<T>;
  /** A single time. Undefined when no answer came. */
  once<T>(name: string, call: (clients: GrpcClients) => Promise<T>): Promise<T | undefined>;
  /** How many answers never came. */
  unanswered(): number;
  /** Answers that no caller should get: the service itself went wrong. */
  readonly failures: readonly string[];
  /** One more of these. */
  blame(answer: string): void;
};

/** The codes after which nobody knows whether the call was heard. */
const UNANSWERED: ReadonlySet<number> = new Set([status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED]);
const BY_HTTP2: ReadonlySet<number> = new Set([status.RESOURCE_EXHAUSTED, status.INTERNAL]);
const BROKEN: ReadonlySet<number> = new Set([status.INTERNAL, status.UNKNOWN, status.DATA_LOSS, status.UNIMPLEMENTED]);

/** Between two tries, twice as long after each, so that whoever recovers is not stormed. */
const PAUSE_MILLISECONDS = 100;
const LONGEST_PAUSE_MILLISECONDS = 1_000;

export function callsTo(needs: {
  readonly fleet: Fleet;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** A call was sent, and its answer is not there yet. */
  readonly onSent: (name: string, worker: Worker) => void;
}): Calls {
  const { fleet, random, signal, onSent } = needs;
  const failures: string[] = [];
  let unanswered = 0;

  /** `undefined` when no answer came. */
  async function ask<T>(name: string, call: (clients: GrpcClients) => Promise<T>): Promise<{ value: T } | undefined> {
    signal.throwIfAborted();
    const workers = await fleet.until(() => {
      const found = fleet.reachable();
      return found.length > 0 || signal.aborted ? found : undefined;
    });
    signal.throwIfAborted();
    const worker = random.pick(workers);
    try {
      const answer = call(worker.clients);
      onSent(name, worker);
      return { value: await answer };
    } catch (error) {
      // A client of ours that was closed because its worker ended has no words of the service's for it.
      const lost = isCode(error) ? isUnanswered(error) : worker.phase() === 'ENDED';
      const words = `${name} to ${worker.name}: ${inWords(error)}`;
      const broken = isCode(error) && BROKEN.has(error.code) && !lost;
      if (!lost && !broken) throw new Error(words, { cause: error });
      if (broken) failures.push(words);
      unanswered += 1;
      return undefined;
    }
  }

  return {
    async repeat(name, call) {
      for (let pause = PAUSE_MILLISECONDS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MILLISECONDS)) {
        const answer = await ask(name, call);
        if (answer !== undefined) return answer.value;
        await delay(pause, undefined, { signal });
      }
    },
    once: async (name, call) => (await ask(name, call))?.value,
    unanswered: () => unanswered,
    failures,
    blame: (answer) => void failures.push(answer),
  };
}

/**
 * Also when a worker that was frozen meets all the calls of that time at once: its HTTP/2 refuses those that are too many, or ends
 * the whole connection, for which the client's word is INTERNAL. The service never hears of them, and gives no reason.
 */
export const isUnanswered = (error: { readonly code: number }): boolean =>
  UNANSWERED.has(error.code) || (BY_HTTP2.has(error.code) && reasonOf(error) === undefined);

export const isCode = (error: unknown): error is { readonly code: number } =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' && 'metadata' in error;

/** The reason a call was refused with; undefined when it was no refusal of the service's. */
export function reasonOf(error: unknown): string | undefined {
  const refusal = error instanceof Error && !isCode(error) ? error.cause : error;
  return isCode(refusal) ? errorDetails(refusal).reason : undefined;
}

function inWords(error: unknown): string {
  if (!isCode(error)) return String(error);
  const { code, reason, message, violations } = errorDetails(error);
  return [
    status[code],
    reason,
    message,
    ...violations.map(({ field, description }) => `${field}: ${description}`),
  ].join(' ');
}
