import { isError } from '../domain/finding.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { invalid, requireText } from './field-checks.ts';
import type { EventFilter, PostEvent, PostEvents } from './ports/post-events.ts';
import type { Refusal } from './refusal.ts';

/** The stream ends only when `signal` aborts. */
export type WatchPosts = (input: {
  readonly filter: EventFilter;
  /** Empty: from now on. */
  readonly resumeToken: string;
  readonly signal: AbortSignal;
}) => Promise<Result<AsyncIterable<PostEvent>, Refusal>>;

const BATCH = 200;

export function watchPosts({ events }: { readonly events: PostEvents }): WatchPosts {
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
        'Start again without a resume token, and read the posts with ListPosts.',
      );
      return err({ code: 'INVALID', findings: [finding] });
    }
    return ok(follow(events, filter, start, signal));
  };
}

async function* follow(
  events: PostEvents,
  filter: EventFilter,
  start: string,
  signal: AbortSignal,
): AsyncIterable<PostEvent> {
  let ring: () => void = () => {};
  let rung = false;
  const wake = (): void => {
    rung = true;
    ring();
  };
  const unsubscribe = events.subscribe(wake);
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
