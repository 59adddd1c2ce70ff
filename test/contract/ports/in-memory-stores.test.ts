import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/application/ports/clock.ts';
import { Secret } from '../../../src/domain/secret.ts';
import { canonicalDigest } from '../../support/canonical-digest.ts';
import { copyOf, revealed } from '../../support/copy.ts';
import { fixedClock } from '../../support/fixed-clock.ts';
import { inMemoryConnections } from '../../support/in-memory-connections.ts';
import { inMemoryCredentials } from '../../support/in-memory-credentials.ts';
import { inMemoryGates } from '../../support/in-memory-gates.ts';
import { inMemoryMetrics } from '../../support/in-memory-metrics.ts';
import { inMemoryPendingAuthorizations } from '../../support/in-memory-pending-authorizations.ts';
import { inMemoryPosts } from '../../support/in-memory-posts.ts';
import { inMemoryTurns } from '../../support/in-memory-turns.ts';
import { inMemoryUpcoming } from '../../support/in-memory-upcoming.ts';
import { inMemoryVideos } from '../../support/in-memory-videos.ts';
import { inMemoryWebhookInbox } from '../../support/in-memory-webhook-inbox.ts';
import { sequentialIds } from '../../support/sequential-ids.ts';
import { clockContract } from './clock.contract.ts';
import { connectionsContract } from './connections.contract.ts';
import { credentialsContract } from './credentials.contract.ts';
import { gatesContract } from './gates.contract.ts';
import { metricsContract } from './metrics.contract.ts';
import { pendingAuthorizationsContract } from './pending-authorizations.contract.ts';
import { postsContract } from './posts.contract.ts';
import { turnsContract } from './turns.contract.ts';
import { upcomingContract } from './upcoming.contract.ts';
import { videosContract } from './videos.contract.ts';
import { webhookInboxContract } from './webhook-inbox.contract.ts';

const FAKE = 'an in-memory fake';

const stores = async () => {
  const clock = fixedClock();
  const videos = inMemoryVideos({ clock });
  const connections = inMemoryConnections();
  return { clock, videos, connections, ...inMemoryPosts({ clock, videos, connections }) };
};

/** Time passes only when it is told to. */
function onAClock<T>(store: (needs: { readonly clock: Clock }) => T) {
  const clock = fixedClock();
  const passTime = async (seconds: number) => clock.advance(seconds);
  return { clock, passTime, driftSeconds: 0, store: store({ clock }) };
}

clockContract('a clock that stands still', async () => fixedClock());
connectionsContract(
  FAKE,
  async () => inMemoryConnections(),
  () => fixedClock().now(),
);
credentialsContract(FAKE, async () => inMemoryCredentials({ clock: fixedClock() }));
pendingAuthorizationsContract(FAKE, async () => inMemoryPendingAuthorizations());
videosContract(FAKE, stores);
postsContract(FAKE, stores);
upcomingContract(FAKE, async () => {
  const made = await stores();
  return { ...made, upcoming: inMemoryUpcoming(made) };
});
metricsContract(FAKE, async () => {
  const { clock, ...rest } = await stores();
  const passTime = async (seconds: number) => clock.advance(seconds);
  return { ...rest, ...inMemoryMetrics({ clock, ...rest }), clock, passTime };
});
gatesContract(FAKE, async () => {
  const { store: gates, ...rest } = onAClock(inMemoryGates);
  return { gates, ...rest };
});
turnsContract(
  FAKE,
  async () => {
    const { store: turns, ...rest } = onAClock(inMemoryTurns);
    return { turns, ...rest };
  },
  { runs: 300 },
);
webhookInboxContract(FAKE, async () => {
  const clock = fixedClock();
  return { clock, inbox: inMemoryWebhookInbox({ clock }) };
});

describe('what the fakes are made of', () => {
  it('counts ids up, in order and in the real shape', () => {
    const ids = sequentialIds();
    const made = Array.from({ length: 40 }, () => ids.postId());
    expect(made).toEqual(made.toSorted());
    expect(new Set(made).size).toBe(40);
    expect([...made, ids.videoId(), ids.connectionId()].every((id) => /^(conn|vid|post)_[0-9a-z]{26}$/.test(id))).toBe(
      true,
    );
  });

  it('digests the same for every order of keys, and for nothing else', () => {
    const time = new Date(0);
    const digest = canonicalDigest({ a: { c: 1, b: [1, 2] }, time });
    expect(canonicalDigest({ time: new Date(0), a: { b: [1, 2], c: 1 } })).toBe(digest);
    expect(canonicalDigest({ a: { c: 1, b: [2, 1] }, time })).not.toBe(digest);
    expect(canonicalDigest({ a: { c: 1, b: [1, 2] }, time: new Date(1) })).not.toBe(digest);
  });

  it('copies dates and secrets by value', () => {
    const original = { at: new Date(5), list: [{ secret: new Secret('s') }] };
    const copy = copyOf(original);
    expect(revealed(copy)).toEqual({ at: new Date(5), list: [{ secret: { secret: 's' } }] });
    expect([copy.at === original.at, copy.list === original.list]).toEqual([false, false]);
  });
});
