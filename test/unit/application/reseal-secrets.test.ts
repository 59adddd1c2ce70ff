import { describe, expect, it } from 'vitest';
import type { SealedSecrets } from '../../../src/application/ports/sealed-secrets.ts';
import { resealSecrets } from '../../../src/application/reseal-secrets.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { recordingMetrics } from '../../support/recording-metrics.ts';

/** Secrets by key; what is `stuck` opens with none. */
function fakeSecrets(older: number, stuck = 0): SealedSecrets & { readonly sealed: () => number } {
  let left = older;
  let newest = 0;
  return {
    sealed: () => newest,
    count: async () =>
      new Map([
        ...(left + stuck > 0 ? [['old', left + stuck] as const] : []),
        ...(newest > 0 ? [['new', newest] as const] : []),
      ]),
    async *sealAnew(atOnce) {
      while (left > 0) {
        const resealed = Math.min(left, atOnce);
        left -= resealed;
        newest += resealed;
        yield { resealed, unreadable: [] };
      }
      if (stuck > 0) yield { resealed: 0, unreadable: ['credential.access_token of conn_1'] };
    },
    unopenable: async () => [],
  };
}

function given(secrets: SealedSecrets) {
  const log = recordingLog();
  const metrics = recordingMetrics();
  const job = resealSecrets({ secrets, newestKey: 'new', metrics, log, failPoint: () => undefined });
  const messages = (level: string) => log.lines.filter((line) => line.level === level).map(({ message }) => message);
  return { job, log, metrics, messages };
}

describe('sealing anew', () => {
  it('tells how many are left, and once when the older keys may go', async () => {
    const secrets = fakeSecrets(250);
    const { job, metrics, messages } = given(secrets);
    await job.sweep();
    await job.sweep();
    expect(secrets.sealed()).toBe(250);
    expect(metrics.reports).toEqual([
      ['underOlderKeys', 250],
      ['resealed', 100],
      ['resealed', 100],
      ['resealed', 50],
      ['underOlderKeys', 0],
      ['underOlderKeys', 0],
    ]);
    expect(messages('info').filter((message) => message.includes('may be removed'))).toHaveLength(1);
  });

  it('names what no key opens, and never says that the older keys may go then', async () => {
    const { job, log, messages } = given(fakeSecrets(10, 1));
    await job.sweep();
    expect(log.lines).toContainEqual({
      level: 'error',
      fields: { unreadable: ['credential.access_token of conn_1'] },
      message: 'secrets that no key opens were left as they are',
    });
    expect(messages('warn')).toEqual(['secrets are still under older keys: leave those in TOKEN_KEYS']);
    expect(messages('info').join()).not.toContain('may be removed');
  });

  it('stops between two lots when the process ends', async () => {
    const secrets = fakeSecrets(1000);
    const { job } = given(secrets);
    await job.sweep(() => true);
    expect(secrets.sealed()).toBe(100);
  });
});
