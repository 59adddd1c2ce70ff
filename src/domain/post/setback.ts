import { consequenceOf, type PublishError } from '../publish-error.ts';
import { inSeconds } from '../time.ts';
import { backOff, OUTAGE_AFTER_SETBACKS } from './pacing.ts';
import { fail, hold, type Initializing, setBack, type Uploading } from './post.ts';
import { restingStep, type Step } from './step.ts';

/** When it happens, and a number from 0 to 1 that keeps posts that met the same from coming back in step. */
export type Moment = { readonly now: Date; readonly random: number };

/** Up to a quarter later. */
const jittered = (seconds: number, random: number): number => seconds * (1 + random / 4);

/** TikTok, or our standing with it, said no before the last byte. */
export function meet(post: Initializing | Uploading, error: PublishError, moment: Moment): Step {
  const consequence = consequenceOf(error);
  switch (consequence.kind) {
    case 'HOLD_RECONNECT':
      return restingStep(hold(post, { reason: 'RECONNECT' }, error));
    case 'HOLD_QUOTA':
      return restingStep(
        hold(post, { reason: 'QUOTA', releaseTime: inSeconds(moment.now, consequence.seconds) }, error),
      );
    case 'BACK_OFF':
      return retryLater(post, error, moment);
    case 'FAIL':
      return { post: fail(post, error, moment.now) };
  }
}

/** The same again, later; and held as an outage when that goes on. To be slowed down is no fault, and counts as none. */
export function retryLater(post: Initializing | Uploading, error: PublishError, { now, random }: Moment): Step {
  if (error.code === 'UPSTREAM_RATE_LIMITED') {
    return { post: { ...post, error }, nextActionTime: inSeconds(error.retryTime ?? inSeconds(now, 60), 10 * random) };
  }
  const later = setBack(post, error);
  const releaseTime = inSeconds(now, jittered(backOff(later.setbacks), random));
  return later.setbacks >= OUTAGE_AFTER_SETBACKS && error.code === 'PLATFORM_UNAVAILABLE'
    ? restingStep(hold(later, { reason: 'PLATFORM_OUTAGE', releaseTime }, error))
    : { post: later, nextActionTime: releaseTime };
}
