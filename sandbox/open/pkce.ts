import { createHash } from 'node:crypto';
import type { App } from '../state.ts';

const hexChallenge = /^[0-9a-f]{64}$/;
const base64urlChallenge = /^[A-Za-z0-9_-]{43}$/;
const verifierForm = /^[A-Za-z0-9\-._~]{43,128}$/;

/** TikTok documents lower-case hex, unlike RFC 7636; base64url is a switch. */
export function isChallenge(challenge: string, encodings: App['pkceEncodings']): boolean {
  return (
    (encodings.includes('hex') && hexChallenge.test(challenge)) ||
    (encodings.includes('base64url') && base64urlChallenge.test(challenge))
  );
}

export function answersChallenge(verifier: string, challenge: string): boolean {
  if (!verifierForm.test(verifier)) return false;
  return (
    createHash('sha256')
      .update(verifier)
      .digest(hexChallenge.test(challenge) ? 'hex' : 'base64url') === challenge
  );
}
