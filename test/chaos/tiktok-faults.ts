import { setTimeout as delay } from 'node:timers/promises';
import type { FaultSpec } from '../../sandbox/faults.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { Family } from '../../sandbox/state.ts';
import type { ConnectedAccount } from './accounts.ts';
import type { Calls } from './calls.ts';
import type { Crew } from './crew.ts';
import type { Journal } from './journal.ts';
import type { Random } from './random.ts';

/** What TikTok gets wrong: answers that are lost, late or bad, verdicts that are passing failures, grants that end. */
export type TiktokFaults = {
  /** Goes on until the signal. Nothing of it is left then. */
  run(signal: AbortSignal): Promise<void>;
  /** All that were ordered. */
  count(): number;
};

const MEAN_SECONDS_BETWEEN = 0.6;
const LONGEST_HOLD_SECONDS = 9;
/** More that wait for a call to befall would be an outage: the service then makes few calls, and each met the next of them. */
const MOST_WAITING = 4;
/** What fits no call for so long must not keep others from coming. */
const STALE_MILLISECONDS = 8_000;
/** Of the grants that something happens to. */
const BUSY_ACCOUNTS = 0.8;
const REFRESH = { deadlineMilliseconds: 20_000 };
/** Three of these in a row fail a post for good. */
const PASSING_FAILURE: FaultSpec = { kind: 'fail_reason', reason: 'internal' };

type Troubles = {
  /** The next calls to fit, whosever they are. */
  lostAnswers(random: Random): FaultSpec;
  badAnswers(random: Random): FaultSpec;
  lateAnswers(random: Random): FaultSpec;
  heldAnswers(random: Random): FaultSpec;
  /** Of a refresh, for one account. */
  lostRefreshes(random: Random, account: string): FaultSpec | undefined;
};

const lostAnswers = (random: Random): FaultSpec =>
  random.weighted<FaultSpec>([
    [8, { endpoint: 'video_init', kind: 'execute_then_drop' }],
    [3, { endpoint: 'video_init', kind: 'drop_before' }],
    [2, { endpoint: 'inbox_init', kind: 'execute_then_drop' }],
    [8, { endpoint: 'upload', kind: 'execute_then_drop', chunk: 'last' }],
    [6, { endpoint: 'upload', kind: 'drop_before', chunk: 'last' }],
    [4, { endpoint: 'upload', kind: 'execute_then_drop', chunk: 1 }],
    [3, { endpoint: 'upload', kind: 'drop_before', chunk: 1 }],
    [3, { endpoint: 'upload', kind: 'short_read', chunk: 0, bytes: random.whole(1, 70_000) }],
    [2, { endpoint: 'upload', kind: 'short_read', chunk: 1, bytes: random.whole(1, 5_000_000), keep: false }],
    [4, { endpoint: 'status', kind: 'execute_then_drop' }],
    [2, { endpoint: 'status', kind: 'drop_before' }],
    [2, { endpoint: 'creator_info', kind: 'drop_before' }],
  ]);

const badAnswers = (random: Random): FaultSpec =>
  random.weighted<FaultSpec>([
    [5, { endpoint: random.pick(['status', 'video_init', 'creator_info']), kind: 'status', status: 503 }],
    [4, { endpoint: 'upload', kind: 'status', status: random.pick([500, 503]), times: random.whole(1, 2) }],
    [5, { endpoint: random.pick(['status', 'video_init', 'creator_info']), kind: 'error', code: 'internal_error' }],
    [
      1,
      { endpoint: random.pick(['status', 'video_init', 'creator_info']), kind: 'error', code: 'rate_limit_exceeded' },
    ],
    [
      2,
      { endpoint: random.pick(['status', 'video_init', 'creator_info']), kind: 'error', code: 'access_token_invalid' },
    ],
  ]);

const lateAnswers = (random: Random): FaultSpec => ({
  endpoint: random.pick(['video_init', 'upload', 'upload', 'status', 'creator_info']),
  kind: 'delay',
  ms: random.whole(200, 5_000),
  when: random.pick(['before', 'after']),
});

const heldAnswers = (random: Random): FaultSpec => ({
  endpoint: random.pick(['video_init', 'upload', 'upload', 'status', 'creator_info']),
  kind: 'hold',
  when: random.pick(['before', 'after']),
});

const lostRefreshes = (random: Random, account: string): FaultSpec | undefined =>
  random.weighted<FaultSpec | undefined>([
    [4, undefined],
    [3, { endpoint: 'token', grantType: 'refresh_token', kind: 'execute_then_drop', account }],
    [3, { endpoint: 'token', grantType: 'refresh_token', kind: 'drop_before', account }],
    [2, { endpoint: 'token', grantType: 'refresh_token', kind: 'status', status: 503, account }],
    [2, { endpoint: 'token', grantType: 'refresh_token', kind: 'delay', ms: 3_000, when: 'after', account }],
  ]);

const open: Troubles = { lostAnswers, badAnswers, lateAnswers, heldAnswers, lostRefreshes };

/** Of what the Business family is asked while it publishes. */
const BUSINESS_CALLS = ['business_status', 'business_publish', 'business_settings'] as const;

/** There is nothing to upload; an announcement alone is enough to publish, so its answers get lost most of all. */
const business: Troubles = {
  lostAnswers: (random) =>
    random.weighted<FaultSpec>([
      [12, { endpoint: 'business_publish', kind: 'execute_then_drop' }],
      [4, { endpoint: 'business_publish', kind: 'drop_before' }],
      [4, { endpoint: 'business_status', kind: 'execute_then_drop' }],
      [2, { endpoint: 'business_status', kind: 'drop_before' }],
      [2, { endpoint: 'business_videos', kind: 'drop_before' }],
      [2, { endpoint: 'business_settings', kind: 'drop_before' }],
    ]),
  badAnswers: (random) =>
    random.weighted<FaultSpec>([
      [5, { endpoint: random.pick(BUSINESS_CALLS), kind: 'status', status: 503 }],
      [4, { endpoint: random.pick(BUSINESS_CALLS), kind: 'error', code: random.pick(['50000', '51065', '60001']) }],
      // They may have been a yes.
      [2, { endpoint: 'business_publish', kind: 'error', code: '40050' }],
      [1, { endpoint: random.pick(BUSINESS_CALLS), kind: 'error', code: '40100' }],
      [2, { endpoint: random.pick(BUSINESS_CALLS), kind: 'error', code: random.pick(['40102', '40105']) }],
    ]),
  lateAnswers: (random) => ({
    endpoint: random.pick(BUSINESS_CALLS),
    kind: 'delay',
    ms: random.whole(200, 5_000),
    when: random.pick(['before', 'after']),
  }),
  heldAnswers: (random) => ({
    endpoint: random.pick(BUSINESS_CALLS),
    kind: 'hold',
    when: random.pick(['before', 'after']),
  }),
  lostRefreshes: (random, account) =>
    random.weighted<FaultSpec | undefined>([
      [4, undefined],
      [3, { endpoint: 'business_refresh', kind: 'execute_then_drop', account }],
      [3, { endpoint: 'business_refresh', kind: 'drop_before', account }],
      [2, { endpoint: 'business_refresh', kind: 'status', status: 503, account }],
      [2, { endpoint: 'business_refresh', kind: 'delay', ms: 3_000, when: 'after', account }],
    ]),
};

const TROUBLES: Readonly<Record<Family, Troubles>> = { OPEN: open, BUSINESS: business };

export function tiktokFaults(needs: {
  readonly sandbox: Sandbox;
  readonly calls: Calls;
  readonly crew: Crew;
  readonly families: readonly Family[];
  readonly accounts: readonly ConnectedAccount[];
  /** Those with posts under way, more or less: what befalls the others is not felt before their next post. */
  readonly busyAccounts: () => readonly ConnectedAccount[];
  readonly random: Random;
  readonly journal: Journal;
}): TiktokFaults {
  const { sandbox, calls, crew, families, accounts, busyAccounts, journal } = needs;
  const { control } = sandbox;
  const random = needs.random.branch('TikTok faults');
  const orderTimes = new Map<string, number>();
  let count = 0;

  function order(spec: FaultSpec): string {
    count += 1;
    const { id } = control.addFault(spec);
    orderTimes.set(id, performance.now());
    journal.note(`ordered of TikTok: ${JSON.stringify({ id, ...spec })}`);
    return id;
  }

  function dropStale(): void {
    for (const { id } of control.faults()) {
      const since = orderTimes.get(id);
      if (since !== undefined && performance.now() - since > STALE_MILLISECONDS) control.removeFault(id);
    }
  }

  async function releaseLater(faultId: string, signal: AbortSignal): Promise<void> {
    const seconds = random.between(0.5, LONGEST_HOLD_SECONDS);
    const how = random.pick(['answer', 'answer', 'drop'] as const);
    const over = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined)));
    const hold = await Promise.race([control.waitForHold({ faultId }), over]);
    if (hold === undefined) return;
    await delay(seconds * 1000, undefined, { signal }).catch(() => undefined);
    if (control.holds().some(({ id }) => id === hold.id)) control.release(hold.id, how);
  }

  async function refresh({ family, openId, connectionId }: ConnectedAccount): Promise<void> {
    const fault = TROUBLES[family].lostRefreshes(random, openId);
    if (fault !== undefined) order(fault);
    journal.note(`RefreshConnection of ${connectionId}`);
    try {
      await calls.once('RefreshConnection', ({ connections }) =>
        connections.RefreshConnection({ connection_id: connectionId }, REFRESH),
      );
    } catch (error) {
      // What it says of a lost grant is the service's to keep track of.
      journal.note(String(error));
    }
  }

  /** In the settings of the TikTok app. */
  function removeOurApp({ family, openId, connectionId }: ConnectedAccount): void {
    journal.note(`the owner of ${connectionId} removes our app`);
    count += 1;
    control.disconnectAccount(openId, 1, family);
  }

  const anAccount = (): ConnectedAccount => {
    const busy = busyAccounts();
    return random.pick(busy.length > 0 && random.chance(BUSY_ACCOUNTS) ? busy : accounts);
  };

  function goWrong(signal: AbortSignal): void {
    dropStale();
    if (control.faults().length >= MOST_WAITING) return;
    const kind = random.weighted([
      [42, 'LOST'],
      [18, 'BAD'],
      [12, 'LATE'],
      [10, 'HELD'],
      [5, 'FAILURE'],
      [12, 'REFRESH'],
      [4, 'REMOVAL'],
    ] as const);
    const [first, ...others] = families;
    const troubles = TROUBLES[others.length === 0 && first !== undefined ? first : random.pick(families)];
    switch (kind) {
      case 'LOST':
        order(troubles.lostAnswers(random));
        break;
      case 'BAD':
        order(troubles.badAnswers(random));
        break;
      case 'LATE':
        order(troubles.lateAnswers(random));
        break;
      case 'HELD':
        crew.add(releaseLater(order(troubles.heldAnswers(random)), signal));
        break;
      case 'FAILURE':
        order(PASSING_FAILURE);
        break;
      case 'REFRESH':
        crew.add(refresh(anAccount()));
        break;
      case 'REMOVAL':
        removeOurApp(anAccount());
        break;
    }
  }

  return {
    count: () => count,
    async run(signal) {
      while (!signal.aborted) {
        goWrong(signal);
        // How long TikTok works on the videos that come in now.
        control.changeSettings({ processingMs: random.whole(200, 4_000) });
        await delay(random.gap(MEAN_SECONDS_BETWEEN) * 1000, undefined, { signal }).catch(() => undefined);
      }
      control.clearFaults();
      control.release();
    },
  };
}
