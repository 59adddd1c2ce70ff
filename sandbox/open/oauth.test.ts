import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Sandbox } from '../sandbox.ts';
import { aSandbox, bakery, bakeryId, clientOf, postForm, refresh } from '../test-client.ts';

const redirectUri = 'http://127.0.0.1:4711/oauth/callback';
const verifier = 'M25iVXpKU3puUjFaYWg3T1NDTDQtcW1ROUY5YXlwalNoc0hhakxifmZHag';
const hexChallenge = 'aa3af3496f60322520a54bea8043c4e3ffbcb30bf20ad7ce56f839e68e52fdeb';

function authorizeUri(sandbox: Sandbox, parameters: Record<string, string | undefined> = {}): string {
  const all = {
    client_key: sandbox.clientKey,
    scope: 'user.info.basic,video.publish',
    response_type: 'code',
    redirect_uri: redirectUri,
    state: 'st-1',
    ...parameters,
  };
  const query = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  return `${sandbox.authorizeUrl}?${new URLSearchParams(Object.fromEntries(query))}`;
}

const visit = (uri: string, headers: Record<string, string> = {}) => fetch(uri, { redirect: 'manual', headers });

async function aCode(sandbox: Sandbox, parameters: Record<string, string | undefined> = {}): Promise<string> {
  const consent = { authorizeUri: authorizeUri(sandbox, parameters), account: bakery };
  return (await sandbox.control.consent(consent)).code;
}

const exchange = (sandbox: Sandbox, fields: Record<string, string | undefined>) =>
  postForm(sandbox, '/v2/oauth/token/', { grant_type: 'authorization_code', redirect_uri: redirectUri, ...fields });

const revoke = (sandbox: Sandbox, token: string | undefined) => postForm(sandbox, '/v2/oauth/revoke/', { token });

describe('the authorize page', () => {
  it('offers every account and every requested scope', async () => {
    const sandbox = await aSandbox();
    const page = await visit(authorizeUri(sandbox));
    const text = await page.text();
    expect(page.status).toBe(200);
    for (const account of sandbox.control.accounts()) expect(text).toContain(account.openId);
    expect(text).toContain('value="video.publish"');
    expect(text).not.toContain('value="video.list"');
  });

  it('sends code, granted scopes and state to the redirect URI', async () => {
    const sandbox = await aSandbox();
    const consent = await sandbox.control.consent({
      authorizeUri: authorizeUri(sandbox),
      account: bakery,
      scopes: ['video.publish'],
    });
    expect(consent).toEqual({
      redirectUri,
      code: expect.stringMatching(/\*.*!/),
      state: 'st-1',
      scopes: ['video.publish'],
    });
  });

  it('tells the app that the user declined', async () => {
    const sandbox = await aSandbox();
    const target = new URL(await sandbox.control.denyConsent(authorizeUri(sandbox)));
    expect(target.searchParams.get('error')).toBe('access_denied');
    expect(target.searchParams.get('state')).toBe('st-1');
    expect(target.searchParams.get('code')).toBeNull();
  });

  it.each([
    ['client_key', { client_key: 'other' }],
    ['redirect_uri', { redirect_uri: 'http://127.0.0.1:4711/elsewhere' }],
    ['redirect_uri', { redirect_uri: `${redirectUri}?a=b` }],
    ['redirect_uri', { redirect_uri: 'http://127.0.0.1:1@evil.test:80/oauth/callback' }],
    ['redirect_uri', { redirect_uri: undefined }],
    ['scope', { scope: 'user.info.basic video.publish' }],
    ['scope', { scope: 'video.create' }],
    ['scope', { scope: '' }],
    ['response_type', { response_type: 'token' }],
    ['state', { state: undefined }],
    ['disable_auto_auth', { disable_auto_auth: 'yes' }],
    ['code_challenge', { code_challenge: 'A'.repeat(43), code_challenge_method: 'S256' }],
    ['code_challenge_method', { code_challenge: hexChallenge, code_challenge_method: 'plain' }],
  ])('shows an error page that names %s and does not redirect (%o)', async (parameter, change) => {
    const sandbox = await aSandbox();
    const page = await visit(authorizeUri(sandbox, change));
    expect(page.headers.get('location')).toBeNull();
    expect(page.status).toBe(400);
    expect(await page.text()).toContain(`<b>${parameter}</b>`);
  });

  it('refuses a scope that the app is not approved for', async () => {
    const sandbox = await aSandbox({ scopes: ['user.info.basic'] });
    expect(await (await visit(authorizeUri(sandbox))).text()).toContain('<b>scope</b>');
  });

  it('can demand PKCE', async () => {
    const sandbox = await aSandbox({ pkceRequired: true });
    expect(await (await visit(authorizeUri(sandbox))).text()).toContain('<b>code_challenge</b>');
  });

  it('consents by itself when the script or the app says so', async () => {
    const sandbox = await aSandbox();
    const asked = await visit(authorizeUri(sandbox, { auto_consent: bakery }));
    expect(asked.status).toBe(302);
    sandbox.control.changeApp({ autoConsent: bakeryId });
    const always = await visit(authorizeUri(sandbox));
    const code = new URL(always.headers.get('location') ?? '').searchParams.get('code') ?? '';
    expect((await exchange(sandbox, { code })).body).toMatchObject({ open_id: bakeryId });
  });

  it('lets a known browser through silently, unless disable_auto_auth=1', async () => {
    const sandbox = await aSandbox();
    const first = await visit(authorizeUri(sandbox, { auto_consent: bakery }));
    const code = new URL(first.headers.get('location') ?? '').searchParams.get('code') ?? '';
    await exchange(sandbox, { code });
    const cookie = first.headers.get('set-cookie')?.split(';')[0] ?? '';
    expect((await visit(authorizeUri(sandbox), { cookie })).status).toBe(302);
    expect((await visit(authorizeUri(sandbox, { disable_auto_auth: '1' }), { cookie })).status).toBe(200);
    expect((await visit(authorizeUri(sandbox, { scope: 'video.list' }), { cookie })).status).toBe(200);
  });
});

describe('exchanging a code', () => {
  it('gives a flat answer with tokens', async () => {
    const sandbox = await aSandbox();
    const { status, body } = await exchange(sandbox, { code: await aCode(sandbox) });
    expect(status).toBe(200);
    expect(body).toEqual({
      open_id: bakeryId,
      scope: 'user.info.basic,video.publish',
      access_token: expect.stringMatching(/^act\./),
      expires_in: 7_200,
      refresh_token: expect.stringMatching(/^rft\./),
      refresh_expires_in: 15_552_000,
      token_type: 'Bearer',
    });
  });

  it.each<[string, string, Record<string, string | undefined>]>([
    ['invalid_request', 'The request parameters are malformed.', { client_key: undefined }],
    ['invalid_request', 'Client secret is missed in request.', { client_secret: undefined }],
    ['invalid_client', 'Client key or secret is incorrect.', { client_secret: 'wrong' }],
    ['invalid_client', 'Client key or secret is incorrect.', { client_key: 'wrong' }],
    ['invalid_request', 'The request parameters are malformed.', { grant_type: undefined }],
    ['unsupported_grant_type', 'The grant type is not supported.', { grant_type: 'password' }],
    ['invalid_request', 'The request parameters are malformed.', { redirect_uri: undefined }],
    ['invalid_request', 'The request parameters are malformed.', { code: undefined }],
    ['invalid_grant', 'Authorization code is expired.', { code: 'unknown' }],
    [
      'invalid_request',
      'Redirect_uri is not matched with the uri when requesting code.',
      { redirect_uri: 'http://127.0.0.1:4712/oauth/callback' },
    ],
  ])('answers %s "%s" with HTTP 200 for %o', async (error, error_description, change) => {
    const sandbox = await aSandbox();
    const { status, body } = await exchange(sandbox, { code: await aCode(sandbox), ...change });
    expect(status).toBe(200);
    expect(body).toEqual({ error, error_description, log_id: expect.stringMatching(/^\d{14}[0-9A-F]{20}$/) });
  });

  it('takes a form only', async () => {
    const sandbox = await aSandbox();
    const response = await fetch(`${sandbox.origin}/v2/oauth/token/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client_key: sandbox.clientKey }),
    });
    expect(await response.json()).toMatchObject({ error: 'invalid_request' });
  });

  it('takes a code once, and not after its life', async () => {
    const sandbox = await aSandbox({ codeLifetimeMs: 60_000 });
    const code = await aCode(sandbox);
    expect((await exchange(sandbox, { code })).body).toHaveProperty('access_token');
    expect((await exchange(sandbox, { code })).body).toMatchObject({ error: 'invalid_grant' });
    const late = await aCode(sandbox);
    sandbox.control.advanceClock(60_000);
    expect((await exchange(sandbox, { code: late })).body).toMatchObject({ error: 'invalid_grant' });
  });
});

describe('PKCE', () => {
  const challenged = { code_challenge: hexChallenge, code_challenge_method: 'S256' };
  const base64url = createHash('sha256').update(verifier).digest('base64url');

  it.each<[string, Record<string, string>, string | undefined, boolean]>([
    ['the verifier of a hex challenge', challenged, verifier, true],
    ['another verifier', challenged, 'x'.repeat(43), false],
    ['no verifier for a challenge', challenged, undefined, false],
    ['a verifier without an earlier challenge', {}, verifier, true],
    ['base64url, when switched on', { ...challenged, code_challenge: base64url }, verifier, true],
  ])('%s', async (_, parameters, code_verifier, accepted) => {
    const sandbox = await aSandbox({ pkceEncodings: ['hex', 'base64url'] });
    const { body } = await exchange(sandbox, { code: await aCode(sandbox, parameters), code_verifier });
    if (accepted) expect(body).toHaveProperty('access_token');
    else expect(body).toMatchObject({ error_description: 'Code verifier or code challenge is invalid.' });
  });
});

describe('refreshing', () => {
  it('rotates: two hours, 180 days, and the old token is dead', async () => {
    const sandbox = await aSandbox({ tokenRegime: 'rotating' });
    const { tokens } = clientOf(sandbox);
    sandbox.control.advanceClock(60_000);
    const { body } = await refresh(sandbox, tokens.refresh_token);
    expect(body).toMatchObject({ expires_in: 7_200, refresh_expires_in: 15_552_000 });
    expect(body['refresh_token']).not.toBe(tokens.refresh_token);
    expect((await refresh(sandbox, tokens.refresh_token)).body).toMatchObject({ error: 'invalid_grant' });
    expect((await refresh(sandbox, String(body['refresh_token']))).body).toHaveProperty('access_token');
  });

  it('legacy: 24 hours, and the same refresh token with what is left of 365 days', async () => {
    const sandbox = await aSandbox({ tokenRegime: 'legacy' });
    const { tokens } = clientOf(sandbox);
    sandbox.control.advanceClock(86_400_000);
    const { body } = await refresh(sandbox, tokens.refresh_token);
    expect(body).toMatchObject({ expires_in: 86_400, refresh_token: tokens.refresh_token });
    expect(body['refresh_expires_in']).toBeLessThanOrEqual(31_536_000 - 86_400);
    expect(body['access_token']).not.toBe(tokens.access_token);
    expect((await refresh(sandbox, tokens.refresh_token)).body).toHaveProperty('access_token');
  });

  it.each([
    ['rotating', 7_200_000, 15_552_000_000],
    ['legacy', 86_400_000, 31_536_000_000],
  ] as const)('%s: ends access and refresh tokens on the minute', async (tokenRegime, accessMs, refreshMs) => {
    const sandbox = await aSandbox({ tokenRegime });
    const client = clientOf(sandbox);
    const profile = async () => (await client.get('/v2/user/info/?fields=open_id')).status;
    sandbox.control.advanceClock(accessMs - 60_000);
    expect(await profile()).toBe(200);
    sandbox.control.advanceClock(60_000);
    expect(await profile()).toBe(401);
    sandbox.control.advanceClock(refreshMs - accessMs);
    expect((await refresh(sandbox, client.tokens.refresh_token)).body).toMatchObject({ error: 'invalid_grant' });
  });

  it('refuses an unknown token', async () => {
    expect((await refresh(await aSandbox(), 'rft.unknown')).body).toMatchObject({ error: 'invalid_grant' });
  });

  it('writes down how often each refresh token was spent', async () => {
    const sandbox = await aSandbox();
    const { tokens } = clientOf(sandbox);
    await refresh(sandbox, tokens.refresh_token);
    const entry = () => sandbox.control.ledger().tokens.find(({ token }) => token === tokens.refresh_token);
    expect(entry()).toMatchObject({ kind: 'refresh', uses: 1, spentTwice: false, state: 'REPLACED' });
    await refresh(sandbox, tokens.refresh_token);
    expect(entry()).toMatchObject({ uses: 2, spentTwice: true });
  });
});

describe('revoking', () => {
  it('ends all that the account gave, with an empty answer and a webhook', async () => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    const other = clientOf(sandbox);
    expect(await revoke(sandbox, client.tokens.access_token)).toEqual({ status: 200, body: {} });
    expect((await other.creatorInfo()).body.error.code).toBe('access_token_invalid');
    expect((await refresh(sandbox, client.tokens.refresh_token)).body).toMatchObject({ error: 'invalid_grant' });
    const [webhook] = sandbox.control.ledger().webhooks;
    expect(JSON.parse(webhook?.body ?? '')).toMatchObject({ event: 'authorization.removed', content: '{"reason":5}' });
  });

  it('can end one grant only', async () => {
    const sandbox = await aSandbox({ revocation: 'grant' });
    const client = clientOf(sandbox);
    const other = clientOf(sandbox);
    await revoke(sandbox, client.tokens.access_token);
    expect((await other.creatorInfo()).status).toBe(200);
    expect((await client.creatorInfo()).status).toBe(401);
  });

  it.each([
    ['act.unknown', { error: 'invalid_grant', error_description: 'Access token is invalid or expired.' }],
    [undefined, { error: 'invalid_request' }],
  ])('refuses %s', async (token, problem) => {
    const answer = await revoke(await aSandbox(), token);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject(problem);
  });
});
