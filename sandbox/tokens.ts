import type { RemovalReason } from './open/vocabulary.ts';
import type { AccessToken, Family, Grant, RefreshToken, Time } from './state.ts';
import type { World } from './world.ts';

/** How a family's tokens live. */
export type Regime = {
  readonly accessSeconds: number;
  readonly refreshSeconds: number;
  /** Whether a refresh gives a new refresh token and kills the one it spends. */
  readonly rotates: boolean;
  /** Whether that new one lives `refreshSeconds` again, or only as long as the one before would have. */
  readonly extends: boolean;
};

/** A token pair. Lifetimes are from now. */
export type Pair = {
  readonly grant: Grant;
  readonly accessToken: string;
  readonly accessSeconds: number;
  readonly refreshToken: string;
  readonly refreshSeconds: number;
};

export type LiveAccess = { token: AccessToken; grant: Grant };

/** The tokens of one family: those of the other are unknown to it. */
export type Tokens = {
  grant(openId: string, scopes: readonly string[]): Pair;
  /** `DEAD`: unknown, replaced or revoked. */
  refresh(refreshToken: string): Pair | 'EXPIRED' | 'DEAD';
  live(accessToken: string): LiveAccess | 'EXPIRED' | 'DEAD';
  /** Whose token this is or was. */
  owner(token: string): string | undefined;
  /** Ends what the account gave the app and tells the app by webhook. */
  endAccount(openId: string, reason: RemovalReason): void;
  /** Ends what hangs on this token, as far as the settings say. */
  revoke(access: LiveAccess): void;
};

/** `onEnded` hears which grants are over, to end what was being sent under them. */
export function tokenDesk(
  world: World,
  family: Family,
  regime: () => Regime,
  onEnded: (grants: Grant[]) => void,
): Tokens {
  const { state, clock, ids } = world;

  function issueAccess(grant: Grant, now: Time): AccessToken {
    const token: AccessToken = {
      token: `act.${ids.secret('access', 60)}`,
      grantId: grant.id,
      issuedTime: now,
      expiresTime: now + regime().accessSeconds * 1000,
      uses: 0,
    };
    state.accessTokens.set(token.token, token);
    return token;
  }

  function issueRefresh(grant: Grant, now: Time, expiresTime: Time): RefreshToken {
    const token: RefreshToken = {
      token: `rft.${ids.secret('refresh', 60)}`,
      grantId: grant.id,
      issuedTime: now,
      expiresTime,
      replacedTime: null,
      uses: 0,
      usesAfterReplaced: 0,
    };
    state.refreshTokens.set(token.token, token);
    return token;
  }

  const pair = (grant: Grant, access: AccessToken, refresh: RefreshToken, now: Time): Pair => ({
    grant,
    accessToken: access.token,
    accessSeconds: Math.floor((access.expiresTime - now) / 1000),
    refreshToken: refresh.token,
    refreshSeconds: Math.floor((refresh.expiresTime - now) / 1000),
  });

  function end(grants: Grant[], openId: string, reason: RemovalReason): void {
    const ended = grants.filter((grant) => grant.revokedTime === null);
    for (const grant of ended) grant.revokedTime = clock.now();
    onEnded(ended);
    world.webhooks.announce({ family, event: 'authorization.removed', openId, content: { reason } });
    world.changed();
  }

  const grantOf = (token: { grantId: string } | undefined): Grant | undefined => {
    const grant = token && state.grants.get(token.grantId);
    return grant?.family === family ? grant : undefined;
  };
  const grantsOf = (openId: string) =>
    [...state.grants.values()].filter((grant) => grant.family === family && grant.openId === openId);

  return {
    grant(openId, scopes) {
      const now = clock.now();
      const grant: Grant = {
        id: `grant-${state.grants.size + 1}`,
        family,
        openId,
        scopes: [...scopes],
        createdTime: now,
        revokedTime: null,
      };
      state.grants.set(grant.id, grant);
      world.changed();
      const refresh = issueRefresh(grant, now, now + regime().refreshSeconds * 1000);
      return pair(grant, issueAccess(grant, now), refresh, now);
    },
    refresh(presented) {
      const now = clock.now();
      const old = state.refreshTokens.get(presented);
      const grant = grantOf(old);
      if (!old || !grant) return 'DEAD';
      old.uses += 1;
      if (old.replacedTime !== null) old.usesAfterReplaced += 1;
      world.changed();
      if (old.replacedTime !== null || grant.revokedTime !== null) return 'DEAD';
      if (old.expiresTime <= now) return 'EXPIRED';
      const { rotates, refreshSeconds, extends: goesOn } = regime();
      if (!rotates) return pair(grant, issueAccess(grant, now), old, now);
      old.replacedTime = now;
      const fresh = issueRefresh(grant, now, goesOn ? now + refreshSeconds * 1000 : old.expiresTime);
      return pair(grant, issueAccess(grant, now), fresh, now);
    },
    live(presented) {
      const token = state.accessTokens.get(presented);
      const grant = grantOf(token);
      if (!token || !grant || grant.revokedTime !== null) return 'DEAD';
      return token.expiresTime <= clock.now() ? 'EXPIRED' : { token, grant };
    },
    owner: (token) => grantOf(state.accessTokens.get(token) ?? state.refreshTokens.get(token))?.openId,
    endAccount: (openId, reason) => end(grantsOf(openId), openId, reason),
    revoke({ grant }) {
      end(state.settings.revocation === 'account' ? grantsOf(grant.openId) : [grant], grant.openId, 5);
    },
  };
}
