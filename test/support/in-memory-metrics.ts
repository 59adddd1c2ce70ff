import type { AccountMetrics } from '../../src/application/ports/account-metrics.ts';
import type { Clock } from '../../src/application/ports/clock.ts';
import type {
  CollectionLease,
  CollectionPlan,
  MetricCollections,
} from '../../src/application/ports/metric-collections.ts';
import type { Posts } from '../../src/application/ports/posts.ts';
import type {
  MeasuredVideo,
  Snapshot,
  SnapshotInterval,
  VideoKey,
  VideoMetrics,
} from '../../src/application/ports/video-metrics.ts';
import { type AccountRecord, accountTold, type DayRecord, dayTold } from '../../src/domain/analytics/account-record.ts';
import type { AccountReading, VideoReading } from '../../src/domain/analytics/reading.ts';
import { leftOut, snapshotOf, told, type VideoRecord } from '../../src/domain/analytics/video-record.ts';
import type { Connection } from '../../src/domain/connection/connection.ts';
import type { ConnectionId } from '../../src/domain/ids.ts';
import { inSeconds } from '../../src/domain/time.ts';
import { copyOf } from './copy.ts';
import { pageOf } from './page-of.ts';

type Row = VideoKey & { readonly video: VideoRecord; readonly snapshots: readonly Snapshot[] };

type Planned = Omit<CollectionLease, 'dueTime'> & {
  readonly dueTime: Date | 'NEVER';
  readonly leasedUntil?: Date;
};

export type InMemoryMetrics = {
  readonly videoMetrics: VideoMetrics;
  readonly accountMetrics: AccountMetrics;
  readonly collections: MetricCollections;
  /** TikTok told this of a connection's videos and account at `time`, whoever asked. Plans the connection when nothing did. */
  given(
    connection: Connection,
    told: {
      readonly time: Date;
      readonly readings?: readonly VideoReading[];
      readonly missing?: readonly string[];
      readonly account?: AccountReading;
    },
  ): void;
};

/** One store behind three ports, as the database is. */
export function inMemoryMetrics({
  clock,
  connections,
  posts,
}: {
  readonly clock: Clock;
  readonly connections: { all(): readonly Connection[] };
  readonly posts: Pick<Posts, 'find' | 'idsOf' | 'findByTiktokPostId'>;
}): InMemoryMetrics {
  const plans = new Map<ConnectionId, Planned>();
  const videos = new Map<string, Row>();
  const accounts = new Map<ConnectionId, AccountRecord>();
  const days = new Map<string, DayRecord & { readonly connectionId: ConnectionId }>();

  const nameOf = ({ connectionId, tiktokPostId }: VideoKey): string => `${connectionId}/${tiktokPostId}`;
  const isActive = (id: ConnectionId): boolean =>
    connections.all().some((connection) => connection.id === id && connection.state === 'ACTIVE');

  async function measured({ connectionId, tiktokPostId, video }: Row): Promise<MeasuredVideo> {
    const plan = plans.get(connectionId);
    if (plan === undefined) throw new Error(`${connectionId} was never planned`);
    const postId = await posts.findByTiktokPostId(connectionId, tiktokPostId);
    const { nextCollectTime, ...rest } = video;
    return copyOf({
      connectionId,
      tiktokPostId,
      workspaceId: plan.workspaceId,
      ...(postId === undefined ? {} : { postId }),
      ...rest,
      ...(nextCollectTime !== undefined && isActive(connectionId) ? { nextCollectTime } : {}),
    });
  }

  function planFor({ id, workspaceId, apiFamily, createTime }: Connection): Planned {
    const now = clock.now();
    const planned: Planned = {
      connectionId: id,
      workspaceId,
      apiFamily,
      connectTime: copyOf(createTime),
      fence: 0,
      failures: 0,
      dueTime: 'NEVER',
      plan: { listTime: now, listedAll: false, accountTime: now },
    };
    plans.set(id, planned);
    return planned;
  }

  function tellVideos(
    connectionId: ConnectionId,
    at: Date,
    readings: readonly VideoReading[],
    missing: readonly string[],
  ) {
    let [unknown, snapshots] = [0, 0];
    for (const reading of readings) {
      const name = nameOf({ connectionId, tiktokPostId: reading.tiktokPostId });
      const row = videos.get(name);
      const video = told(row?.video, copyOf(reading), at);
      const numbers = video === row?.video ? undefined : snapshotOf(row?.video, video);
      unknown += row === undefined ? 1 : 0;
      snapshots += numbers === undefined ? 0 : 1;
      videos.set(name, {
        connectionId,
        tiktokPostId: reading.tiktokPostId,
        video,
        snapshots: [...(row?.snapshots ?? []), ...(numbers === undefined ? [] : [{ time: at, numbers }])],
      });
    }
    for (const tiktokPostId of missing) {
      const row = videos.get(nameOf({ connectionId, tiktokPostId }));
      if (row !== undefined) videos.set(nameOf(row), { ...row, video: leftOut(row.video, at) });
    }
    return { unknown, snapshots };
  }

  function tellAccount(connectionId: ConnectionId, at: Date, reading: AccountReading): void {
    accounts.set(connectionId, accountTold(accounts.get(connectionId), copyOf(reading), at));
    for (const day of reading.days) {
      const name = `${connectionId}/${day.date}`;
      days.set(name, { connectionId, ...dayTold(days.get(name), copyOf(day), at) });
    }
  }

  /** The plan, as long as `lease` still holds it. */
  function heldBy({ connectionId, fence }: CollectionLease): Planned | undefined {
    const planned = plans.get(connectionId);
    return planned?.fence === fence && planned.leasedUntil !== undefined ? planned : undefined;
  }

  function giveBack(lease: CollectionLease, change: Partial<Planned>): void {
    const held = heldBy(lease);
    if (held === undefined) return;
    const { leasedUntil: _, ...rest } = held;
    plans.set(lease.connectionId, { ...rest, ...copyOf(change) });
  }

  const keep = (held: Planned, plan: CollectionPlan, leaseSeconds: number): void => {
    const until = inSeconds(clock.now(), leaseSeconds);
    plans.set(held.connectionId, { ...held, plan: copyOf(plan), dueTime: until, leasedUntil: until });
  };

  /** A post of ours reached the account since its videos were listed. */
  async function wasPublished(connectionId: ConnectionId, since: Date | undefined): Promise<boolean> {
    for (const id of await posts.idsOf(connectionId, ['PUBLISHED'])) {
      const post = (await posts.find(id))?.post;
      if (post?.state !== 'PUBLISHED' || (since !== undefined && post.updateTime <= since)) continue;
      if (post.tiktokPostIds.some((tiktokPostId) => !videos.has(nameOf({ connectionId, tiktokPostId })))) return true;
    }
    return false;
  }

  const collections: MetricCollections = {
    async discover() {
      let found = 0;
      for (const connection of connections.all()) {
        const planned = plans.get(connection.id) ?? planFor(connection);
        const now = clock.now();
        const isHeld = planned.leasedUntil !== undefined && planned.leasedUntil > now;
        if (connection.state !== 'ACTIVE' || isHeld) continue;
        if (planned.dueTime === 'NEVER') plans.set(connection.id, { ...planned, dueTime: now });
        else if (planned.dueTime > now && (await wasPublished(connection.id, planned.plan.listedTime)))
          plans.set(connection.id, { ...planned, dueTime: now, plan: { ...planned.plan, listTime: now } });
        else continue;
        found += 1;
      }
      const now = clock.now();
      const isAnyDue = [...plans.values()].some(({ dueTime }) => dueTime !== 'NEVER' && dueTime <= now);
      return { found, isAnyDue };
    },

    async claimDue({ families, limit, leaseSeconds }) {
      const now = clock.now();
      const due = [...plans.values()]
        .flatMap((plan) =>
          plan.dueTime !== 'NEVER' && plan.dueTime <= now && families.includes(plan.apiFamily)
            ? [{ ...plan, dueTime: plan.dueTime }]
            : [],
        )
        .toSorted((left, right) => left.dueTime.getTime() - right.dueTime.getTime());
      const places = new Map<string, number>();
      const placed = due.map((plan) => {
        const place = (places.get(plan.workspaceId) ?? 0) + 1;
        places.set(plan.workspaceId, place);
        return { plan, place };
      });
      return placed
        .toSorted((left, right) => left.place - right.place || Number(left.plan.dueTime) - Number(right.plan.dueTime))
        .slice(0, limit)
        .map(({ plan: { leasedUntil: _, ...plan } }) => {
          const until = inSeconds(now, leaseSeconds);
          const lease = { ...plan, fence: plan.fence + 1 };
          plans.set(plan.connectionId, { ...lease, dueTime: until, leasedUntil: until });
          return copyOf(lease);
        });
    },

    async dueVideos(connectionId, time, limit) {
      return [...videos.values()]
        .filter((row) => row.connectionId === connectionId)
        .flatMap(({ tiktokPostId, video: { nextCollectTime } }) =>
          nextCollectTime !== undefined && nextCollectTime <= time
            ? [{ tiktokPostId, at: nextCollectTime.getTime() }]
            : [],
        )
        .toSorted((left, right) => left.at - right.at)
        .slice(0, limit)
        .map(({ tiktokPostId }) => tiktokPostId);
    },

    async outlook(connectionId) {
      const own = [...videos.values()].filter((row) => row.connectionId === connectionId);
      const next = own.flatMap(({ video: { nextCollectTime } }) => nextCollectTime ?? []).map(Number);
      const created = own.map(({ video }) => Number(video.createTime));
      return {
        ...(next.length === 0 ? {} : { nextVideoTime: new Date(Math.min(...next)) }),
        ...(created.length === 0 ? {} : { newestCreateTime: new Date(Math.max(...created)) }),
      };
    },

    async recordVideos(lease, { time, readings, missing }, plan, leaseSeconds) {
      const held = heldBy(lease);
      if (held === undefined) return undefined;
      keep(held, plan, leaseSeconds);
      return tellVideos(lease.connectionId, copyOf(time), readings, missing);
    },

    async recordAccount(lease, { time, reading }, plan, leaseSeconds) {
      const held = heldBy(lease);
      if (held === undefined) return false;
      keep(held, plan, leaseSeconds);
      tellAccount(lease.connectionId, copyOf(time), reading);
      return true;
    },

    async finish(lease, plan, dueTime) {
      giveBack(lease, { plan, dueTime, failures: 0 });
    },

    async putOff(lease, dueTime, because) {
      giveBack(lease, { dueTime, failures: lease.failures + (because === 'FAILURE' ? 1 : 0) });
    },

    async rest(lease) {
      giveBack(lease, { dueTime: 'NEVER', failures: 0 });
    },
  };

  const videoMetrics: VideoMetrics = {
    async find(key) {
      const row = videos.get(nameOf(key));
      return row === undefined ? undefined : measured(row);
    },

    async findByPost(postId) {
      const post = (await posts.find(postId))?.post;
      if (post?.state !== 'PUBLISHED') return undefined;
      const { connectionId } = post;
      const [row] = post.tiktokPostIds.flatMap(
        (tiktokPostId) => videos.get(nameOf({ connectionId, tiktokPostId })) ?? [],
      );
      return row === undefined ? undefined : measured(row);
    },

    async list({ workspaceId, connectionIds, publishedFrom, publishedBefore }, page) {
      const own = [...videos.values()].filter((row) => plans.get(row.connectionId)?.workspaceId === workspaceId);
      if (page.after !== undefined && !own.some((row) => nameOf(row) === page.after)) return undefined;
      const before = own.find((row) => nameOf(row) === page.after);
      const wanted = own
        .filter(
          ({ connectionId, video: { createTime } }) =>
            (connectionIds.length === 0 || connectionIds.includes(connectionId)) &&
            (publishedFrom === undefined || createTime >= publishedFrom) &&
            (publishedBefore === undefined || createTime < publishedBefore),
        )
        .toSorted(newestFirst)
        .filter((row) => before === undefined || newestFirst(before, row) < 0);
      const { items, ...next } = pageOf(wanted, { size: page.size }, nameOf);
      const all = await Promise.all(items.map(measured));
      return { items: all.map((video) => ({ ...video, curves: {}, breakdowns: {} })), ...next };
    },

    async snapshots(key, { from, before, interval }, { size, after }) {
      const since = after === undefined ? undefined : new Date(after);
      if (since !== undefined && (Number.isNaN(since.getTime()) || since.toISOString() !== after)) return undefined;
      const within = (videos.get(nameOf(key))?.snapshots ?? []).filter(
        ({ time }) =>
          (from === undefined || time >= from) &&
          (before === undefined || time < before) &&
          (since === undefined || time > since),
      );
      const wanted = within.filter(({ time }, index) => {
        const next = within[index + 1];
        return next === undefined || bucketOf(time, interval) !== bucketOf(next.time, interval);
      });
      return copyOf(pageOf(wanted, { size }, ({ time }) => time.toISOString()));
    },
  };

  const accountMetrics: AccountMetrics = {
    async find(connectionId, from, until) {
      const planned = plans.get(connectionId);
      if (planned === undefined) return undefined;
      const { numbers = {}, breakdowns = {}, collectTime } = accounts.get(connectionId) ?? {};
      return copyOf({
        connectionId,
        numbers,
        breakdowns,
        days: [...days.values()]
          .filter((day) => day.connectionId === connectionId && day.date >= from && day.date <= until)
          .map(({ connectionId: _, ...day }) => day)
          .toSorted((left, right) => (left.date < right.date ? -1 : 1)),
        ...(collectTime === undefined ? {} : { collectTime }),
        ...(isActive(connectionId) ? { nextCollectTime: planned.plan.accountTime } : {}),
      });
    },
  };

  return {
    videoMetrics,
    accountMetrics,
    collections,
    given(connection, { time, readings = [], missing = [], account }) {
      if (!plans.has(connection.id)) planFor(connection);
      tellVideos(connection.id, copyOf(time), readings, missing);
      if (account !== undefined) tellAccount(connection.id, copyOf(time), account);
    },
  };
}

/** Of two videos of one second it does not matter which comes first, as long as it stays so. */
function newestFirst(left: Row, right: Row): number {
  const [leftName, rightName] = [left, right].map(
    ({ connectionId, tiktokPostId }) => `${connectionId}/${tiktokPostId}`,
  );
  const byTime = Number(right.video.createTime) - Number(left.video.createTime);
  return byTime || (leftName === rightName ? 0 : String(leftName) < String(rightName) ? 1 : -1);
}

const SECONDS = { HOUR: 3600, DAY: 86_400, WEEK: 7 * 86_400 } as const;
/** The first Monday after the beginning of JavaScript's time. */
const MONDAY = Date.parse('1970-01-05T00:00:00Z');

function bucketOf(time: Date, interval: SnapshotInterval): number {
  return interval === 'STORED' ? time.getTime() : Math.floor((time.getTime() - MONDAY) / (SECONDS[interval] * 1000));
}
