import pLimit from 'p-limit';
import { type Connection, REQUIRED_SCOPES, requireReconnect } from '../domain/connection/connection.ts';
import { ok } from '../domain/result.ts';
import { inSeconds } from '../domain/time.ts';
import type { LookOutcome, WebhookSubject } from '../domain/webhook.ts';
import type { AccountAccess } from './account-access.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Doorbell } from './ports/doorbell.ts';
import type { Log } from './ports/log.ts';
import type { Posts } from './ports/posts.ts';
import type { Traces } from './ports/traces.ts';
import type { WebhookInbox, WebhookLease } from './ports/webhook-inbox.ts';
import { type TikToks, tiktokOf } from './tiktoks.ts';

/**
 * Looks where webhooks point. Each of them only rings: the engine asks TikTok how a post stands, and here TikTok is asked whether it
 * still takes a grant. So it does not matter in which order they come, how often, or who sent them.
 */
export interface WebhookHandling {
  /** Handles one that this process holds, in the background. */
  begin(lease: WebhookLease): void;
  /** Handles what is due: what a dead process left, and what TikTok did not answer about. Harmless when run twice at once. */
  sweep(): Promise<void>;
  /** Forgets what was handled so long ago that TikTok does not repeat it any more. */
  forgetOld(): Promise<void>;
  /** Resolves when nothing is being handled, or soon: what is left comes due again when its lease ends. */
  settled(): Promise<void>;
}

/** Longer than TikTok takes to answer, with a refresh of the token on the way. */
export const WEBHOOK_LEASE_SECONDS = 120;
const BATCH = 100;
/** Accounts that TikTok is asked about at once, so that a hundred webhooks do not use up the app's rate limit. */
const LOOKS_AT_ONCE = 4;
/** As long as TikTok itself tries to deliver (open-api §9). */
const GIVE_UP_SECONDS = 72 * 3600;
/** At the end of the process. */
const LAST_LOOK_SECONDS = 5;

/** Before the next try when `failures` went wrong: 5 s, 20 s, 80 s and so on, up to an hour. */
const backOffSeconds = (failures: number): number => Math.min(5 * 4 ** failures, 3600);

type Look = LookOutcome | 'UNANSWERED';

export function handleWebhooks(needs: {
  readonly inbox: WebhookInbox;
  readonly posts: Posts;
  readonly connections: Connections;
  readonly access: AccountAccess;
  readonly tiktoks: TikToks;
  readonly doorbell: Doorbell;
  readonly traces: Traces;
  readonly clock: Clock;
  readonly log: Log;
  /** Names this process among all that share the database. */
  readonly owner: string;
  /** How long what was handled is remembered: longer than TikTok repeats it, which is 72 hours. */
  readonly keptSeconds: number;
}): WebhookHandling {
  const { inbox, posts, connections, access, tiktoks, doorbell, traces, clock, log, owner, keptSeconds } = needs;
  const few = pLimit(LOOKS_AT_ONCE);
  const underWay = new Set<Promise<void>>();

  function begin(lease: WebhookLease): Promise<void> {
    const job = traces
      .span({ name: 'handle webhook' }, () => handle(lease))
      .catch((error) => {
        log.error({ error, webhookId: lease.id }, 'a webhook stays unhandled until its lease ends');
      })
      .finally(() => underWay.delete(job));
    underWay.add(job);
    return job;
  }

  async function handle(lease: WebhookLease): Promise<void> {
    const look = await lookAt(lease).catch((error): Look => {
      log.error({ error, webhookId: lease.id }, 'a webhook could not be handled; it is tried again');
      return 'UNANSWERED';
    });
    traces.tell({ outcome: look });
    if (look !== 'UNANSWERED') {
      await inbox.finish(lease, look);
    } else if (clock.now() > inSeconds(lease.receivedTime, GIVE_UP_SECONDS)) {
      log.warn({ webhookId: lease.id }, 'a webhook is given up: TikTok could not be asked about it');
      await inbox.finish(lease, 'GIVEN_UP');
    } else {
      await inbox.postpone(lease, backOffSeconds(lease.failures));
    }
  }

  async function lookAt({ id, subject }: WebhookLease): Promise<Look> {
    switch (subject.kind) {
      case 'POST':
        await posts.wake({ publishId: subject.publishId });
        await doorbell.ringNow();
        return 'POST_WOKEN';
      case 'GRANT':
        return lookAtGrants(subject);
      case 'NOTHING':
        log.warn({ webhookId: id, reason: subject.reason }, 'a webhook tells of nothing that is ours: ignored');
        return 'IGNORED';
    }
  }

  /** Each workspace that has the account connected has a grant of its own. */
  async function lookAtGrants({ apiFamily, openId }: Extract<WebhookSubject, { kind: 'GRANT' }>): Promise<Look> {
    const all = await connections.ofAccount(apiFamily, openId);
    const connected = all.filter(({ state }) => state !== 'DISCONNECTED');
    const looks = await Promise.all(connected.map((connection) => few(() => lookAtGrant(connection))));
    const found = (['UNANSWERED', 'GRANT_ENDED', 'GRANT_GOOD'] as const).find((look) => looks.includes(look));
    return found ?? 'NOT_CONNECTED';
  }

  /** The call itself marks a grant that is dead. What TikTok's API does not tell, the webhook does: why it is. */
  async function lookAtGrant({ id, apiFamily }: Connection): Promise<Look> {
    const { authorization } = tiktokOf(tiktoks, apiFamily);
    // No more than every grant has: a scope that is missing now would be another matter.
    const answer = await access.call(id, (token) => authorization.readAccount(token, REQUIRED_SCOPES[apiFamily]));
    if (answer.ok) {
      log.info({ connectionId: id }, 'TikTok told of a removed authorization, and takes the grant all the same');
      return 'GRANT_GOOD';
    }
    const after = await connections.update(id, (connection) => ok(withReason(connection)));
    // TikTok gave no proof, or the person reconnected meanwhile: only another look tells.
    if (after.ok && after.value.state === 'ACTIVE') return 'UNANSWERED';
    log.info({ connectionId: id }, 'TikTok told of a removed authorization, and no longer takes the grant');
    return 'GRANT_ENDED';
  }

  const withReason = (connection: Connection): Connection =>
    connection.state === 'RECONNECT_REQUIRED' && connection.reconnectReason.code === 'ACCOUNT_SESSION_INVALID'
      ? requireReconnect(connection, { ...connection.reconnectReason, code: 'ACCOUNT_ACCESS_REVOKED' }, clock.now())
      : connection;

  return {
    begin(lease) {
      void begin(lease);
    },
    async sweep() {
      for (;;) {
        const leases = await inbox.claim({ owner, leaseSeconds: WEBHOOK_LEASE_SECONDS, limit: BATCH });
        await Promise.all(leases.map(begin));
        if (leases.length < BATCH) return;
      }
    },
    async forgetOld() {
      await inbox.forgetHandledBefore(inSeconds(clock.now(), -keptSeconds));
    },
    async settled() {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, LAST_LOOK_SECONDS * 1000);
      await Promise.race([Promise.all(underWay), late.promise]);
      clearTimeout(timer);
    },
  };
}
