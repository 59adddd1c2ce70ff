import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { PublishingCapabilities } from '../../application/get-publishing-capabilities.ts';
import type { ConnectionEvent } from '../../application/ports/connection-events.ts';
import {
  type Account,
  type ApiFamily,
  type Connection,
  type ConnectionState,
  missingScopes,
} from '../../domain/connection/connection.ts';
import { businessVideoPolicy, openVideoPolicy } from '../../domain/video/video-policy.ts';
import * as pb from './gen/glowtify/tiktok/v1/connection_pb.js';
import {
  ConnectionEventSchema,
  type ConnectionEvent as EventMessage,
  type GetPublishingCapabilitiesResponse,
  GetPublishingCapabilitiesResponseSchema,
} from './gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PRIVACY_LEVELS } from './post-enums.ts';
import { publishErrorMessage } from './publish-error-messages.ts';

export const API_FAMILIES = {
  OPEN: pb.ApiFamily.OPEN,
  BUSINESS: pb.ApiFamily.BUSINESS,
} satisfies Record<ApiFamily, pb.ApiFamily>;

export const API_FAMILY_OF = {
  [pb.ApiFamily.UNSPECIFIED]: undefined,
  [pb.ApiFamily.OPEN]: 'OPEN',
  [pb.ApiFamily.BUSINESS]: 'BUSINESS',
} as const satisfies Record<pb.ApiFamily, ApiFamily | undefined>;

export const CONNECTION_STATES = {
  ACTIVE: pb.ConnectionState.ACTIVE,
  RECONNECT_REQUIRED: pb.ConnectionState.RECONNECT_REQUIRED,
  DISCONNECTED: pb.ConnectionState.DISCONNECTED,
} satisfies Record<ConnectionState, pb.ConnectionState>;

export const CONNECTION_STATE_OF = {
  [pb.ConnectionState.UNSPECIFIED]: undefined,
  [pb.ConnectionState.ACTIVE]: 'ACTIVE',
  [pb.ConnectionState.RECONNECT_REQUIRED]: 'RECONNECT_REQUIRED',
  [pb.ConnectionState.DISCONNECTED]: 'DISCONNECTED',
} as const satisfies Record<pb.ConnectionState, ConnectionState | undefined>;

const ACCOUNT_TYPES = {
  BUSINESS: pb.AccountType.BUSINESS,
  PERSONAL: pb.AccountType.PERSONAL,
} satisfies Record<NonNullable<Account['accountType']>, pb.AccountType>;

/** What the domain doesn't know of a connection. */
export type ConnectionSurroundings = {
  readonly isSandbox: (apiFamily: ApiFamily) => boolean;
  /** Address of an account's public profile. */
  readonly profileUri: (username: string) => string;
};

export function connectionMessage(connection: Connection, surroundings: ConnectionSurroundings): pb.Connection {
  return create(pb.ConnectionSchema, {
    connectionId: connection.id,
    workspaceId: connection.workspaceId,
    destination: 'tiktok',
    apiFamily: API_FAMILIES[connection.apiFamily],
    account: accountMessage(connection.account, surroundings),
    state: CONNECTION_STATES[connection.state],
    grantedScopes: [...connection.grantedScopes],
    missingScopes: [...missingScopes(connection)],
    createTime: timestampFromDate(connection.createTime),
    updateTime: timestampFromDate(connection.updateTime),
    etag: String(connection.version),
    sandbox: surroundings.isSandbox(connection.apiFamily),
    ...ofState(connection),
  });
}

function ofState(connection: Connection) {
  switch (connection.state) {
    case 'ACTIVE':
      return { ...tokenLife(connection), reconnectWarningDays: connection.reconnectWarning ?? 0 };
    case 'RECONNECT_REQUIRED':
      return {
        ...tokenLife(connection),
        reconnectReason: publishErrorMessage(connection.reconnectReason),
        grantLost: connection.grantLost,
      };
    case 'DISCONNECTED':
      return {};
  }
}

const tokenLife = (connection: Exclude<Connection, { readonly state: 'DISCONNECTED' }>) => ({
  accessExpireTime: timestampFromDate(connection.accessExpireTime),
  refreshExpireTime: timestampFromDate(connection.refreshExpireTime),
});

export function connectionEventMessage(event: ConnectionEvent, surroundings: ConnectionSurroundings): EventMessage {
  return create(ConnectionEventSchema, {
    connection: connectionMessage(event.connection, surroundings),
    eventTime: timestampFromDate(event.eventTime),
    resumeToken: event.cursor,
    ...(event.previousState === undefined ? {} : { previousState: CONNECTION_STATES[event.previousState] }),
  });
}

function accountMessage(account: Account, { profileUri }: ConnectionSurroundings): pb.Account {
  const { username, accountType, followerCount, followingCount, likesCount, videoCount, verified } = account;
  return create(pb.AccountSchema, {
    openId: account.openId,
    username: username ?? '',
    displayName: account.displayName,
    avatarUri: account.avatarUri ?? '',
    profileUri: username === undefined ? '' : profileUri(username),
    accountType: accountType === undefined ? pb.AccountType.UNSPECIFIED : ACCOUNT_TYPES[accountType],
    ...(followerCount === undefined ? {} : { followerCount: BigInt(followerCount) }),
    ...(followingCount === undefined ? {} : { followingCount: BigInt(followingCount) }),
    ...(likesCount === undefined ? {} : { likesCount: BigInt(likesCount) }),
    ...(videoCount === undefined ? {} : { videoCount: BigInt(videoCount) }),
    ...(verified === undefined ? {} : { verified }),
  });
}

/** When TikTok said only that the account can't post now, the account as last read stands in for the creator. */
export function capabilitiesMessage(capabilities: PublishingCapabilities): GetPublishingCapabilitiesResponse {
  const { connection, creator, reason, fetchTime } = capabilities;
  const { account } = connection;
  const seconds = creator?.maxVideoSeconds ?? account.maxVideoSeconds;
  return create(GetPublishingCapabilitiesResponseSchema, {
    nickname: creator?.nickname ?? account.displayName,
    username: creator?.username ?? account.username ?? '',
    avatarUri: creator?.avatarUri ?? account.avatarUri ?? '',
    privacyLevels: creator?.privacyLevels.map((level) => PRIVACY_LEVELS[level]) ?? [],
    commentAvailable: creator?.commentAvailable ?? false,
    duetAvailable: creator?.duetAvailable ?? false,
    stitchAvailable: creator?.stitchAvailable ?? false,
    draftsAvailable: connection.grantedScopes.includes('video.upload'),
    privacySelectable: connection.apiFamily === 'OPEN',
    maxVideoBytes: BigInt((connection.apiFamily === 'OPEN' ? openVideoPolicy : businessVideoPolicy).maxSizeBytes),
    canPublish: creator !== undefined && reason === undefined,
    fetchTime: timestampFromDate(fetchTime),
    ...(seconds === undefined
      ? {}
      : { maxVideoDuration: durationFromMs(Math.min(seconds, openVideoPolicy.maxDurationSeconds) * 1000) }),
    ...(reason === undefined ? {} : { reason: publishErrorMessage(reason) }),
  });
}
