import { isError } from '../domain/finding.ts';
import type { WorkspaceId } from '../domain/ids.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { invalid, requireText } from './field-checks.ts';
import type { Outbox } from './ports/outbox.ts';
import type { Refusal } from './refusal.ts';

const BATCH = 200;

/** Follows an outbox. `listed`: where the present state can be read by who has no token that is good. */
export function followEvents<Event, Filter extends { readonly workspaceId: WorkspaceId }>(
  events: Outbox<Event, Filter>,
  listed: string,
): (input: {
  readonly filter: Filter;
  /** Empty: from now on. */
  readonly resumeToken: string;
  /** The stream ends only when it aborts. */
  readonly signal: AbortSignal;
}) => Promise<Result<AsyncIterable<Event>, Refusal>> {
  return async ({ filter, resumeToken, signal }) => {
    const findings = requireText('workspace_id', filter.workspaceId, 200);
    if (findings.some(isError)) return err({ code: 'INVALID', findings });
    const start = resumeToken === '' ? await events.end() : resumeToken;
    const first = await events.after(start, filter, BATCH);
    if (first === undefined) {
      const finding = invalid(
        'resume_token',
        resumeToken.slice(0, 40),
        'the resume_token of an event',
        `Start again without a resume token, and read ${listed}.`,
      );
      return err({ code: 'INVALID', findings: [finding] });
    }
    return ok(follow(events, filter, start, signal));
  };
}

async function* follow<Event, Filter extends { readonly workspaceId: WorkspaceId }>(
  events: Outbox<Event, Filter>,
  filter: Filter,
  start: string,
  signal: AbortSignal,
): AsyncIterable<Event> {
  let ring: () => void = () => {};
  let rung = false;
  const wake = (): void => {
    rung = true;
    ring();
  };
  const unsubscribe = events.subscribe(filter, wake);
  signal.addEventListener('abort', wake);
  try {
    let cursor = start;
    while (!signal.aborted) {
      rung = false;
      const batch = await events.after(cursor, filter, BATCH);
      if (batch === undefined) throw new Error('a cursor of ours was not understood');
      yield* batch.events;
      const moved = batch.reached !== cursor;
      cursor = batch.reached;
      if (moved || rung || signal.aborted) continue;
      await new Promise<void>((resolve) => {
        ring = resolve;
      });
    }
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', wake);
  }
}
