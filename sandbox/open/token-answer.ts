import type { Pair } from '../tokens.ts';

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

export const tokenAnswer = (pair: Pair): TokenAnswer => ({
  open_id: pair.grant.openId,
  scope: pair.grant.scopes.join(','),
  access_token: pair.accessToken,
  expires_in: pair.accessSeconds,
  refresh_token: pair.refreshToken,
  refresh_expires_in: pair.refreshSeconds,
  token_type: 'Bearer',
});
