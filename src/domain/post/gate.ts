import type { ApiFamily, Connection } from '../connection/connection.ts';
import type { Brand } from '../ids.ts';
import type { PublishError } from '../publish-error.ts';
import type { PostSettings } from './settings.ts';

/** What TikTok refuses one post it would refuse others: a gate is shut for all of them, and one tries it again. */
export type GateKey = Brand<string, 'GateKey'>;

const key = (...parts: readonly string[]): GateKey => parts.join(':') as GateKey;
const ofAccount = (name: string, { apiFamily, account }: Connection) => key(name, apiFamily, account.openId);

/** TikTok itself is not well. */
export const platformGate = (apiFamily: ApiFamily): GateKey => key('platform', apiFamily);
/** TikTok refuses the app: its credentials are wrong. */
export const credentialsGate = (apiFamily: ApiFamily): GateKey => key('credentials', apiFamily);
/** The app has as many posting accounts today as TikTok allows. */
export const activeUsersGate = (apiFamily: ApiFamily): GateKey => key('active-users', apiFamily);
/** TikTok says that the app asks for numbers too often. Posts pass all the same. */
export const collectionGate = (apiFamily: ApiFamily): GateKey => key('collection', apiFamily);
const postsGate = (connection: Connection): GateKey => ofAccount('posts', connection);
const draftsGate = (connection: Connection): GateKey => ofAccount('drafts', connection);
const rateGate = (connection: Connection): GateKey => ofAccount('rate', connection);

/** What shuts for everyone, whichever account the post goes to. */
export const platformGates = ({ apiFamily }: Pick<Connection, 'apiFamily'>): readonly GateKey[] => [
  platformGate(apiFamily),
  credentialsGate(apiFamily),
];

/** What shuts for one account only: its owner may know better when it gives way. */
export const accountGates = (connection: Connection): readonly GateKey[] => [
  postsGate(connection),
  draftsGate(connection),
  rateGate(connection),
];

/** What a post passes before it is announced. */
export const gatesOf = (connection: Connection, { draft }: PostSettings): readonly GateKey[] => [
  ...platformGates(connection),
  activeUsersGate(connection.apiFamily),
  rateGate(connection),
  draft ? draftsGate(connection) : postsGate(connection),
];

/** How long a gate stays shut before one post tries it again: twice as long after each try that failed, up to a limit. */
export type Closing = { readonly key: GateKey; readonly seconds: number; readonly atMostSeconds: number };

/** Sliding windows of a day at TikTok (open-api §8): looked at every hour at least, for other apps' posts count as well. */
export const CAP_SECONDS = 3600;

/** The gate that one refusal is enough to shut. An outage takes many (`ErrorRate`). */
export function closingFor(error: PublishError, connection: Connection): Closing | undefined {
  switch (error.code) {
    case 'ACCOUNT_DAILY_POST_CAP':
      return { key: postsGate(connection), seconds: CAP_SECONDS, atMostSeconds: CAP_SECONDS };
    case 'ACCOUNT_PENDING_DRAFT_CAP':
      return { key: draftsGate(connection), seconds: CAP_SECONDS, atMostSeconds: CAP_SECONDS };
    case 'APP_DAILY_USER_CAP':
      return { key: activeUsersGate(connection.apiFamily), seconds: CAP_SECONDS, atMostSeconds: CAP_SECONDS };
    case 'APP_CREDENTIALS_REJECTED':
      return { key: credentialsGate(connection.apiFamily), seconds: 30, atMostSeconds: 300 };
    case 'UPSTREAM_RATE_LIMITED':
      // Our own limit knows when the next turn is; then nobody was asked.
      return error.retryTime === undefined ? { key: rateGate(connection), seconds: 60, atMostSeconds: 600 } : undefined;
    default:
      return undefined;
  }
}

/** The app's trouble or TikTok's, and not the account's. */
export const isPlatformTrouble = ({ code }: PublishError): boolean =>
  code === 'PLATFORM_UNAVAILABLE' || code === 'APP_CREDENTIALS_REJECTED';
