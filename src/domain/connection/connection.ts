import type { ConnectionId, WorkspaceId } from '../ids.ts';
import type { PublishError } from '../publish-error.ts';

export type ApiFamily = 'OPEN' | 'BUSINESS';

/** What others may do with a video. */
export type Interaction = 'COMMENT' | 'DUET' | 'STITCH';

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
  /** What the account's own settings allowed nobody, when last read. Absent: never read. */
  readonly forbids?: readonly Interaction[];
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

/** So many days before the refresh token ends the person is asked to reconnect, each once. Longest first. */
export const WARNING_DAYS = [14, 7, 1] as const;
export type WarningDays = (typeof WARNING_DAYS)[number];

export type Active = Core &
  TokenLife & {
    readonly state: 'ACTIVE';
    /** The last warning that was told; absent while the refresh token lives longer than the first of them. */
    readonly reconnectWarning?: WarningDays;
  };
export type ReconnectRequired = Core &
  TokenLife & {
    readonly state: 'RECONNECT_REQUIRED';
    readonly reconnectReason: PublishError;
    /** The grant ended with an answer of TikTok that was lost on its way, and not by what anybody wanted. */
    readonly grantLost: boolean;
  };
export type Disconnected = Core & { readonly state: 'DISCONNECTED' };
export type ConnectionState = 'ACTIVE' | 'RECONNECT_REQUIRED' | 'DISCONNECTED';
export type Connection = Active | ReconnectRequired | Disconnected;

/** What publishing and following a post needs: everything we ask for beyond these is welcome but not required. */
export const REQUIRED_SCOPES: Readonly<Record<ApiFamily, readonly string[]>> = {
  OPEN: ['user.info.basic', 'video.publish'],
  // Without the account's type nobody knows whether it may publish at all.
  BUSINESS: ['user.info.basic', 'user.account.type', 'video.publish'],
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

/**
 * Why nothing goes out to the account, whatever the post. That it has to be a Business account is our contract's rule: TikTok itself would
 * take a personal one. Undefined when nothing is known against it; the open family never tells.
 */
export const ineligibility = ({ accountType }: Account): PublishError | undefined =>
  accountType === 'PERSONAL' ? { code: 'ACCOUNT_NOT_ELIGIBLE', cause: 'PERSONAL' } : undefined;

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

/** The warning that is in place when the refresh token ends then. */
function warningAt(refreshExpireTime: Date, now: Date): WarningDays | undefined {
  const days = (refreshExpireTime.getTime() - now.getTime()) / 86_400_000;
  return WARNING_DAYS.findLast((warning) => days <= warning);
}

/** A refresh gave a new pair. Warnings that no longer hold are taken back; those that were told are not told anew. */
export function refreshed(connection: Active | ReconnectRequired, life: TokenLife, now: Date): Active {
  const told = connection.state === 'ACTIVE' ? connection.reconnectWarning : undefined;
  const inPlace = warningAt(life.refreshExpireTime, now);
  return {
    ...core(connection),
    accessExpireTime: life.accessExpireTime,
    refreshExpireTime: life.refreshExpireTime,
    state: 'ACTIVE',
    updateTime: now,
    ...(told === undefined || inPlace === undefined ? {} : { reconnectWarning: told > inPlace ? told : inPlace }),
  };
}

/** The refresh token ends soon, and that was not told yet. Undefined when there is nothing to tell. */
export function warned(connection: Connection, now: Date): (Active & { reconnectWarning: WarningDays }) | undefined {
  if (connection.state !== 'ACTIVE') return undefined;
  const due = warningAt(connection.refreshExpireTime, now);
  const told = connection.reconnectWarning;
  if (due === undefined || (told !== undefined && told <= due)) return undefined;
  return { ...connection, reconnectWarning: due, updateTime: now };
}

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
  { grantLost = false }: { readonly grantLost?: boolean } = {},
): ReconnectRequired => ({
  ...core(connection),
  accessExpireTime: connection.accessExpireTime,
  refreshExpireTime: connection.refreshExpireTime,
  state: 'RECONNECT_REQUIRED',
  reconnectReason: reason,
  grantLost,
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
