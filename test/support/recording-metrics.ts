import type { Metrics } from '../../src/application/ports/metrics.ts';

type Report = {
  readonly [Name in keyof Metrics]: readonly [name: Name, ...said: Parameters<Metrics[Name]>];
}[keyof Metrics];

/** Keeps what it is told, in order: `['dispatched', 0.2]`. */
export function recordingMetrics(): Metrics & { readonly reports: readonly Report[] } {
  const reports: Report[] = [];
  const note =
    <Name extends keyof Metrics>(name: Name) =>
    (...said: Parameters<Metrics[Name]>): void => {
      reports.push([name, ...said] as unknown as Report);
    };
  return {
    reports,
    dispatched: note('dispatched'),
    attemptEnded: note('attemptEnded'),
    waited: note('waited'),
    setAside: note('setAside'),
    recalled: note('recalled'),
    videoRotten: note('videoRotten'),
    collected: note('collected'),
    collectionEnded: note('collectionEnded'),
    collectionAsked: note('collectionAsked'),
    snapshotsStored: note('snapshotsStored'),
    looked: note('looked'),
    doorbellReached: note('doorbellReached'),
    tiktokAnswered: note('tiktokAnswered'),
    tokenRefreshed: note('tokenRefreshed'),
    grantLost: note('grantLost'),
    reconnectWarned: note('reconnectWarned'),
    resealed: note('resealed'),
    underOlderKeys: note('underOlderKeys'),
    webhook: note('webhook'),
    callerRefused: note('callerRefused'),
  };
}
