import type { Endpoint } from '../endpoint.ts';
import { type Answer, type Call, json, mediaType } from '../http.ts';
import type { Tokens } from '../tokens.ts';
import type { World } from '../world.ts';
import { oauthError } from './answers.ts';
import { answersChallenge } from './pkce.ts';
import { tokenAnswer } from './token-answer.ts';
import { type OAuthErrorCode, oauthErrors } from './vocabulary.ts';

const isOAuthError = (code: string): code is OAuthErrorCode => Object.hasOwn(oauthErrors, code);

/** The fields of a form, or undefined when it is no form or names a field twice. */
function readForm(call: Call): Map<string, string> | undefined {
  if (mediaType(call.request) !== 'application/x-www-form-urlencoded') return undefined;
  const fields = [...new URLSearchParams(call.text)];
  const form = new Map(fields);
  return form.size === fields.length ? form : undefined;
}

export function oauthEndpoints(world: World, tokens: Tokens): Endpoint[] {
  const { state, clock } = world;
  const deny = (code: OAuthErrorCode, description?: string) => oauthError(world, code, description);
  const refuse = (code: string, message?: string) => (isOAuthError(code) ? deny(code, message) : undefined);
  const issued = (body: object): Answer => {
    const answer = json(200, body);
    return { ...answer, headers: { ...answer.headers, 'cache-control': 'no-store' } };
  };

  function checkClient(form: Map<string, string>): Answer | undefined {
    const key = form.get('client_key');
    const secret = form.get('client_secret');
    if (!key) return deny('invalid_request');
    if (!secret) return deny('invalid_request', 'Client secret is missed in request.');
    if (key !== state.app.clientKey || secret !== state.app.clientSecret) return deny('invalid_client');
    return undefined;
  }

  function exchangeCode(form: Map<string, string>): Answer {
    const presented = form.get('code');
    const redirectUri = form.get('redirect_uri');
    if (!presented || !redirectUri) return deny('invalid_request');
    const code = state.codes.get(presented);
    if (code?.family !== 'OPEN' || code.used || code.expiresTime <= clock.now()) {
      return deny('invalid_grant', 'Authorization code is expired.');
    }
    if (code.redirectUri !== redirectUri) {
      return deny('invalid_request', 'Redirect_uri is not matched with the uri when requesting code.');
    }
    if (code.challenge !== null && !answersChallenge(form.get('code_verifier') ?? '', code.challenge)) {
      return deny('invalid_request', 'Code verifier or code challenge is invalid.');
    }
    code.used = true;
    return issued(tokenAnswer(tokens.grant(code.openId, code.scopes)));
  }

  function refresh(form: Map<string, string>): Answer {
    const presented = form.get('refresh_token');
    if (!presented) return deny('invalid_request');
    const fresh = tokens.refresh(presented);
    return typeof fresh === 'string' ? deny('invalid_grant') : issued(tokenAnswer(fresh));
  }

  return [
    {
      name: 'token',
      methods: ['POST'],
      path: '/v2/oauth/token/',
      body: 'text',
      subject(call) {
        const form = readForm(call);
        const grantType = form?.get('grant_type');
        const account =
          state.codes.get(form?.get('code') ?? '')?.openId ?? tokens.owner(form?.get('refresh_token') ?? '');
        return { ...(account === undefined ? {} : { account }), ...(grantType === undefined ? {} : { grantType }) };
      },
      handle(call) {
        const form = readForm(call);
        if (!form) return deny('invalid_request');
        const wrongClient = checkClient(form);
        if (wrongClient) return wrongClient;
        const grantType = form.get('grant_type');
        if (!grantType) return deny('invalid_request');
        if (grantType === 'authorization_code') return exchangeCode(form);
        if (grantType === 'refresh_token') return refresh(form);
        return deny('unsupported_grant_type');
      },
      refuse,
    },
    {
      name: 'revoke',
      methods: ['POST'],
      path: '/v2/oauth/revoke/',
      body: 'text',
      subject(call) {
        const account = tokens.owner(readForm(call)?.get('token') ?? '');
        return account === undefined ? {} : { account };
      },
      handle(call) {
        const form = readForm(call);
        if (!form) return deny('invalid_request');
        const wrongClient = checkClient(form);
        if (wrongClient) return wrongClient;
        const presented = form.get('token');
        if (!presented) return deny('invalid_request');
        const access = tokens.live(presented);
        if (typeof access === 'string') return deny('invalid_grant', 'Access token is invalid or expired.');
        tokens.revoke(access);
        return json(200, {});
      },
      refuse,
    },
  ];
}
