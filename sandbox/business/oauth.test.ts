import { describe, expect, it } from 'vitest';
import type { Sandbox } from '../sandbox.ts';
import { bakery, bakeryId, clientOf, refresh as refreshOpen } from '../test-client.ts';
import {
  aBusinessSandbox,
  asOAuthApp,
  bakeryBusinessId,
  businessClientOf,
  get,
  post,
  redirectUri,
} from './test-client.ts';

const scopes = 'user.info.basic,user.account.type,video.publish';

function authorizeUri(sandbox: Sandbox, change: Record<string, string> = {}): string {
  const uri = new URL(sandbox.authorizeUrl);
  const asked = { client_key: sandbox.businessAppId, scope: scopes, response_type: 'code', redirect_uri: redirectUri };
  uri.search = new URLSearchParams({ ...asked, state: 's', disable_auto_auth: '1', ...change }).toString();
  return uri.href;
}

const consent = (sandbox: Sandbox, change?: Record<string, string>) =>
  sandbox.control.consent({ authorizeUri: authorizeUri(sandbox, change), account: bakery });

const exchange = (sandbox: Sandbox, change: object) =>
  post(sandbox, '/tt_user/oauth2/token/', {
    ...asOAuthApp(sandbox),
    grant_type: 'authorization_code',
    redirect_uri: redirectUri,
    ...change,
  });

const refresh = (sandbox: Sandbox, refresh_token: unknown) =>
  post(sandbox, '/tt_user/oauth2/refresh_token/', {
    ...asOAuthApp(sandbox),
    grant_type: 'refresh_token',
    refresh_token,
  });

describe('the consent of an account holder', () => {
  it('gives a pair for a day and a year, and an open_id of its own', async () => {
    const sandbox = await aBusinessSandbox();
    const { code, state } = await consent(sandbox);
    expect(state).toBe('s');
    const { status, data, requestId } = await exchange(sandbox, { auth_code: code });
    expect(status).toBe(200);
    expect(requestId).toMatch(/^\d{14}[0-9A-F]{20}$/);
    expect(data).toEqual({
      access_token: expect.stringMatching(/^act\./),
      token_type: 'Bearer',
      expires_in: 86_400,
      refresh_token: expect.stringMatching(/^rft\./),
      refresh_token_expires_in: 31_536_000,
      open_id: bakeryBusinessId,
      scope: scopes,
    });
    expect((await exchange(sandbox, { auth_code: code })).code).toBe(40110);
  });

  it('is shown only to an app that has all the scopes, at the address it registered to the letter', async () => {
    const sandbox = await aBusinessSandbox();
    const page = async (change: Record<string, string>) => (await fetch(authorizeUri(sandbox, change))).status;
    expect(await page({})).toBe(200);
    expect(await page({ scope: 'video.publish,biz.spark.auth' })).toBe(400);
    expect(await page({ redirect_uri: redirectUri.slice(0, -1) })).toBe(400);
    expect(await page({ client_key: '1' })).toBe(400);
  });

  it.each([
    ['after ten minutes', { wait: 600_000 }, 40110],
    ['with another address', { redirect_uri: 'http://127.0.0.1:9/oauth/tiktok/callback/' }, 40002],
    ['without its address', { redirect_uri: undefined }, 40002],
    ['with a wrong secret', { client_secret: 'x' }, 40101],
    ['of another app', { client_id: '1' }, 40113],
    ['as another type of grant', { grant_type: 'refresh_token' }, 40108],
    ['that nobody gave', { auth_code: 'x' }, 40110],
  ])('is worth nothing %s', async (_, { wait, ...change }: { wait?: number; [field: string]: unknown }, code) => {
    const sandbox = await aBusinessSandbox();
    const given = await consent(sandbox);
    sandbox.control.advanceClock(wait ?? 0);
    expect(await exchange(sandbox, { auth_code: given.code, ...change })).toMatchObject({
      status: 200,
      code,
      data: {},
    });
  });

  it('does not fit the other family, and the other way round', async () => {
    const sandbox = await aBusinessSandbox();
    const open = clientOf(sandbox);
    const business = businessClientOf(sandbox);
    const call = { business_id: bakeryBusinessId };
    expect((await get(sandbox, '/business/get/', call, { 'access-token': open.tokens.access_token })).code).toBe(40105);
    expect((await refresh(sandbox, open.tokens.refresh_token)).code).toBe(40107);
    expect((await refreshOpen(sandbox, business.tokens.refreshToken)).body).toMatchObject({ error: 'invalid_grant' });
  });
});

describe('a refresh', () => {
  it.each(['rotated', 'kept'] as const)('gives another day, and the year goes on (%s)', async (businessRefresh) => {
    const sandbox = await aBusinessSandbox({ businessRefresh });
    const { tokens } = businessClientOf(sandbox);
    sandbox.control.advanceClock(8_686_000);
    const { data } = await refresh(sandbox, tokens.refreshToken);
    expect(data['expires_in']).toBe(86_400);
    expect(Number(data['refresh_token_expires_in'])).toBeLessThanOrEqual(31_536_000 - 8_686);
    expect(data['refresh_token'] === tokens.refreshToken).toBe(businessRefresh === 'kept');
    expect((await refresh(sandbox, tokens.refreshToken)).code).toBe(businessRefresh === 'kept' ? 0 : 40107);
  });

  it('comes too late after the year, and is no use to a made-up token', async () => {
    const sandbox = await aBusinessSandbox();
    const { tokens } = businessClientOf(sandbox);
    expect((await refresh(sandbox, 'rft.x')).code).toBe(40107);
    sandbox.control.advanceClock(31_536_000_000);
    expect((await refresh(sandbox, tokens.refreshToken)).code).toBe(40103);
  });
});

describe('an access token', () => {
  it.each([
    ['is missing', '', 40104],
    ['is unknown', 'act.x', 40105],
  ])('that %s opens nothing', async (_, token, code) => {
    const sandbox = await aBusinessSandbox();
    const headers = token === '' ? {} : { 'access-token': token };
    expect(await get(sandbox, '/business/get/', { business_id: bakeryBusinessId }, headers)).toMatchObject({
      status: 200,
      code,
    });
  });

  it('opens nothing behind the word Bearer, for another account or after its day', async () => {
    const sandbox = await aBusinessSandbox();
    const client = businessClientOf(sandbox);
    const bearer = { 'access-token': `Bearer ${client.tokens.accessToken}` };
    expect((await get(sandbox, '/business/get/', { business_id: bakeryBusinessId }, bearer)).code).toBe(40105);
    expect((await client.get('/business/get/', { business_id: bakeryId })).code).toBe(40105);
    expect((await client.get('/business/get/')).code).toBe(0);
    sandbox.control.advanceClock(86_400_000);
    expect((await client.get('/business/get/')).code).toBe(40102);
  });

  it('tells whose it is and what it may', async () => {
    const sandbox = await aBusinessSandbox();
    const { tokens } = businessClientOf(sandbox, bakery, ['video.list']);
    const info = { app_id: sandbox.businessAppId, access_token: tokens.accessToken };
    expect((await post(sandbox, '/tt_user/token_info/get/', info)).data).toEqual({
      app_id: sandbox.businessAppId,
      creator_id: bakeryBusinessId,
      scope: 'video.list',
    });
  });

  it('dies with its refresh token when it is revoked, and the app hears of it', async () => {
    const sandbox = await aBusinessSandbox();
    const client = businessClientOf(sandbox);
    const open = clientOf(sandbox);
    const revoke = () =>
      post(sandbox, '/tt_user/oauth2/revoke/', {
        ...asOAuthApp(sandbox),
        access_token: client.tokens.accessToken,
      });
    expect(await revoke()).toMatchObject({ code: 0, data: {} });
    expect((await revoke()).code).toBe(40105);
    expect((await client.get('/business/get/')).code).toBe(40105);
    expect((await refresh(sandbox, client.tokens.refreshToken)).code).toBe(40107);
    expect((await open.creatorInfo()).status).toBe(200);
    const [webhook] = sandbox.control.ledger().webhooks;
    expect(webhook).toMatchObject({ family: 'BUSINESS', account: bakeryId, event: 'authorization.removed' });
    expect(JSON.parse(webhook?.body ?? '')).toMatchObject({
      client_key: sandbox.businessAppId,
      user_openid: bakeryBusinessId,
      content: '{"reason":5}',
    });
  });
});

describe('paths and methods', () => {
  it('are exact: a slash at the end, or a 404 in plain text', async () => {
    const sandbox = await aBusinessSandbox();
    const without = await fetch(`${sandbox.businessApiUrl}/business/get`);
    expect([without.status, await without.text()]).toEqual([404, '404 page not found']);
    expect(await get(sandbox, '/business/videos/list/', {})).toMatchObject({ status: 200, code: 40008 });
    expect(await post(sandbox, '/business/get/', {})).toMatchObject({ status: 200, code: 40117 });
  });
});
