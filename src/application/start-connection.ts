import { type ApiFamily, REQUESTED_SCOPES } from '../domain/connection/connection.ts';
import { isError } from '../domain/finding.ts';
import type { ConnectionId, WorkspaceId } from '../domain/ids.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { inSeconds } from '../domain/time.ts';
import { invalid, optionalText, requireText } from './field-checks.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Ids } from './ports/ids.ts';
import type { PendingAuthorizations } from './ports/pending-authorizations.ts';
import type { Refusal } from './refusal.ts';
import type { TikToks } from './tiktoks.ts';

export type StartConnection = (input: {
  readonly workspaceId: WorkspaceId;
  readonly apiFamily?: ApiFamily;
  readonly returnUri?: string;
  readonly reconnects?: ConnectionId;
}) => Promise<Result<{ readonly authorizeUri: string; readonly state: string; readonly expireTime: Date }, Refusal>>;

/** TikTok's authorization codes live for minutes; a person needs a moment to log in. */
const STATE_MINUTES = 10;

export function startConnection(needs: {
  readonly connections: Connections;
  readonly pending: PendingAuthorizations;
  readonly tiktoks: TikToks;
  readonly clock: Clock;
  readonly ids: Ids;
}): StartConnection {
  const { connections, pending, tiktoks, clock, ids } = needs;
  return async ({ workspaceId, apiFamily = tiktoks.default, returnUri, reconnects }) => {
    const tiktok = tiktoks.families.get(apiFamily);
    const findings = [
      ...requireText('workspace_id', workspaceId, 200),
      ...(returnUri === undefined ? [] : checkReturnUri(returnUri)),
      ...(tiktok === undefined
        ? [
            invalid(
              'api_family',
              apiFamily,
              [...tiktoks.families.keys()].join(', '),
              'Leave api_family out, or have the operator set up a TikTok app of that family.',
            ),
          ]
        : []),
    ];
    if (tiktok === undefined || findings.some(isError)) return err({ code: 'INVALID', findings });
    if (reconnects !== undefined && (await connections.find(reconnects, workspaceId)) === undefined) {
      return err({ code: 'NOT_FOUND', resource: 'connection', id: reconnects });
    }
    const state = ids.unguessable();
    const expireTime = inSeconds(clock.now(), STATE_MINUTES * 60);
    await pending.add(state, {
      workspaceId,
      apiFamily,
      expireTime,
      ...(returnUri === undefined ? {} : { returnUri }),
      ...(reconnects === undefined ? {} : { reconnects }),
    });
    const authorizeUri = tiktok.authorization.authorizeUri({ state, scopes: REQUESTED_SCOPES[apiFamily] });
    return ok({ authorizeUri, state, expireTime });
  };
}

function checkReturnUri(uri: string) {
  const long = optionalText('return_uri', uri, 2000);
  if (long.length > 0) return long;
  const url = URL.parse(uri);
  const loopback = url?.hostname === '127.0.0.1' || url?.hostname === 'localhost' || url?.hostname === '[::1]';
  if (url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && loopback))) return [];
  return [
    invalid(
      'return_uri',
      uri.slice(0, 200),
      'an https address, or http on loopback',
      'Send the full address to return to.',
    ),
  ];
}
