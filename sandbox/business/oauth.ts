import type { Endpoint } from '../endpoint.ts';
import type { Pair, Tokens } from '../tokens.ts';
import type { World } from '../world.ts';
import { invalid, refused } from './answers.ts';
import { businessIdOf } from './business-id.ts';
import { appEndpoint, checkApp, type Outcome, type Parameters, requiredText } from './endpoints.ts';

const client = ['client_id', 'client_secret'] as const;

const issued = (pair: Pair): Outcome => ({
  ok: true,
  data: {
    access_token: pair.accessToken,
    token_type: 'Bearer',
    expires_in: pair.accessSeconds,
    refresh_token: pair.refreshToken,
    refresh_token_expires_in: pair.refreshSeconds,
    open_id: businessIdOf(pair.grant.openId),
    scope: pair.grant.scopes.join(','),
  },
});

/** `/tt_user/…`: the account holder's tokens. Not the advertiser's flow, and not Login Kit's. */
export function businessOAuth(world: World, tokens: Tokens): Endpoint[] {
  const { state, clock } = world;

  function grantType(parameters: Parameters, expected: string): Outcome | undefined {
    const given = requiredText(parameters, 'grant_type');
    if (!given.ok) return given;
    return given.value === expected ? undefined : refused(40108);
  }

  return [
    appEndpoint(world, {
      name: 'business_token',
      method: 'POST',
      path: '/tt_user/oauth2/token/',
      account: (parameters) => {
        const code = state.codes.get(String(parameters['auth_code']));
        return code?.family === 'BUSINESS' ? code.openId : undefined;
      },
      handle(parameters) {
        const wrong = checkApp(world, parameters, client) ?? grantType(parameters, 'authorization_code');
        if (wrong) return wrong;
        const presented = requiredText(parameters, 'auth_code');
        if (!presented.ok) return presented;
        const redirectUri = requiredText(parameters, 'redirect_uri');
        if (!redirectUri.ok) return redirectUri;
        const code = state.codes.get(presented.value);
        if (code?.family !== 'BUSINESS' || code.used || code.expiresTime <= clock.now()) return refused(40110);
        if (code.redirectUri !== redirectUri.value) return invalid('redirect_uri', 'Not the one of the authorization.');
        code.used = true;
        return issued(tokens.grant(code.openId, code.scopes));
      },
    }),
    appEndpoint(world, {
      name: 'business_refresh',
      method: 'POST',
      path: '/tt_user/oauth2/refresh_token/',
      account: (parameters) => tokens.owner(String(parameters['refresh_token'])),
      handle(parameters) {
        const wrong = checkApp(world, parameters, client) ?? grantType(parameters, 'refresh_token');
        if (wrong) return wrong;
        const presented = requiredText(parameters, 'refresh_token');
        if (!presented.ok) return presented;
        const pair = tokens.refresh(presented.value);
        if (pair === 'EXPIRED') return refused(40103);
        return pair === 'DEAD' ? refused(40107) : issued(pair);
      },
    }),
    appEndpoint(world, {
      name: 'business_revoke',
      method: 'POST',
      path: '/tt_user/oauth2/revoke/',
      account: (parameters) => tokens.owner(String(parameters['access_token'])),
      handle(parameters) {
        const wrong = checkApp(world, parameters, client);
        if (wrong) return wrong;
        const presented = requiredText(parameters, 'access_token');
        if (!presented.ok) return presented;
        const access = tokens.live(presented.value);
        if (access === 'EXPIRED') return refused(40102);
        if (access === 'DEAD') return refused(40105);
        tokens.revoke(access);
        return { ok: true, data: {} };
      },
    }),
    appEndpoint(world, {
      name: 'business_token_info',
      method: 'POST',
      path: '/tt_user/token_info/get/',
      account: (parameters) => tokens.owner(String(parameters['access_token'])),
      handle(parameters) {
        const appId = requiredText(parameters, 'app_id');
        if (!appId.ok) return appId;
        if (appId.value !== state.business.appId) return refused(40113);
        const presented = requiredText(parameters, 'access_token');
        if (!presented.ok) return presented;
        const access = tokens.live(presented.value);
        if (access === 'EXPIRED') return refused(40102);
        if (access === 'DEAD') return refused(40105);
        const { openId, scopes } = access.grant;
        return {
          ok: true,
          data: { app_id: appId.value, creator_id: businessIdOf(openId), scope: scopes.join(',') },
        };
      },
    }),
  ];
}
