import type { FailPoint } from './ports/fail-point.ts';
import type { Log } from './ports/log.ts';
import type { Metrics } from './ports/metrics.ts';
import type { SealedSecrets } from './ports/sealed-secrets.ts';
import { type Repeated, repeat } from './repeat.ts';

/** A process of an older configuration may go on sealing with the key before. */
const LOOK_SECONDS = 60;
const AT_ONCE = 100;

/**
 * While the ring holds older keys: seals anew what they sealed, until they can be taken out of it. Harmless in many processes at
 * once, and after a death it goes on where it was.
 */
export function resealSecrets(needs: {
  readonly secrets: SealedSecrets;
  readonly newestKey: string;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly failPoint: FailPoint;
}): Repeated & { sweep(ending?: () => boolean): Promise<void> } {
  const { secrets, newestKey, metrics, log, failPoint } = needs;
  let toldDone = false;

  async function left(): Promise<Readonly<Record<string, number>>> {
    const older = [...(await secrets.count())].filter(([key]) => key !== newestKey);
    metrics.underOlderKeys(older.reduce((sum, [, count]) => sum + count, 0));
    return Object.fromEntries(older);
  }

  async function sweep(ending: () => boolean = () => false): Promise<void> {
    let sum = 0;
    const before = await left();
    if (Object.keys(before).length > 0) {
      toldDone = false;
      log.info({ newestKey, underOlderKeys: before }, 'secrets are sealed anew with the newest key');
      for await (const { resealed, unreadable } of secrets.sealAnew(AT_ONCE)) {
        sum += resealed;
        metrics.resealed(resealed);
        if (unreadable.length > 0) log.error({ unreadable }, 'secrets that no key opens were left as they are');
        await failPoint('resealed');
        if (ending()) return;
      }
    }
    const after = sum === 0 ? before : await left();
    if (Object.keys(after).length > 0) {
      log.warn(
        { resealed: sum, underOlderKeys: after },
        'secrets are still under older keys: leave those in TOKEN_KEYS',
      );
    } else if (!toldDone) {
      toldDone = true;
      log.info(
        { resealed: sum, newestKey },
        'no stored secret needs an older key: they may be removed from TOKEN_KEYS',
      );
    }
  }

  const repeated = repeat(LOOK_SECONDS, sweep, (error) => log.error({ error }, 'secrets could not be sealed anew'));
  return { ...repeated, sweep };
}
