import type { AccessToken, Grant, RefreshToken, Time } from '../state.ts';
import type { World } from '../world.ts';
import type { RemovalReason, Scope } from './vocabulary.ts';

const lifetimes = {
  legacy: { accessSeconds: 86_400, refreshSeconds: 31_536_000 },
  rotating: { accessSeconds: 7_200, refreshSeconds: 15_552_000 },
};

/** The answer of the token endpoint, in TikTok's words. */
export type TokenAnswer = {
  open_id: string;
  scope: string;
  access_token: string;
  expires_in: number;
  refresh_token: string;
  refresh_expires_in: number;
  token_type: 'Bearer';
};

export type LiveAccess = { token: AccessToken; grant: Grant };

export type Tokens = {
  grant(openId: string, scopes: Scope[]): TokenAnswer;
  /** Undefined for a refresh token that is unknown, expired, replaced or revoked. */
  refresh(refreshToken: string): TokenAnswer | undefined;
  live(accessToken: string): LiveAccess | undefined;
  /** Whose token this is or was. */
  owner(token: string): string | undefined;
  /** Ends what the account gave the app and tells the app by webhook. */
  endAccount(openId: string, reason: RemovalReason): void;
  /** Ends what hangs on this token, as far as the settings say. */
  revoke(access: LiveAccess): void;
};

/** `onEnded` hears which grants are over, to end what was being sent under them. */
export function tokenDesk(world: World, onEnded: (grants: Grant[]) => void): Tokens {
  const { state, clock, ids } = world;

  function issueAccess(grant: Grant, now: Time): AccessToken {
    const token: AccessToken = {
      token: `act.${ids.secret('access', 60)}`,
      grantId: grant.id,
      issuedTime: now,
      expiresTime: now + lifetimes[state.settings.tokenRegime].accessSeconds * 1000,
      uses: 0,
    };
    state.accessTokens.set(token.token, token);
    return token;
  }

  function issueRefresh(grant: Grant, now: Time): RefreshToken {
    const token: RefreshToken = {
      token: `rft.${ids.secret('refresh', 60)}`,
      grantId: grant.id,
      issuedTime: now,
      expiresTime: now + lifetimes[state.settings.tokenRegime].refreshSeconds * 1000,
      replacedTime: null,
      uses: 0,
      usesAfterReplaced: 0,
    };
    state.refreshTokens.set(token.token, token);
    return token;
  }

  function answer(grant: Grant, access: AccessToken, refresh: RefreshToken, now: Time): TokenAnswer {
    return {
      open_id: grant.openId,
      scope: grant.scopes.join(','),
      access_token: access.token,
      expires_in: Math.floor((access.expiresTime - now) / 1000),
      refresh_token: refresh.token,
      refresh_expires_in: Math.floor((refresh.expiresTime - now) / 1000),
      token_type: 'Bearer',
    };
  }

  function end(grants: Grant[], openId: string, reason: RemovalReason): void {
    const ended = grants.filter((grant) => grant.revokedTime === null);
    for (const grant of ended) grant.revokedTime = clock.now();
    onEnded(ended);
    world.webhooks.announce('authorization.removed', openId, { reason });
    world.changed();
  }

  const grantsOf = (openId: string) => [...state.grants.values()].filter((grant) => grant.openId === openId);

  return {
    grant(openId, scopes) {
      const now = clock.now();
      const grant: Grant = {
        id: `grant-${state.grants.size + 1}`,
        openId,
        scopes,
        createdTime: now,
        revokedTime: null,
      };
      state.grants.set(grant.id, grant);
      world.changed();
      return answer(grant, issueAccess(grant, now), issueRefresh(grant, now), now);
    },
    refresh(presented) {
      const now = clock.now();
      const old = state.refreshTokens.get(presented);
      const grant = old && state.grants.get(old.grantId);
      if (!old || !grant) return undefined;
      old.uses += 1;
      if (old.replacedTime !== null) old.usesAfterReplaced += 1;
      world.changed();
      if (old.replacedTime !== null || old.expiresTime <= now || grant.revokedTime !== null) return undefined;
      if (state.settings.tokenRegime === 'legacy') return answer(grant, issueAccess(grant, now), old, now);
      old.replacedTime = now;
      return answer(grant, issueAccess(grant, now), issueRefresh(grant, now), now);
    },
    live(presented) {
      const token = state.accessTokens.get(presented);
      const grant = token && state.grants.get(token.grantId);
      if (!token || !grant || token.expiresTime <= clock.now() || grant.revokedTime !== null) return undefined;
      return { token, grant };
    },
    owner(token) {
      const found = state.accessTokens.get(token) ?? state.refreshTokens.get(token);
      return found && state.grants.get(found.grantId)?.openId;
    },
    endAccount: (openId, reason) => end(grantsOf(openId), openId, reason),
    revoke({ grant }) {
      end(state.settings.revocation === 'account' ? grantsOf(grant.openId) : [grant], grant.openId, 5);
    },
  };
}
