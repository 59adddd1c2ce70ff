import { onTestFinished } from 'vitest';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { businessTikTok } from '../../src/adapters/tiktok/business/business-tiktok.ts';
import { openTikTok } from '../../src/adapters/tiktok/open/open-tiktok.ts';
import { accountAccess } from '../../src/application/account-access.ts';
import { appTurns } from '../../src/application/app-turns.ts';
import { COLLECTION_RATES, collectMetrics, type MetricCollecting } from '../../src/application/collect-metrics.ts';
import { platformHealth } from '../../src/application/platform-health.ts';
import type { Clock } from '../../src/application/ports/clock.ts';
import type { Connections } from '../../src/application/ports/connections.ts';
import type { Credentials } from '../../src/application/ports/credentials.ts';
import type { MetricCollections } from '../../src/application/ports/metric-collections.ts';
import type { TikTok } from '../../src/application/ports/tiktok.ts';
import { NO_TRACES } from '../../src/application/ports/traces.ts';
import type { ApiFamily } from '../../src/domain/connection/connection.ts';
import { Secret } from '../../src/domain/secret.ts';
import { inMemoryGates } from './in-memory-gates.ts';
import { inMemoryTurns } from './in-memory-turns.ts';
import { recordingLog } from './recording-log.ts';
import { recordingMetrics } from './recording-metrics.ts';

const REDIRECT_URI = 'http://127.0.0.1:8080/oauth/tiktok/callback';

/** The real adapter of a family before a sandbox, and the sandbox's clock. Closed with the test. */
export function sandboxTikTok(family: ApiFamily, sandbox: Sandbox): { readonly tiktok: TikTok; readonly clock: Clock } {
  const clock = { now: () => new Date(sandbox.control.now()) };
  const common = { authorizeUrl: sandbox.authorizeUrl, sandbox: true };
  const tiktok =
    family === 'OPEN'
      ? openTikTok({
          ...common,
          clientKey: sandbox.clientKey,
          clientSecret: new Secret(sandbox.clientSecret),
          redirectUri: REDIRECT_URI,
          openApiUrl: sandbox.openApiUrl,
        })
      : businessTikTok({
          ...common,
          appId: sandbox.businessAppId,
          secret: new Secret(sandbox.businessSecret),
          redirectUri: `${REDIRECT_URI}/`,
          businessApiUrl: sandbox.businessApiUrl,
          clock,
        });
  onTestFinished(() => tiktok.close());
  return { tiktok, clock };
}

/** The collector as the service runs it, on whatever stores a test gives it. */
export function collectingFrom(
  tiktok: TikTok,
  stores: {
    readonly connections: Connections;
    readonly credentials: Credentials;
    readonly collections: MetricCollections;
    readonly clock: Clock;
    readonly wait: (seconds: number) => Promise<void>;
  },
): { readonly collector: MetricCollecting; readonly log: ReturnType<typeof recordingLog> } {
  const { clock } = stores;
  const log = recordingLog();
  const stopping = new AbortController().signal;
  const needs = {
    ...stores,
    tiktoks: { default: tiktok.family, families: new Map([[tiktok.family, tiktok]]) },
    gates: inMemoryGates({ clock }),
    turns: inMemoryTurns({ clock }),
    metrics: recordingMetrics(),
    traces: NO_TRACES,
    random: () => 0,
    log,
  };
  const access = accountAccess({
    ...needs,
    appTurns: appTurns({ ...needs, stopping }),
    health: platformHealth(needs),
    owner: 'this process',
    stopping,
    failPoint: async () => undefined,
  });
  return { collector: collectMetrics({ ...needs, access, rates: COLLECTION_RATES }), log };
}
