import type { Metrics } from '../../../src/application/ports/metrics.ts';

/** One report of each kind. A new kind of report does not compile without its example. */
const examples: { readonly [Name in keyof Metrics]: Parameters<Metrics[Name]> } = {
  dispatched: [0.2],
  attemptEnded: ['FAILED', 'CONTENT_FLAGGED'],
  waited: ['ANNOUNCE', 12],
  setAside: ['POST'],
  recalled: ['PUBLISHING'],
  videoRotten: [],
  collected: ['FILE', 2],
  collectionEnded: ['DONE', 3],
  collectionAsked: ['LIST'],
  snapshotsStored: [20],
  looked: [0.004],
  doorbellReached: [true],
  tiktokAnswered: [{ endpoint: '/v2/post/publish/status/fetch/', status: 200, code: 'ok', seconds: 0.1 }],
  tokenRefreshed: ['RENEWED'],
  grantLost: [],
  reconnectWarned: [7],
  resealed: [3],
  underOlderKeys: [5],
  webhook: ['ACCEPTED', 'post.publish.complete'],
  callerRefused: ['CREDENTIALS_INVALID'],
};

export function reportEverything(metrics: Metrics): void {
  for (const [name, said] of Object.entries(examples)) {
    (metrics[name as keyof Metrics] as (...said: readonly unknown[]) => void)(...said);
  }
}
