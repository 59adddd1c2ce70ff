import type { Clock } from '../../src/application/ports/clock.ts';
import type { Credential, Credentials, NewCredential } from '../../src/application/ports/credentials.ts';
import type { ConnectionId } from '../../src/domain/ids.ts';
import { copyOf } from './copy.ts';

export function inMemoryCredentials({ clock }: { readonly clock: Clock }): Credentials {
  const pairs = new Map<ConnectionId, Credential>();
  const claims = new Map<ConnectionId, { readonly owner: string; readonly until: number }>();
  // Outlives the pairs: a pair that was destroyed and put again is not its own parent.
  const versions = new Map<ConnectionId, number>();

  function store(credential: NewCredential): Credential {
    const version = (versions.get(credential.connectionId) ?? 0) + 1;
    const stored = { ...copyOf(credential), version };
    versions.set(credential.connectionId, version);
    claims.delete(credential.connectionId);
    pairs.set(credential.connectionId, stored);
    return copyOf(stored);
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
      pairs.delete(connectionId);
      claims.delete(connectionId);
    },
    async claimRefresh(connectionId, version, owner, leaseSeconds) {
      const now = clock.now().getTime();
      const claim = claims.get(connectionId);
      const held = claim !== undefined && claim.until > now;
      if (held || pairs.get(connectionId)?.version !== version) return 'BUSY';
      claims.set(connectionId, { owner, until: now + leaseSeconds * 1000 });
      return claim === undefined ? 'CLAIMED' : 'TAKEN_OVER';
    },
    async releaseRefresh(connectionId, owner) {
      if (claims.get(connectionId)?.owner === owner) claims.delete(connectionId);
    },
  };
}
