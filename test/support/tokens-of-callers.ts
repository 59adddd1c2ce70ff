import { createHash } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose';

export const ISSUER = 'https://login.glowtify.example';
export const AUDIENCE = 'tiktok-connector';

export const digestOf = (key: string): string => createHash('sha256').update(key).digest('hex');

/** An entry under `jwt`, but for the keys. */
export const trusted = (changes: object = {}): object => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  workspaces_claim: 'workspaces',
  roles_claim: 'roles',
  ...changes,
});

export type Claims = Readonly<Record<string, unknown>>;

/** Somebody who signs tokens. Those of `sign` are good for an hour, unless their claims say otherwise; undefined leaves one out. */
export async function anIssuer(algorithm = 'ES256', keyId = 'key-1') {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), kid: keyId, alg: algorithm };
  return {
    publicKey,
    publicJwk,
    privateJwk: { ...(await exportJWK(privateKey)), kid: keyId, alg: algorithm },
    sign(claims: Claims = {}, now: Date = new Date(), header: Partial<JWTHeaderParameters> = {}): Promise<string> {
      const seconds = Math.floor(now.getTime() / 1000);
      const payload = Object.entries({ ...usual(seconds), ...claims }).filter(([, value]) => value !== undefined);
      return new SignJWT(Object.fromEntries(payload))
        .setProtectedHeader({ alg: algorithm, kid: keyId, ...header })
        .sign(privateKey);
    },
  };
}

const usual = (seconds: number): Claims => ({
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'scheduler',
  iat: seconds,
  exp: seconds + 3600,
  workspaces: ['ws_a'],
  roles: ['read'],
});
