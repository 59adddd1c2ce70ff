import { setTimeout as delay } from 'node:timers/promises';
import type { Watch } from '../support/grpc-client.ts';
import { isCode, isUnanswered } from './calls.ts';
import type { Crew } from './crew.ts';
import type { Fleet } from './fleet.ts';
import type { Random } from './random.ts';

/** What WatchPosts tells a subscriber that goes on at another worker, with its resume token, whenever its stream ends. */
export type Following = {
  /** Resolves when the first event came: from then on none may be missed. */
  readonly begun: Promise<void>;
  /** The state that was last heard of each post. */
  readonly latest: ReadonlyMap<string, string>;
  /** Resolves when `look`, asked now and after each event, says yes, or at the latest after so many seconds. */
  until(look: () => boolean, atMostSeconds: number): Promise<void>;
  /** How often it had to go on elsewhere. */
  resumed(): number;
};

type Event = { readonly post: { readonly post_id: string; readonly state: string }; readonly resume_token: string };

/** Posts change all the time: a stream that is silent for so long comes from a worker that is frozen. */
const SILENCE_MILLISECONDS = 4_000;

export function follow(needs: {
  readonly fleet: Fleet;
  readonly crew: Crew;
  readonly workspaceId: string;
  readonly random: Random;
}): Following {
  const { fleet, crew, workspaceId, random } = needs;
  const { signal } = crew;
  const latest = new Map<string, string>();
  const begun = Promise.withResolvers<void>();
  const looks = new Set<() => void>();
  let token = '';
  let resumed = 0;

  async function readUntilSilence(watch: Watch): Promise<void> {
    for (;;) {
      const silence = new AbortController();
      const silent = delay(SILENCE_MILLISECONDS, undefined, { signal: silence.signal }).catch(() => undefined);
      const message = await Promise.race([watch.next<{ event: Event }>(), silent]);
      silence.abort();
      if (message === undefined) return;
      const { post, resume_token } = message.event;
      latest.set(post.post_id, post.state.replace('POST_STATE_', ''));
      token = resume_token;
      begun.resolve();
      for (const look of looks) look();
    }
  }

  /** Gives when the stream broke, whatever the reason: nothing is lost with it. */
  async function followOne(): Promise<void> {
    const workers = await fleet.until(() => {
      const found = fleet.reachable();
      return found.length > 0 || signal.aborted ? found : undefined;
    });
    if (signal.aborted) return;
    const opening = random.pick(workers).clients.watch({ workspace_id: workspaceId, resume_token: token });
    // A frozen worker sends no headers either. Should they come late, nobody listens any more.
    const watch = await Promise.race([opening, delay(SILENCE_MILLISECONDS)]);
    if (watch === undefined) return void opening.then((late) => late.cancel());
    const cancel = (): void => watch.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      await readUntilSilence(watch);
    } catch (error) {
      if (!isCode(error) || !isUnanswered(error)) throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
      cancel();
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await followOne();
      resumed += 1;
    }
  }
  crew.add(run());

  return {
    begun: begun.promise,
    latest,
    resumed: () => resumed,
    async until(look, atMostSeconds) {
      const patience = new AbortController();
      const seen = Promise.withResolvers<void>();
      const lookAgain = (): void => {
        if (look()) seen.resolve();
      };
      looks.add(lookAgain);
      lookAgain();
      await Promise.race([
        seen.promise,
        delay(atMostSeconds * 1000, undefined, { signal: patience.signal }).catch(() => undefined),
      ]);
      patience.abort();
      looks.delete(lookAgain);
    },
  };
}
