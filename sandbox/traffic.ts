import type { EndpointName } from './endpoint.ts';
import type { CallRecord, Family } from './state.ts';

/** Calls of one kind, whatever became of them, and the most of them in any window of these lengths. */
export type CallRate = {
  calls: number;
  mostInSecond: number;
  mostInMinute: number;
  /** How many of them were refused because of their rate. */
  refused: number;
};

/** What the app of each family asked, as TikTok's limits count it. */
export type Traffic = {
  apps: (CallRate & { family: Family })[];
  endpoints: (CallRate & { family: Family; endpoint: EndpointName })[];
  /** Calls with a token of that account. */
  accounts: (CallRate & { family: Family; endpoint: EndpointName; account: string })[];
  /** Calls that the ledger has forgotten, so that the figures above may be too low. */
  forgotten: number;
  /** The last call's: with it as `since`, the next question begins after it. */
  sequence: number;
};

const secondMs = 1_000;
const minuteMs = 60_000;
const rateCodes: ReadonlySet<string | null> = new Set(['rate_limit_exceeded', '40100']);

const familyOf = (endpoint: EndpointName): Family => (endpoint.startsWith('business_') ? 'BUSINESS' : 'OPEN');

/** Windows are open at their start: two calls exactly a minute apart are not within one. `times` may be in any order. */
export function mostWithin(times: readonly number[], windowMs: number): number {
  const sorted = times.toSorted((one, other) => one - other);
  let most = 0;
  let first = 0;
  for (const [last, time] of sorted.entries()) {
    while ((sorted[first] ?? time) <= time - windowMs) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

function rate(calls: readonly CallRecord[]): CallRate {
  const times = calls.map(({ time }) => time);
  return {
    calls: calls.length,
    mostInSecond: mostWithin(times, secondMs),
    mostInMinute: mostWithin(times, minuteMs),
    refused: calls.filter(({ errorCode }) => rateCodes.has(errorCode)).length,
  };
}

/** Of the calls after the one with the number `since`. */
export function readTraffic(state: { calls: readonly CallRecord[]; callCount: number }, since: number): Traffic {
  const calls = state.calls.filter(({ sequence }) => sequence > since);
  const ofApp = Map.groupBy(calls, ({ endpoint }) => familyOf(endpoint));
  const ofEndpoint = Map.groupBy(calls, ({ endpoint }) => endpoint);
  return {
    apps: Array.from(ofApp, ([family, group]) => ({ family, ...rate(group) })),
    endpoints: Array.from(ofEndpoint, ([endpoint, group]) => ({
      ...{ family: familyOf(endpoint), endpoint },
      ...rate(group),
    })),
    accounts: Array.from(ofEndpoint).flatMap(([endpoint, group]) =>
      Array.from(
        Map.groupBy(group, ({ account }) => account),
        ([account, own]) => ({ family: familyOf(endpoint), endpoint, account, ...rate(own) }),
      ).flatMap((line) => (line.account === null ? [] : [{ ...line, account: line.account }])),
    ),
    forgotten: state.callCount - since - calls.length,
    sequence: state.callCount,
  };
}
