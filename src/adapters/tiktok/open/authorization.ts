import { createHash, createHmac } from 'node:crypto';
import type { Authorization, GrantRefusal, TokenGrant } from '../../../application/ports/tiktok.ts';
import type { PublishError } from '../../../domain/publish-error.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import { Secret } from '../../../domain/secret.ts';
import type { Answer } from '../answer.ts';
import { asPositive, asText, asToken } from '../fields.ts';
import type { Address, Http } from '../http.ts';
import { byStatus, malformed, refusal } from '../refusal.ts';
import { OAUTH_ERRORS } from './errors.ts';

/** The app, as registered at TikTok. */
export type App = {
  readonly clientKey: string;
  readonly clientSecret: Secret;
  /** Must equal a registered one to the letter. */
  readonly redirectUri: string;
  /** Whether consents are tied to their codes by PKCE. TikTok documents it for desktop and mobile apps, and asks it of some others. */
  readonly pkce: boolean;
};

type OAuth = Omit<Authorization, 'readAccount' | 'profileUri'>;

export function openOAuth(options: {
  readonly http: Http;
  readonly at: (path: string) => Address;
  readonly app: App;
  readonly authorizeUrl: string;
  readonly withinMilliseconds: number;
}): OAuth {
  const { http, at, app, authorizeUrl, withinMilliseconds } = options;

  const post = (path: string, fields: Readonly<Record<string, string>>) =>
    http.ask({
      address: at(path),
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'cache-control': 'no-cache' },
      body: new URLSearchParams({
        client_key: app.clientKey,
        client_secret: app.clientSecret.reveal(),
        ...fields,
      }).toString(),
      withinMilliseconds,
    });

  async function askForTokens(fields: Readonly<Record<string, string>>): Promise<Result<TokenGrant, GrantRefusal>> {
    const answer = await post('/v2/oauth/token/', fields);
    if (!answer.ok) return err({ code: 'NOT_ANSWERED', error: answer.error });
    const error = oauthError(answer.value);
    if (error !== undefined) {
      return err({ code: error.code === 'ACCOUNT_SESSION_INVALID' ? 'INVALID_GRANT' : 'NOT_ANSWERED', error });
    }
    const tokens = readTokens(answer.value);
    return tokens.ok ? tokens : err({ code: 'NOT_ANSWERED', error: tokens.error });
  }

  return {
    authorizeUri({ state, scopes }) {
      const uri = new URL(authorizeUrl);
      uri.searchParams.set('client_key', app.clientKey);
      uri.searchParams.set('response_type', 'code');
      uri.searchParams.set('scope', scopes.join(','));
      uri.searchParams.set('redirect_uri', app.redirectUri);
      uri.searchParams.set('state', state);
      uri.searchParams.set('disable_auto_auth', '1');
      if (app.pkce) {
        // In hex, as TikTok documents it, and not as RFC 7636 has it (open-api §1.2).
        uri.searchParams.set('code_challenge', createHash('sha256').update(verifierOf(app, state)).digest('hex'));
        uri.searchParams.set('code_challenge_method', 'S256');
      }
      return uri.href;
    },

    exchange: (code, state = '') =>
      askForTokens({
        grant_type: 'authorization_code',
        code,
        redirect_uri: app.redirectUri,
        ...(app.pkce ? { code_verifier: verifierOf(app, state) } : {}),
      }),

    refresh: (refreshToken) => askForTokens({ grant_type: 'refresh_token', refresh_token: refreshToken.reveal() }),

    async revoke(accessToken) {
      const answer = await post('/v2/oauth/revoke/', { token: accessToken.reveal() });
      if (!answer.ok) return answer;
      if (answer.value.body === 'EMPTY' && isSuccess(answer.value)) return ok(undefined);
      const error = oauthError(answer.value);
      return error === undefined || error.code === 'ACCOUNT_SESSION_INVALID' ? ok(undefined) : err(error);
    },
  };
}

/** Known to nobody who has the state alone, such as the browser; and so there is nothing to store until the code comes. */
const verifierOf = ({ clientSecret }: App, state: string): string =>
  createHmac('sha256', clientSecret.reveal()).update(`pkce ${state}`).digest('hex');

const isSuccess = ({ status }: Answer) => status >= 200 && status < 300;

/**
 * OAuth refuses with HTTP 200 (open-api §1.7), so the body decides. The exception: a platform in trouble (5xx, 429) or
 * something in front of it proves nothing about a token, whatever it writes.
 */
function oauthError(answer: Answer): PublishError | undefined {
  const { status, body, code } = answer;
  const meaning = byStatus(answer);
  if (body === 'JSON' && isSuccess(answer) && (code === 'ok' || !answer.json['error'])) return undefined;
  const trouble = meaning.code !== 'CONNECTOR_REQUEST_REJECTED';
  const known = trouble || code === undefined ? undefined : meantBy(code, answer.message);
  return refusal(known ?? meaning, { ...answer, message: answer.message ?? `TikTok answered HTTP ${status}.` });
}

/** The code of another consent is as good as a dead one. TikTok has no code of its own for it. */
const meantBy = (code: string, message = '') =>
  OAUTH_ERRORS.get(code === 'invalid_request' && /code verifier/i.test(message) ? 'invalid_grant' : code);

/** Nothing is a grant unless every field is (open-api §1.4). */
function readTokens(answer: Answer): Result<TokenGrant, PublishError> {
  const { json } = answer;
  const openId = asText(json['open_id']);
  const accessToken = asToken(json['access_token']);
  const refreshToken = asToken(json['refresh_token']);
  const accessSeconds = asPositive(json['expires_in']);
  const refreshSeconds = asPositive(json['refresh_expires_in']);
  const scope = json['scope'];
  if (openId === undefined) return err(malformed(answer, 'open_id'));
  if (accessToken === undefined) return err(malformed(answer, 'access_token'));
  if (refreshToken === undefined) return err(malformed(answer, 'refresh_token'));
  if (accessSeconds === undefined) return err(malformed(answer, 'expires_in'));
  if (refreshSeconds === undefined) return err(malformed(answer, 'refresh_expires_in'));
  if (typeof scope !== 'string') return err(malformed(answer, 'scope'));
  return ok({
    openId,
    accessToken: new Secret(accessToken),
    refreshToken: new Secret(refreshToken),
    accessSeconds,
    refreshSeconds,
    scopes: scope.split(/[\s,]+/).filter((name) => name !== ''),
  });
}
