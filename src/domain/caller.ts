import type { WorkspaceId } from './ids.ts';

/** What a caller may do. `admin` stands for all of them. The names are in operators' files: never rename one. */
export const ROLES = ['publish', 'read', 'connect', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Where a caller may act. `ALL` holds for workspaces that are yet to come too. */
export type Workspaces = 'ALL' | ReadonlySet<WorkspaceId>;

/** Who calls, once that is proven. */
export type Caller = {
  /** For logs: the operator's name for it, or an issuer and its subject. */
  readonly name: string;
  readonly workspaces: Workspaces;
  readonly roles: ReadonlySet<Role>;
};

/** Whoever reaches a service that checks nobody. */
export const ANYONE: Caller = { name: 'anyone', workspaces: 'ALL', roles: new Set(ROLES) };

export const mayDo = ({ roles }: Caller, role: Role): boolean => roles.has(role) || roles.has('admin');

export const mayActIn = (workspaces: Workspaces, workspaceId: WorkspaceId): boolean =>
  workspaces === 'ALL' || workspaces.has(workspaceId);

/** What a caller shows of itself with one call. */
export type Login = {
  /** The `authorization` header, as it came. */
  readonly authorization?: string;
  /** Only when its chain was checked while the connection was made. */
  readonly certificate?: ClientCertificate;
};

export type ClientCertificate = {
  /** A relative distinguished name each, escaped as in RFC 2253, in the order of the certificate: `O=Glowtify`, `CN=orchestrator`. */
  readonly subject: readonly string[];
  readonly expireTime: Date;
};

/** Why a known caller may not make a call. */
export type Denial = 'ROLE_MISSING' | 'WORKSPACES_MISSING' | 'RPC_WITHOUT_RULE';

/** Why nobody knows who calls, or why it makes no difference. Speaks of the caller's login only, never of TikTok's. */
export type LoginRefusal =
  | { readonly code: 'CREDENTIALS_MISSING' }
  /** Unknown, forged, of another issuer or for another audience: it is not told which. `detail` is for the log only. */
  | { readonly code: 'CREDENTIALS_INVALID'; readonly detail: string }
  | { readonly code: 'CREDENTIALS_EXPIRED' }
  /** A good certificate of nobody we know. */
  | { readonly code: 'CERTIFICATE_UNKNOWN'; readonly subject: string }
  /** The certificate is one caller's, the key or token another's. */
  | { readonly code: 'CREDENTIALS_DISAGREE'; readonly certificate: string; readonly authorization: string }
  /** The issuer's keys can't be had at the moment: nothing is known of the token. */
  | { readonly code: 'ISSUER_UNREACHABLE'; readonly issuer: string; readonly error: unknown };
