import type { Clock } from '../../src/application/ports/clock.ts';
import type { Credential, Credentials, NewCredential } from '../../src/application/ports/credentials.ts';
import type { ConnectionId } from '../../src/domain/ids.ts';
import { copyOf } from './copy.ts';

export function inMemoryCredentials({
  clock,
  isDisconnected = () => true,
}: {
  readonly clock: Clock;
  readonly isDisconnected?: (id: ConnectionId) => boolean;
}): Credentials {
  const pairs = new Map<ConnectionId, Credential>();
  const claims = new Map<ConnectionId, { readonly owner: string; readonly until: number }>();
  // Outlives the pairs: a pair that was destroyed and put again is not its own parent.
  const versions = new Map<ConnectionId, number>();

  /** When each pair comes due, and how often it was put off. */
  const schedule = new Map<ConnectionId, { readonly due: number; readonly failures: number }>();
  const current = (connectionId: ConnectionId, version: number): Credential | undefined => {
    const pair = pairs.get(connectionId);
    return pair?.version === version ? pair : undefined;
  };

  function noteUnanswered(pair: Credential): void {
    pairs.set(pair.connectionId, { unansweredSince: clock.now(), ...pair });
  }

  function store({ refreshDueTime, ...credential }: NewCredential): Credential {
    const version = (versions.get(credential.connectionId) ?? 0) + 1;
    const stored = { ...copyOf(credential), version };
    versions.set(credential.connectionId, version);
    claims.delete(credential.connectionId);
    pairs.set(credential.connectionId, stored);
    schedule.set(credential.connectionId, { due: refreshDueTime.getTime(), failures: 0 });
    return copyOf(stored);
  }

  function destroy(connectionId: ConnectionId): void {
    pairs.delete(connectionId);
    claims.delete(connectionId);
    schedule.delete(connectionId);
  }

  return {
    async find(connectionId) {
      return copyOf(pairs.get(connectionId));
    },
    async put(credential) {
      return store(credential);
    },
    async replace(credential, parentVersion) {
      return pairs.get(credential.connectionId)?.version === parentVersion ? store(credential) : undefined;
    },
    async destroy(connectionId) {
      destroy(connectionId);
    },
    async destroyIfDisconnected(connectionId) {
      if (isDisconnected(connectionId)) destroy(connectionId);
    },
    async claimRefresh(connectionId, version, owner, leaseSeconds) {
      const now = clock.now().getTime();
      const claim = claims.get(connectionId);
      const held = claim !== undefined && claim.until > now;
      const pair = current(connectionId, version);
      if (held || pair === undefined) return 'BUSY';
      if (claim !== undefined) noteUnanswered(pair);
      claims.set(connectionId, { owner, until: now + leaseSeconds * 1000 });
      return claim === undefined ? 'CLAIMED' : 'TAKEN_OVER';
    },
    async releaseRefresh(connectionId, owner) {
      if (claims.get(connectionId)?.owner === owner) claims.delete(connectionId);
    },
    async noteUnanswered(connectionId, version) {
      const pair = current(connectionId, version);
      if (pair !== undefined) noteUnanswered(pair);
    },
    async claimDue(limit, leaseSeconds) {
      const now = clock.now().getTime();
      const due = [...schedule]
        .filter(([, row]) => row.due <= now)
        .toSorted(([, left], [, right]) => left.due - right.due);
      const places = new Map<string, number>();
      const placed = due.flatMap(([connectionId, { due: time, failures }]) => {
        const pair = pairs.get(connectionId);
        if (pair === undefined) return [];
        const place = (places.get(pair.workspaceId) ?? 0) + 1;
        places.set(pair.workspaceId, place);
        return [{ connectionId, version: pair.version, failures, time, place }];
      });
      return placed
        .toSorted((left, right) => left.place - right.place || left.time - right.time)
        .slice(0, limit)
        .map(({ connectionId, version, failures }) => {
          schedule.set(connectionId, { due: now + leaseSeconds * 1000, failures });
          return { connectionId, version, failures };
        });
    },
    async nextDue() {
      const times = [...schedule.values()].map(({ due }) => due).filter(Number.isFinite);
      return times.length === 0 ? undefined : new Date(Math.min(...times));
    },
    async putOff(connectionId, version, seconds = Number.POSITIVE_INFINITY) {
      if (current(connectionId, version) === undefined) return;
      const failures = (schedule.get(connectionId)?.failures ?? 0) + 1;
      schedule.set(connectionId, { due: clock.now().getTime() + seconds * 1000, failures });
    },
  };
}
