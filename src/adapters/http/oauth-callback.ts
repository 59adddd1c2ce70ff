import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { CompleteConnection } from '../../application/complete-connection.ts';
import type { Log } from '../../application/ports/log.ts';
import type { Refusal } from '../../application/refusal.ts';
import type { ApiFamily, Connection } from '../../domain/connection/connection.ts';
import { connectedPage, failedPage, PAGE_HEADERS } from './page.ts';

export type OAuthCallbackNeeds = {
  readonly completeConnection: CompleteConnection;
  /** A refusal in words. `reason` is the code that callers of the RPC see. */
  readonly explainRefusal: (refusal: Refusal) => {
    readonly reason: string;
    readonly message: string;
    readonly remedy: string;
  };
  readonly isSandbox: (apiFamily: ApiFamily) => boolean;
  /** True for failures that pass by themselves, such as a database that is down. */
  readonly isUnavailable: (error: unknown) => boolean;
  readonly log: Log;
};

/** TikTok sends the person's browser here, with a code or with the reason why there is none. */
export function oauthCallback(needs: OAuthCallbackNeeds) {
  const { completeConnection, explainRefusal, isSandbox, isUnavailable, log } = needs;

  return async (query: URLSearchParams, response: ServerResponse): Promise<void> => {
    const tiktokError = query.get('error');
    try {
      // Which of both names the Business family uses, its sources disagree about (business-api §3.2).
      const code = query.get('code') ?? query.get('auth_code') ?? '';
      const outcome = await completeConnection({
        state: query.get('state') ?? '',
        answer: tiktokError ? { tiktokError } : { code },
      });
      if (outcome.ok) {
        const { connection, returnUri } = outcome.value;
        return returnUri === undefined
          ? show(response, 200, connectedPage(named(connection)))
          : goBack(response, returnUri, { connection_id: connection.id });
      }
      const { returnUri, ...refusal } = outcome.error;
      const words = explainRefusal(refusal);
      return returnUri === undefined
        ? show(response, 400, failedPage(words))
        : goBack(response, returnUri, { error: words.reason });
    } catch (error) {
      const incidentId = randomUUID();
      log.error({ error, incidentId }, 'an authorization could not be completed');
      show(
        response,
        isUnavailable(error) ? 503 : 500,
        failedPage({
          message: 'Something went wrong in this service.',
          remedy: 'Close this window and connect the account again.',
          reason: `incident ${incidentId}`,
        }),
      );
    }
  };

  function named({ account, apiFamily }: Connection) {
    return {
      name: account.username === undefined ? account.displayName : `${account.displayName} (@${account.username})`,
      sandbox: isSandbox(apiFamily),
    };
  }
}

function show(response: ServerResponse, status: number, page: string): void {
  response.writeHead(status, PAGE_HEADERS);
  response.end(page);
}

/** `returnUri` keeps its own query. See Other: the browser must not send anything along but this address. */
function goBack(response: ServerResponse, returnUri: string, result: Readonly<Record<string, string>>): void {
  const uri = new URL(returnUri);
  const added = new URLSearchParams(result).toString();
  uri.search = uri.search === '' ? added : `${uri.search}&${added}`;
  const { 'content-type': _, ...headers } = PAGE_HEADERS;
  response.writeHead(303, { ...headers, location: uri.href });
  response.end();
}
