import { type Connection, described, ineligibility } from '../domain/connection/connection.ts';
import type { PublishError } from '../domain/publish-error.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { TokenUse } from './account-access.ts';
import type { ConnectionName } from './get-connection.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { CreatorInfo } from './ports/tiktok.ts';
import type { Refusal } from './refusal.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';
import { toldByCreator } from './told-by-creator.ts';

/** `reason` says why the account can't post now. `creator` is absent when that is all that TikTok said. */
export type PublishingCapabilities = {
  readonly connection: Connection;
  readonly creator?: CreatorInfo;
  readonly reason?: PublishError;
  readonly fetchTime: Date;
};

export type GetPublishingCapabilities = (input: ConnectionName) => Promise<Result<PublishingCapabilities, Refusal>>;

export function getPublishingCapabilities(needs: {
  readonly connections: Connections;
  readonly access: TokenUse;
  readonly tiktoks: TikToks;
  readonly clock: Clock;
}): GetPublishingCapabilities {
  const { connections, access, tiktoks, clock } = needs;

  /** PublishPost checks by what is kept: what is offered here must not be refused there. */
  async function keep({ id, account }: Connection, creator: CreatorInfo, now: Date): Promise<void> {
    const { username: _, ...told } = toldByCreator(creator);
    const isKnown =
      account.maxVideoSeconds === told.maxVideoSeconds && account.forbids?.join() === told.forbids?.join();
    if (isKnown) return;
    await connections.update(id, (current) =>
      current.state === 'ACTIVE' ? ok(described(current, { ...current.account, ...told }, now)) : err(undefined),
    );
  }

  return async ({ connectionId, workspaceId }) => {
    const connection = await connections.find(connectionId, workspaceId);
    if (connection === undefined) return err({ code: 'NOT_FOUND', resource: 'connection', id: connectionId });
    if (connection.state === 'DISCONNECTED') {
      return err({ code: 'CONNECTION_DISCONNECTED', state: connection.state, id: connectionId });
    }
    const { publishing } = tiktokOf(tiktoks, connection.apiFamily);
    const answer = await access.call(connectionId, (token) => publishing.readCreator(token), 'READ_CREATOR');
    const fetchTime = clock.now();
    if (answer.ok) {
      // A private account, where a family posts publicly only.
      const nobody: PublishError = { code: 'PRIVACY_LEVEL_NOT_ALLOWED', allowed: [] };
      const reason =
        ineligibility(connection.account) ?? (answer.value.privacyLevels.length === 0 ? nobody : undefined);
      await keep(connection, answer.value, fetchTime);
      return ok({ connection, creator: answer.value, ...(reason === undefined ? {} : { reason }), fetchTime });
    }
    return onlyMeansNotNow(answer.error)
      ? ok({ connection, reason: answer.error, fetchTime })
      : err({ code: 'TIKTOK_REFUSED', error: answer.error });
  };
}

/** TikTok answers these with HTTP 200: it is well, the account just can't post (open-api §4.1). */
const onlyMeansNotNow = ({ code }: PublishError): boolean =>
  code === 'ACCOUNT_DAILY_POST_CAP' || code === 'APP_DAILY_USER_CAP' || code === 'ACCOUNT_NOT_ELIGIBLE';
