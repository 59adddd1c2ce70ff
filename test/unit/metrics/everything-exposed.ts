import { prometheusMetrics } from '../../../src/adapters/metrics/prometheus-metrics.ts';
import { type Family, parseExposition } from '../../support/exposition.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { reportEverything } from './report-everything.ts';

/** Every metric as a scrape shows it, each with at least one sample. */
export async function everythingExposed(): Promise<readonly Family[]> {
  const metrics = prometheusMetrics({
    backlog: {
      read: async () => ({
        overdue: 1,
        oldestOverdueSeconds: 1,
        held: { RECONNECT: 1, QUOTA: 1, PLATFORM_OUTAGE: 1, LATE: 1 },
        unconfirmed: 1,
        setAside: 1,
        shutGates: [{ code: 'PLATFORM_UNAVAILABLE', tried: false, gates: 1 }],
      }),
    },
    tiktokCodes: [],
    log: recordingLog(),
  });
  reportEverything(metrics);
  return [...parseExposition((await metrics.expose()).text).values()];
}
