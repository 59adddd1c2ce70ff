import type { Authorization, GrantRefusal, TokenGrant } from '../../../application/ports/tiktok.ts';
import type { PublishError } from '../../../domain/publish-error.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import { Secret } from '../../../domain/secret.ts';
import type { Answer } from '../answer.ts';
import { asPositive, asToken } from '../fields.ts';
import type { Address, Http } from '../http.ts';
import { byStatus, malformed, refusal } from '../refusal.ts';
import { dataOf, refused } from './api.ts';
import { credentialText, readCredential } from './credential.ts';

/** The app, as registered in TikTok's business portal. `redirectUri` must equal the registered one to the letter. */
export type BusinessApp = { readonly appId: string; readonly secret: Secret; readonly redirectUri: string };

/** The account holder's flow (`tt_user`): neither the advertiser's nor Login Kit's tokens work here (business-api §3). */
export function businessOAuth(options: {
  readonly http: Http;
  readonly at: (path: string) => Address;
  readonly app: BusinessApp;
  readonly authorizeUrl: string;
  readonly withinMilliseconds: number;
}): Omit<Authorization, 'readAccount' | 'profileUri'> {
  const { http, at, app, authorizeUrl, withinMilliseconds } = options;

  const post = (path: string, fields: Readonly<Record<string, string>>) =>
    http.ask({
      address: at(path),
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client_id: app.appId, client_secret: app.secret.reveal(), ...fields }),
      withinMilliseconds,
    });

  async function askForTokens(
    path: string,
    fields: Readonly<Record<string, string>>,
  ): Promise<Result<TokenGrant, GrantRefusal>> {
    const answer = await post(path, fields);
    if (!answer.ok) return err({ code: 'NOT_ANSWERED', error: answer.error });
    const error = oauthRefusal(answer.value);
    if (error !== undefined) {
      return err({ code: error.code === 'ACCOUNT_SESSION_INVALID' ? 'INVALID_GRANT' : 'NOT_ANSWERED', error });
    }
    const tokens = readTokens(answer.value);
    return tokens.ok ? tokens : err({ code: 'NOT_ANSWERED', error: tokens.error });
  }

  return {
    authorizeUri({ state, scopes }) {
      const uri = new URL(authorizeUrl);
      uri.searchParams.set('client_key', app.appId);
      uri.searchParams.set('response_type', 'code');
      uri.searchParams.set('scope', scopes.join(','));
      uri.searchParams.set('redirect_uri', app.redirectUri);
      uri.searchParams.set('state', state);
      uri.searchParams.set('disable_auto_auth', '1');
      return uri.href;
    },

    exchange: (code) =>
      askForTokens('/tt_user/oauth2/token/', {
        grant_type: 'authorization_code',
        auth_code: code,
        redirect_uri: app.redirectUri,
      }),

    refresh: (refreshToken) =>
      askForTokens('/tt_user/oauth2/refresh_token/', {
        grant_type: 'refresh_token',
        refresh_token: refreshToken.reveal(),
      }),

    async revoke(accessToken) {
      const credential = readCredential(accessToken);
      if (credential === undefined) return ok(undefined);
      const answer = await post('/tt_user/oauth2/revoke/', { access_token: credential.token.reveal() });
      if (!answer.ok) return answer;
      const error = oauthRefusal(answer.value);
      return error === undefined || error.code === 'ACCOUNT_SESSION_INVALID' ? ok(undefined) : err(error);
    },
  };
}

/** A platform in trouble (5xx, 429), or something in front of it, proves nothing about a token, whatever it writes. */
function oauthRefusal(answer: Answer): PublishError | undefined {
  const { status } = answer;
  return status >= 500 || status === 429
    ? refusal(byStatus(answer), { ...answer, message: `TikTok answered HTTP ${status}.` })
    : refused(answer);
}

/** Nothing is a grant unless every field is (business-api §3.3). The year of the refresh token does not begin anew. */
function readTokens(answer: Answer): Result<TokenGrant, PublishError> {
  const data = dataOf(answer);
  const openId = asToken(data['open_id']);
  const accessToken = asToken(data['access_token']);
  const refreshToken = asToken(data['refresh_token']);
  const accessSeconds = asPositive(data['expires_in']);
  const refreshSeconds = asPositive(data['refresh_token_expires_in']);
  const scope = data['scope'];
  if (openId === undefined) return err(malformed(answer, 'open_id'));
  if (accessToken === undefined) return err(malformed(answer, 'access_token'));
  if (refreshToken === undefined) return err(malformed(answer, 'refresh_token'));
  if (accessSeconds === undefined) return err(malformed(answer, 'expires_in'));
  if (refreshSeconds === undefined) return err(malformed(answer, 'refresh_token_expires_in'));
  if (typeof scope !== 'string') return err(malformed(answer, 'scope'));
  return ok({
    openId,
    accessToken: credentialText(openId, accessToken),
    refreshToken: new Secret(refreshToken),
    accessSeconds,
    refreshSeconds,
    scopes: scope.split(/[\s,]+/).filter((name) => name !== ''),
  });
}
