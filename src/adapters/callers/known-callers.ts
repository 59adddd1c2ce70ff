import { createHash, timingSafeEqual } from 'node:crypto';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeJwt,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import type { Callers } from '../../application/ports/callers.ts';
import type { Clock } from '../../application/ports/clock.ts';
import {
  type Caller,
  type ClientCertificate,
  type LoginRefusal,
  ROLES,
  type Role,
  type Workspaces,
} from '../../domain/caller.ts';
import type { WorkspaceId } from '../../domain/ids.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { sameName } from './distinguished-name.ts';
import type { CallersFile, KnownCaller, TrustedIssuer } from './parse-callers.ts';

/** How far the clocks of issuers may be from ours. */
const TOLERANCE_SECONDS = 5;

/** Keys fetched from issuers, kept from one version of the file to the next: an issuer that is down locks nobody out. */
export type FetchedKeys = Map<string, JWTVerifyGetKey>;

/** The callers of one version of the file. */
export function knownCallers(
  file: CallersFile,
  { clock, fetched }: { readonly clock: Clock; readonly fetched: FetchedKeys },
): Callers {
  const { callers } = file;
  const issuers = new Map(
    file.issuers.map((issuer) => [issuer.issuer, { issuer, keys: issuerKeys(issuer, fetched) }] as const),
  );

  return {
    async identify({ authorization, certificate }) {
      if (certificate !== undefined && certificate.expireTime <= clock.now())
        return err({ code: 'CREDENTIALS_EXPIRED' });
      const certified = certificate && callers.find(({ subject }) => subject && sameName(subject, certificate.subject));
      if (authorization === undefined)
        return certified === undefined ? err(unproven(certificate)) : ok(shown(certified));

      const bearer = await byAuthorization(authorization);
      if (!bearer.ok || certified === undefined || certified.name === bearer.value.name) return bearer;
      return err({ code: 'CREDENTIALS_DISAGREE', certificate: certified.name, authorization: bearer.value.name });
    },
  };

  async function byAuthorization(authorization: string): Promise<Result<Caller, LoginRefusal>> {
    const [, token] = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization) ?? [];
    if (token === undefined) return invalid('the authorization header is not of the form "Bearer …"');
    const known = byKey(callers, token);
    if (known !== undefined) return ok(shown(known));
    const claimed = issuerOf(token);
    if (claimed === undefined) return invalid('no caller has this key');
    // Nothing is proven yet: it only says whose keys will have to.
    const trusted = issuers.get(claimed);
    return trusted === undefined
      ? invalid('the token is of an issuer that is not in the file')
      : byToken(token, trusted.issuer, trusted.keys);
  }

  async function byToken(
    token: string,
    issuer: TrustedIssuer,
    keys: JWTVerifyGetKey,
  ): Promise<Result<Caller, LoginRefusal>> {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: [...issuer.algorithms],
        requiredClaims: ['exp'],
        clockTolerance: TOLERANCE_SECONDS,
        currentDate: clock.now(),
      });
      return ok({
        name: `${issuer.issuer} ${payload.sub ?? '(no subject)'}`,
        workspaces: workspacesOf(payload, issuer.workspacesClaim),
        roles: rolesOf(payload, issuer.rolesClaim),
      });
    } catch (error) {
      // Told apart because the caller can mend it; the signature was good by then.
      if (error instanceof errors.JWTExpired) return err({ code: 'CREDENTIALS_EXPIRED' });
      if (isAboutToken(error)) return invalid(error.code);
      return err({ code: 'ISSUER_UNREACHABLE', issuer: issuer.issuer, error });
    }
  }
}

/** Without its key. */
const shown = ({ name, workspaces, roles }: KnownCaller): Caller => ({ name, workspaces, roles });

const invalid = (detail: string) => err({ code: 'CREDENTIALS_INVALID' as const, detail });

const unproven = (certificate: ClientCertificate | undefined): LoginRefusal =>
  certificate === undefined
    ? { code: 'CREDENTIALS_MISSING' }
    : { code: 'CERTIFICATE_UNKNOWN', subject: certificate.subject.join(',') };

/** Takes as long for a key that is nearly right as for any other, and for the last caller as for the first. */
function byKey(callers: readonly KnownCaller[], key: string): KnownCaller | undefined {
  const digest = createHash('sha256').update(key).digest();
  let found: KnownCaller | undefined;
  for (const caller of callers) {
    if (caller.keyDigest !== undefined && timingSafeEqual(caller.keyDigest, digest)) found = caller;
  }
  return found;
}

function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined; // not a token at all
  }
}

function issuerKeys({ keys }: TrustedIssuer, fetched: FetchedKeys): JWTVerifyGetKey {
  if ('static' in keys) return createLocalJWKSet({ keys: [...keys.static] });
  const known = fetched.get(keys.uri.href) ?? createRemoteJWKSet(keys.uri);
  fetched.set(keys.uri.href, known);
  return known;
}

/** Whether the token is at fault. All else is about getting the issuer's keys. */
const isAboutToken = (error: unknown): error is errors.JOSEError =>
  error instanceof errors.JOSEError &&
  !(error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.code === errors.JOSEError.code);

/** A claim that is not what it should be gives nothing. */
function workspacesOf(payload: JWTPayload, claim: string): Workspaces {
  const names = texts(payload[claim]).filter((name) => name !== '');
  return names.includes('*') ? 'ALL' : new Set(names as WorkspaceId[]);
}

/** Roles of other services may stand in the same claim. OAuth writes such lists as one text with spaces. */
function rolesOf(payload: JWTPayload, claim: string): ReadonlySet<Role> {
  const named = texts(payload[claim]).flatMap((text) => text.split(' '));
  return new Set(ROLES.filter((role) => named.includes(role)));
}

const texts = (claim: unknown): readonly string[] =>
  (Array.isArray(claim) ? claim : [claim]).filter((each) => typeof each === 'string');
