import type { Endpoint } from '../endpoint.ts';
import { type Answer, type Call, html, mediaType } from '../http.ts';
import type { Account, Family } from '../state.ts';
import type { World } from '../world.ts';
import { consentPage, errorPage } from './consent-page.ts';
import { isChallenge } from './pkce.ts';
import { redirectMatches } from './redirect-uris.ts';

type Asked = {
  family: Family;
  scopes: string[];
  redirectUri: string;
  state: string;
  challenge: string | null;
  silently: boolean;
};
type Wrong = { parameter: string; explanation: string };

const businessCodeLifetimeMs = 600_000;
const sessionCookie = 'tiktok_sandbox_session';

function readSession(call: Call): string | undefined {
  const cookies = (call.request.headers.cookie ?? '').split(';').map((cookie) => cookie.trim().split('='));
  const value = cookies.find(([name]) => name === sessionCookie)?.[1];
  return value === undefined ? undefined : decodeURIComponent(value);
}

export function authorizeEndpoint(world: World, findAccount: (name: string) => Account | undefined): Endpoint {
  const { state, clock, ids } = world;

  function familyOf(clientKey: string | null): Family | undefined {
    if (clientKey === state.app.clientKey) return 'OPEN';
    return clientKey === state.business.appId ? 'BUSINESS' : undefined;
  }

  function read(query: URLSearchParams): Asked | Wrong {
    const family = familyOf(query.get('client_key'));
    if (family === undefined) return { parameter: 'client_key', explanation: 'No such app.' };
    const app = family === 'OPEN' ? state.app : state.business;
    const redirectUri = query.get('redirect_uri') ?? '';
    if (!app.redirectUris.some((registered) => redirectMatches(registered, redirectUri))) {
      return { parameter: 'redirect_uri', explanation: 'It must equal one of the registered URIs.' };
    }
    if (query.get('response_type') !== 'code') return { parameter: 'response_type', explanation: 'It must be "code".' };
    const scopes = [...new Set((query.get('scope') ?? '').split(','))];
    if (!scopes.every((scope) => (app.scopes as string[]).includes(scope))) {
      return { parameter: 'scope', explanation: 'Comma-separated scopes that the app is approved for.' };
    }
    const appState = query.get('state') ?? '';
    if (!appState && family === 'OPEN') return { parameter: 'state', explanation: 'It is required.' };
    const silent = query.get('disable_auto_auth') ?? '0';
    if (silent !== '0' && silent !== '1') return { parameter: 'disable_auto_auth', explanation: 'It must be 0 or 1.' };
    const asked = { family, scopes, redirectUri, state: appState, silently: silent === '0' };
    if (family === 'BUSINESS') return { ...asked, challenge: null };
    return readChallenge(query, asked);
  }

  /** Of the open family only. */
  function readChallenge(query: URLSearchParams, asked: Omit<Asked, 'challenge'>): Asked | Wrong {
    const { app } = state;
    const challenge = query.get('code_challenge');
    const method = query.get('code_challenge_method');
    if (challenge === null && app.pkceRequired) return { parameter: 'code_challenge', explanation: 'It is required.' };
    if (challenge !== null && !isChallenge(challenge, app.pkceEncodings)) {
      return {
        parameter: 'code_challenge',
        explanation: `It must be the SHA-256 of the verifier in ${app.pkceEncodings.join(' or ')}.`,
      };
    }
    if (challenge === null ? method !== null : method !== 'S256') {
      return { parameter: 'code_challenge_method', explanation: 'It must be "S256", and only with a code_challenge.' };
    }
    return { ...asked, challenge };
  }

  const fault = ({ parameter, explanation }: Wrong): Answer => ({
    ...html(400, errorPage(parameter, explanation)),
    errorCode: parameter,
  });

  function redirect(asked: Asked, parameters: Record<string, string>, headers: Record<string, string> = {}): Answer {
    const target = new URL(asked.redirectUri);
    const echoed: Record<string, string> = asked.state === '' ? {} : { state: asked.state };
    target.search = new URLSearchParams({ ...parameters, ...echoed }).toString();
    return { status: 302, headers: { ...headers, location: target.href, 'cache-control': 'no-store' }, body: '' };
  }

  function grant(asked: Asked, account: Account, scopes: string[]): Answer {
    const code = `${ids.secret('code', 60)}*0!6318.va`;
    state.codes.set(code, {
      code,
      family: asked.family,
      openId: account.openId,
      scopes,
      redirectUri: asked.redirectUri,
      challenge: asked.challenge,
      expiresTime: clock.now() + (asked.family === 'OPEN' ? state.settings.codeLifetimeMs : businessCodeLifetimeMs),
      used: false,
    });
    world.changed();
    const session = `${sessionCookie}=${encodeURIComponent(account.openId)}; Path=/v2/auth/; HttpOnly; SameSite=Lax`;
    return redirect(asked, { code, scopes: scopes.join(',') }, { 'set-cookie': session });
  }

  function deny(asked: Asked): Answer {
    const answer = redirect(asked, { error: 'access_denied', error_description: 'The user denied the request.' });
    return { ...answer, errorCode: 'access_denied' };
  }

  /** A browser that consented before is sent straight back, unless the app forbids that. */
  function knownVisitor(call: Call, asked: Asked): Account | undefined {
    const account = state.accounts.get(readSession(call) ?? '');
    if (!asked.silently || !account) return undefined;
    const given = [...state.grants.values()].some(
      (grant) =>
        grant.family === asked.family &&
        grant.openId === account.openId &&
        grant.revokedTime === null &&
        asked.scopes.every((scope) => grant.scopes.includes(scope)),
    );
    return given ? account : undefined;
  }

  function show(call: Call, asked: Asked): Answer {
    const automatic = call.url.searchParams.get('auto_consent') ?? state.app.autoConsent;
    if (automatic !== null) {
      const account = findAccount(automatic);
      if (!account)
        return fault({ parameter: 'auto_consent', explanation: 'No account of the sandbox has this name.' });
      return grant(asked, account, asked.scopes);
    }
    const visitor = knownVisitor(call, asked);
    if (visitor) return grant(asked, visitor, asked.scopes);
    const clientKey = asked.family === 'OPEN' ? state.app.clientKey : state.business.appId;
    return html(200, consentPage(clientKey, state.accounts.values(), asked.scopes));
  }

  function decide(call: Call, asked: Asked): Answer {
    if (mediaType(call.request) !== 'application/x-www-form-urlencoded') {
      return fault({ parameter: 'content-type', explanation: 'The decision comes as a form.' });
    }
    const form = new URLSearchParams(call.text);
    const decision = form.get('decision');
    if (decision === 'deny') return deny(asked);
    if (decision !== 'grant') return fault({ parameter: 'decision', explanation: 'It must be grant or deny.' });
    const account = findAccount(form.get('account') ?? '');
    if (!account) return fault({ parameter: 'account', explanation: 'Choose one of the accounts.' });
    const ticked = form.getAll('scope');
    const scopes = asked.scopes.filter((scope) => ticked.includes(scope));
    if (scopes.length === 0 || scopes.length !== ticked.length) {
      return fault({ parameter: 'scope', explanation: 'Tick at least one permission, of those that were asked for.' });
    }
    return grant(asked, account, scopes);
  }

  return {
    name: 'authorize',
    methods: ['GET', 'POST'],
    path: '/v2/auth/authorize/',
    body: 'text',
    subject(call) {
      const named =
        call.request.method === 'POST'
          ? new URLSearchParams(call.text).get('account')
          : call.url.searchParams.get('auto_consent');
      const account = named === null ? undefined : findAccount(named);
      return account ? { account: account.openId } : {};
    },
    handle(call) {
      const asked = read(call.url.searchParams);
      if ('parameter' in asked) return fault(asked);
      return call.request.method === 'POST' ? decide(call, asked) : show(call, asked);
    },
    refuse: () => undefined,
  };
}
