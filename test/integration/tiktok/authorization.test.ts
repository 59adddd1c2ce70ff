import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/domain/secret.ts';
import { ACCESS_TOKEN, approved, json, LOG_ID, raw, refused, tiktokReplying } from './answering-tiktok.ts';

const GRANT = {
  open_id: '-000SynthOpenId_AAAA-bbbb1111',
  scope: 'user.info.basic,video.list,video.publish',
  access_token: 'act.synthAccess0001',
  expires_in: 86400,
  refresh_token: 'rft.synthRefresh0001',
  refresh_expires_in: 31536000,
  token_type: 'Bearer',
};
const REFRESH_TOKEN = new Secret('rft.synthRefresh0000');

const oauthRefused = (status: number, error: string, description = '') =>
  json(status, { error, error_description: description, log_id: LOG_ID });

describe("TikTok's consent page", () => {
  it('is always shown, and asks for the scopes with commas', async () => {
    const { tiktok } = await tiktokReplying(json(200, {}));
    const uri = new URL(
      tiktok.authorization.authorizeUri({ state: 'a b&c', scopes: ['user.info.basic', 'video.publish'] }),
    );
    expect(uri.origin + uri.pathname).toBe('https://www.tiktok.com/v2/auth/authorize/');
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      client_key: 'awexampleclientkey',
      response_type: 'code',
      scope: 'user.info.basic,video.publish',
      redirect_uri: 'https://glowtify.test/callback',
      state: 'a b&c',
      disable_auto_auth: '1',
    });
  });
});

describe('Tokens', () => {
  it('are exchanged for a code, form-encoded', async () => {
    const { tiktok, seen, calls } = await tiktokReplying(json(200, GRANT));
    const grant = await tiktok.authorization.exchange('code*with!signs+&=');
    expect(grant).toMatchObject({
      ok: true,
      value: {
        openId: '-000SynthOpenId_AAAA-bbbb1111',
        accessSeconds: 86400,
        refreshSeconds: 31536000,
        scopes: ['user.info.basic', 'video.list', 'video.publish'],
      },
    });
    expect(grant.ok && grant.value.accessToken.reveal()).toBe('act.synthAccess0001');
    expect(grant.ok && grant.value.refreshToken.reveal()).toBe('rft.synthRefresh0001');
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/v2/oauth/token/' });
    expect(seen[0]?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(seen[0]?.headers['authorization']).toBeUndefined();
    expect(Object.fromEntries(new URLSearchParams(seen[0]?.body))).toEqual({
      client_key: 'awexampleclientkey',
      client_secret: 'synthClientSecret',
      grant_type: 'authorization_code',
      code: 'code*with!signs+&=',
      redirect_uri: 'https://glowtify.test/callback',
    });
    expect(calls).toEqual([{ endpoint: '/v2/oauth/token/', status: 200, milliseconds: expect.any(Number) }]);
  });

  it.each([',', ' ', ', '])('are exchanged with scopes that are parted by %j', async (between) => {
    const scopes = ['user.info.basic', 'video.list', 'video.publish'];
    const { tiktok } = await tiktokReplying(json(200, { ...GRANT, scope: scopes.join(between) }));
    expect(await tiktok.authorization.exchange('code')).toMatchObject({ ok: true, value: { scopes } });
  });

  it('are refreshed', async () => {
    const { tiktok, seen } = await tiktokReplying(json(200, { ...GRANT, expires_in: 7200, scope: 'video.publish' }));
    expect(await tiktok.authorization.refresh(REFRESH_TOKEN)).toMatchObject({
      ok: true,
      value: { accessSeconds: 7200, scopes: ['video.publish'] },
    });
    expect(Object.fromEntries(new URLSearchParams(seen[0]?.body))).toEqual({
      client_key: 'awexampleclientkey',
      client_secret: 'synthClientSecret',
      grant_type: 'refresh_token',
      refresh_token: 'rft.synthRefresh0000',
    });
  });

  it.each([
    ['invalid_client', 'APP_CREDENTIALS_REJECTED'],
    ['unauthorized_client', 'APP_CREDENTIALS_REJECTED'],
    ['server_error', 'PLATFORM_UNAVAILABLE'],
    ['temporarily_unavailable', 'PLATFORM_UNAVAILABLE'],
    ['access_denied', 'CONNECTOR_REQUEST_REJECTED'],
    ['invalid_request', 'CONNECTOR_REQUEST_REJECTED'],
    ['invalid_scope', 'CONNECTOR_REQUEST_REJECTED'],
    ['unsupported_grant_type', 'CONNECTOR_REQUEST_REJECTED'],
    ['unsupported_response_type', 'CONNECTOR_REQUEST_REJECTED'],
    ['something_new', 'CONNECTOR_REQUEST_REJECTED'],
  ])('%s with HTTP 200 or 400 is %s, and says nothing about the grant', async (error, code) => {
    for (const status of [200, 400]) {
      const { tiktok } = await tiktokReplying(oauthRefused(status, error));
      expect(await tiktok.authorization.refresh(REFRESH_TOKEN)).toMatchObject({
        ok: false,
        error: { code: 'NOT_ANSWERED', error: { code, tiktokCode: error, tiktokLogId: LOG_ID } },
      });
    }
  });

  it.each([200, 400, 401])('that TikTok calls an invalid grant with HTTP %d are dead', async (status) => {
    const { tiktok } = await tiktokReplying(oauthRefused(status, 'invalid_grant', 'Authorization code is expired.'));
    expect(await tiktok.authorization.exchange('code')).toEqual({
      ok: false,
      error: {
        code: 'INVALID_GRANT',
        error: { code: 'ACCOUNT_SESSION_INVALID', tiktokCode: 'invalid_grant', tiktokLogId: LOG_ID },
      },
    });
  });

  it.each([
    ['a broken platform that says invalid_grant', oauthRefused(503, 'invalid_grant'), 'PLATFORM_UNAVAILABLE'],
    ['throttling that says invalid_grant', oauthRefused(429, 'invalid_grant'), 'UPSTREAM_RATE_LIMITED'],
    ['an HTML page', raw(502, '<html>Bad Gateway</html>'), 'PLATFORM_UNAVAILABLE'],
    ['an HTML page that claims success', raw(200, ' \n<html></html>'), 'PLATFORM_UNAVAILABLE'],
    ['no body', raw(200, ''), 'PLATFORM_UNAVAILABLE'],
    ['half a body', raw(200, JSON.stringify(GRANT).slice(0, 90)), 'PLATFORM_UNAVAILABLE'],
    ['a list', json(200, [GRANT]), 'PLATFORM_UNAVAILABLE'],
    ['a redirect', raw(302, '', { location: 'https://evil.test/' }), 'PLATFORM_UNAVAILABLE'],
    ['an error of the JSON kind', refused(200, 'rate_limit_exceeded'), 'UPSTREAM_RATE_LIMITED'],
    ['an internal error of the JSON kind', refused(200, 'internal_error'), 'PLATFORM_UNAVAILABLE'],
    ['a nameless HTTP 400', json(400, {}), 'CONNECTOR_REQUEST_REJECTED'],
  ])('are neither got nor dead after %s', async (_what, answering, code) => {
    const { tiktok } = await tiktokReplying(answering);
    expect(await tiktok.authorization.refresh(REFRESH_TOKEN)).toMatchObject({
      ok: false,
      error: { code: 'NOT_ANSWERED', error: { code } },
    });
  });

  it.each([
    { access_token: undefined },
    { access_token: '' },
    { access_token: 'act.two words' },
    { refresh_token: null },
    { refresh_token: 17 },
    { open_id: '' },
    { open_id: undefined },
    { scope: undefined },
    { scope: ['video.publish'] },
    { expires_in: 0 },
    { expires_in: -1 },
    { expires_in: 1.5 },
    { expires_in: '86400' },
    { refresh_expires_in: undefined },
  ])('are refused, naming the field, when TikTok sends %j', async (change) => {
    const { tiktok } = await tiktokReplying(json(200, { ...GRANT, ...change, log_id: LOG_ID }));
    const field = Object.keys(change)[0];
    expect(await tiktok.authorization.exchange('code')).toEqual({
      ok: false,
      error: {
        code: 'NOT_ANSWERED',
        error: {
          code: 'CONNECTOR_REQUEST_REJECTED',
          detail: `TikTok's answer has no usable ${field}.`,
          tiktokLogId: LOG_ID,
        },
      },
    });
  });

  it('do not show in what is reported of a refusal', async () => {
    const description = 'bad https://glowtify.test/callback?code=abc with rft.synthRefresh0000';
    const { tiktok, calls } = await tiktokReplying(oauthRefused(200, 'invalid_request', description));
    const refusal = await tiktok.authorization.refresh(REFRESH_TOKEN);
    expect(refusal).toMatchObject({ error: { error: { detail: 'bad [removed] with [removed]' } } });
    expect(JSON.stringify([refusal, calls])).not.toMatch(/rft\.|abc|synthClientSecret/);
  });
});

describe('Revoking', () => {
  it.each([
    ['an empty body', raw(200, '')],
    ['an empty object', json(200, {})],
    ['a success of the JSON kind', approved({})],
    ['a token that is dead already', oauthRefused(200, 'invalid_grant', 'Access token is invalid or expired.')],
  ])('succeeds with %s', async (_what, answering) => {
    const { tiktok, seen } = await tiktokReplying(answering);
    expect(await tiktok.authorization.revoke(ACCESS_TOKEN)).toEqual({ ok: true, value: undefined });
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/v2/oauth/revoke/' });
    expect(Object.fromEntries(new URLSearchParams(seen[0]?.body))).toEqual({
      client_key: 'awexampleclientkey',
      client_secret: 'synthClientSecret',
      token: 'act.synthAccess0001',
    });
  });

  it.each([
    ['an empty HTTP 500', raw(500, ''), 'PLATFORM_UNAVAILABLE'],
    ['an empty HTTP 404', raw(404, ''), 'CONNECTOR_REQUEST_REJECTED'],
    ['an HTML page', raw(200, '<html></html>'), 'PLATFORM_UNAVAILABLE'],
    ['refused credentials', oauthRefused(200, 'invalid_client'), 'APP_CREDENTIALS_REJECTED'],
  ])('fails with %s', async (_what, answering, code) => {
    const { tiktok } = await tiktokReplying(answering);
    expect(await tiktok.authorization.revoke(ACCESS_TOKEN)).toMatchObject({ ok: false, error: { code } });
  });
});

describe('The account', () => {
  const user = {
    open_id: '-000SynthOpenId_AAAA-bbbb1111',
    display_name: 'Synth Creator',
    avatar_url: 'https://p16.example-cdn.test/a.jpeg',
    username: 'synth.creator',
    is_verified: false,
    follower_count: 1200,
    following_count: 0,
    likes_count: 9,
    video_count: 3,
  };

  it('is read whole when every scope is granted', async () => {
    const { tiktok, seen } = await tiktokReplying(approved({ user }));
    const scopes = ['video.publish', 'user.info.stats', 'user.info.profile', 'user.info.basic'];
    expect(await tiktok.authorization.readAccount(ACCESS_TOKEN, scopes)).toEqual({
      ok: true,
      value: {
        openId: '-000SynthOpenId_AAAA-bbbb1111',
        displayName: 'Synth Creator',
        avatarUri: 'https://p16.example-cdn.test/a.jpeg',
        username: 'synth.creator',
        verified: false,
        followerCount: 1200,
        followingCount: 0,
        likesCount: 9,
        videoCount: 3,
      },
    });
    expect(seen[0]?.headers['authorization']).toBe('Bearer act.synthAccess0001');
    expect(seen[0]).toMatchObject({
      method: 'GET',
      url: '/v2/user/info/?fields=open_id,display_name,avatar_url,username,is_verified,follower_count,following_count,likes_count,video_count',
      body: '',
    });
  });

  it('can be seen under its name', async () => {
    const { tiktok } = await tiktokReplying(json(200, {}));
    expect(tiktok.authorization.profileUri('synth.creator')).toBe('https://www.tiktok.com/@synth.creator');
  });

  it('is asked only for what the scopes allow, and what is absent stays absent', async () => {
    const { tiktok, seen } = await tiktokReplying(
      approved({ user: { open_id: 'o', display_name: '', follower_count: null } }),
    );
    expect(await tiktok.authorization.readAccount(ACCESS_TOKEN, ['user.info.basic'])).toEqual({
      ok: true,
      value: { openId: 'o', displayName: '' },
    });
    expect(seen[0]?.url).toBe('/v2/user/info/?fields=open_id,display_name,avatar_url');
  });

  it('is not asked for without the scope for its id', async () => {
    const { tiktok, seen } = await tiktokReplying(approved({ user }));
    expect(await tiktok.authorization.readAccount(ACCESS_TOKEN, ['user.info.stats'])).toEqual({
      ok: false,
      error: { code: 'ACCOUNT_SCOPE_MISSING', scopes: ['user.info.basic'] },
    });
    expect(seen).toEqual([]);
  });

  it.each([
    [401, 'scope_not_authorized'],
    [400, 'scope_permission_missed'],
  ])('lacks a scope: HTTP %d %s', async (status, code) => {
    const { tiktok } = await tiktokReplying(refused(status, code));
    expect(await tiktok.authorization.readAccount(ACCESS_TOKEN, ['user.info.basic', 'user.info.stats'])).toEqual({
      ok: false,
      error: {
        code: 'ACCOUNT_SCOPE_MISSING',
        scopes: ['user.info.basic', 'user.info.stats'],
        tiktokCode: code,
        tiktokLogId: LOG_ID,
      },
    });
  });

  it.each([{}, { user: null }, { user: { display_name: 'x' } }, { user: { open_id: 'o' } }])(
    'is refused when TikTok sends %j',
    async (data) => {
      const { tiktok } = await tiktokReplying(approved(data));
      expect(await tiktok.authorization.readAccount(ACCESS_TOKEN, ['user.info.basic'])).toMatchObject({
        ok: false,
        error: { code: 'CONNECTOR_REQUEST_REJECTED', detail: expect.stringContaining('user.') },
      });
    },
  );
});
