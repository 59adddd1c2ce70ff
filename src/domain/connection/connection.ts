import type { ConnectionId, WorkspaceId } from '../ids.ts';
import type { PublishError } from '../publish-error.ts';

export type ApiFamily = 'OPEN' | 'BUSINESS';

/** A TikTok account as TikTok last described it. Counts are absent when the scope for them was not granted. */
export type Account = {
  /** TikTok's id of the account for our app. Opaque. */
  readonly openId: string;
  /** Handle without the @. Absent without the scope `user.info.profile`. */
  readonly username?: string;
  readonly displayName: string;
  readonly avatarUri?: string;
  readonly accountType?: 'BUSINESS' | 'PERSONAL';
  readonly followerCount?: number;
  readonly followingCount?: number;
  readonly likesCount?: number;
  readonly videoCount?: number;
  readonly verified?: boolean;
  /** The account's own longest video, when last read. Checked again before sending. */
  readonly maxVideoSeconds?: number;
};

type Core = {
  readonly id: ConnectionId;
  readonly workspaceId: WorkspaceId;
  readonly apiFamily: ApiFamily;
  readonly account: Account;
  readonly grantedScopes: readonly string[];
  readonly createTime: Date;
  readonly updateTime: Date;
  /** Grows by one with every stored change. */
  readonly version: number;
};

/** The ends of the two tokens, as TikTok's last answer gave them. */
export type TokenLife = { readonly accessExpireTime: Date; readonly refreshExpireTime: Date };

export type Active = Core & TokenLife & { readonly state: 'ACTIVE' };
export type ReconnectRequired = Core &
  TokenLife & { readonly state: 'RECONNECT_REQUIRED'; readonly reconnectReason: PublishError };
export type Disconnected = Core & { readonly state: 'DISCONNECTED' };
export type ConnectionState = 'ACTIVE' | 'RECONNECT_REQUIRED' | 'DISCONNECTED';
export type Connection = Active | ReconnectRequired | Disconnected;

/** What publishing and following a post needs: everything we ask for beyond these is welcome but not required. */
export const REQUIRED_SCOPES: Readonly<Record<ApiFamily, readonly string[]>> = {
  OPEN: ['user.info.basic', 'video.publish'],
  BUSINESS: ['user.info.basic', 'video.publish'],
};

/** Everything the product uses: profile for links, stats, list for engagement and reconciliation, upload for drafts. */
export const REQUESTED_SCOPES: Readonly<Record<ApiFamily, readonly string[]>> = {
  OPEN: ['user.info.basic', 'user.info.profile', 'user.info.stats', 'video.list', 'video.upload', 'video.publish'],
  BUSINESS: [
    'user.info.basic',
    'user.info.username',
    'user.info.stats',
    'user.account.type',
    'user.insights',
    'video.list',
    'video.insights',
    'video.publish',
  ],
};

const missing = (wanted: readonly string[], granted: readonly string[]): readonly string[] =>
  wanted.filter((scope) => !granted.includes(scope));

export const missingScopes = ({ apiFamily, grantedScopes }: Pick<Core, 'apiFamily' | 'grantedScopes'>) =>
  missing(REQUESTED_SCOPES[apiFamily], grantedScopes);

/** Without these nothing can be published, so a connection is not made. */
export const missingRequiredScopes = (apiFamily: ApiFamily, grantedScopes: readonly string[]) =>
  missing(REQUIRED_SCOPES[apiFamily], grantedScopes);

/** What TikTok says of a fresh consent. */
export type Consent = TokenLife & { readonly account: Account; readonly grantedScopes: readonly string[] };

export const connect = (
  id: ConnectionId,
  workspaceId: WorkspaceId,
  apiFamily: ApiFamily,
  consent: Consent,
  now: Date,
): Active => ({
  ...consent,
  id,
  workspaceId,
  apiFamily,
  state: 'ACTIVE',
  createTime: now,
  updateTime: now,
  version: 1,
});

/** The same account consented again: whatever the state was, the newest consent wins. */
export const reconnect = (connection: Connection, consent: Consent, now: Date): Active => ({
  ...core(connection),
  ...consent,
  state: 'ACTIVE',
  updateTime: now,
});

/** A refresh gave a new pair. */
export const refreshed = (connection: Active | ReconnectRequired, life: TokenLife, now: Date): Active => ({
  ...core(connection),
  accessExpireTime: life.accessExpireTime,
  refreshExpireTime: life.refreshExpireTime,
  state: 'ACTIVE',
  updateTime: now,
});

export const described = (connection: Active, account: Account, now: Date): Active => ({
  ...connection,
  account,
  updateTime: now,
});

/** TikTok proved the grant dead. */
export const requireReconnect = (
  connection: Active | ReconnectRequired,
  reason: PublishError,
  now: Date,
): ReconnectRequired => ({
  ...core(connection),
  accessExpireTime: connection.accessExpireTime,
  refreshExpireTime: connection.refreshExpireTime,
  state: 'RECONNECT_REQUIRED',
  reconnectReason: reason,
  updateTime: now,
});

export const disconnect = (connection: Connection, now: Date): Disconnected =>
  connection.state === 'DISCONNECTED' ? connection : { ...core(connection), state: 'DISCONNECTED', updateTime: now };

const core = (connection: Connection): Core => ({
  id: connection.id,
  workspaceId: connection.workspaceId,
  apiFamily: connection.apiFamily,
  account: connection.account,
  grantedScopes: connection.grantedScopes,
  createTime: connection.createTime,
  updateTime: connection.updateTime,
  version: connection.version,
});
