import type { TracedCall } from '../../src/application/ports/call-trace.ts';
import type { Clock } from '../../src/application/ports/clock.ts';
import type { Connections } from '../../src/application/ports/connections.ts';
import type { PostEvent, PostEvents } from '../../src/application/ports/post-events.ts';
import { type Lease, type PostQueue, SUSPECT_LAPSES } from '../../src/application/ports/post-queue.ts';
import type { Posts } from '../../src/application/ports/posts.ts';
import type { RequestIdReused, RequestKey } from '../../src/application/ports/request-key.ts';
import type { TraceParent } from '../../src/application/ports/traces.ts';
import type { PostId, WorkspaceId } from '../../src/domain/ids.ts';
import { liveAttempt, type Post, type PostState } from '../../src/domain/post/post.ts';
import type { Step } from '../../src/domain/post/step.ts';
import type { TimelineEntry } from '../../src/domain/post/timeline.ts';
import { err, ok, type Result } from '../../src/domain/result.ts';
import { inSeconds } from '../../src/domain/time.ts';
import { copyOf } from './copy.ts';
import type { InMemoryVideos } from './in-memory-videos.ts';
import { pageOf } from './page-of.ts';

/** As in the database, the lease is a wait like any other: a held post comes due again when its lease ends. */
type Row = {
  readonly post: Post;
  readonly nextActionTime?: Date;
  readonly owner?: string;
  readonly fence: number;
  readonly lapses: number;
  /** Due at once when its worker lets go. */
  readonly woken: boolean;
};

/** Posts in these states may still go out, so their video stays. */
const NEEDS_VIDEO: readonly PostState[] = ['PREPARING', 'SCHEDULED', 'PUBLISHING', 'HELD'];

/** Those that TikTok may have something new to say about. */
const AT_REST: readonly PostState[] = ['PUBLISHED', 'IN_CREATOR_INBOX', 'UNCONFIRMED'];

/** One store behind three ports, as the database is. */
export function inMemoryPosts({
  clock,
  videos,
  connections,
}: {
  readonly clock: Clock;
  readonly videos: InMemoryVideos;
  readonly connections: Pick<Connections, 'find'>;
}): {
  readonly posts: Posts;
  readonly queue: PostQueue;
  readonly events: PostEvents;
} {
  const rows = new Map<PostId, Row>();
  const traceparents = new Map<PostId, TraceParent>();
  const requests = new Map<string, { readonly postId: PostId; readonly payloadHash: string }>();
  const outbox: (Omit<PostEvent, 'cursor'> & {
    readonly workspaceId: WorkspaceId;
    readonly calls: readonly TracedCall[];
  })[] = [];
  const listeners = new Set<() => void>();

  videos.neededBy((id) =>
    [...rows.values()].some(({ post }) => post.videoId === id && NEEDS_VIDEO.includes(post.state)),
  );

  /** Only a resting post has a next action to tell, and a hold that ends by itself ends at it. */
  const stepOf = ({ post, nextActionTime, owner }: Row): Step => {
    if (nextActionTime === undefined || owner !== undefined) return copyOf({ post });
    const moved: Post =
      post.state === 'HELD' && post.hold.releaseTime !== undefined
        ? { ...post, hold: { ...post.hold, releaseTime: nextActionTime } }
        : post;
    return copyOf({ post: moved, nextActionTime });
  };
  const brief = ({ post, ...rest }: Step): Step => ({ ...rest, post: { ...post, attempts: post.attempts.slice(-1) } });
  const requestName = (workspaceId: WorkspaceId, { requestId }: RequestKey) => JSON.stringify([workspaceId, requestId]);

  /** Writes a row and its event. */
  function store(row: Row, previous: Row | undefined, calls: readonly TracedCall[] = []): Step {
    rows.set(row.post.id, copyOf(row));
    const step = stepOf(row);
    outbox.push({
      workspaceId: row.post.workspaceId,
      step: brief(step),
      eventTime: clock.now(),
      calls: copyOf(calls),
      ...(previous === undefined ? {} : { previousState: previous.post.state }),
    });
    for (const listener of listeners) queueMicrotask(listener);
    return step;
  }

  const changed = (row: Row, post: Post): Post => ({ ...post, version: row.post.version + 1, updateTime: clock.now() });

  /** The row, as long as `lease` still holds it. */
  function heldBy({ postId, owner, fence }: Lease): Row | undefined {
    const row = rows.get(postId);
    return row !== undefined && row.owner === owner && row.fence === fence ? row : undefined;
  }

  /** The same, when it is still the very post that the worker knows. */
  function knownBy(lease: Lease, { version }: Post): Row | undefined {
    const row = heldBy(lease);
    return row?.post.version === version ? row : undefined;
  }

  function requested(workspaceId: WorkspaceId, key: RequestKey): Result<Step | undefined, RequestIdReused> {
    const before = requests.get(requestName(workspaceId, key));
    if (before === undefined) return ok(undefined);
    if (before.payloadHash !== key.payloadHash) return err({ code: 'REQUEST_ID_REUSED', requestId: key.requestId });
    const row = rows.get(before.postId);
    return ok(row === undefined ? undefined : stepOf(row));
  }

  const remember = ({ workspaceId, id }: Post, key: RequestKey) =>
    requests.set(requestName(workspaceId, key), { postId: id, payloadHash: key.payloadHash });

  const posts: Posts = {
    async find(id, workspaceId) {
      const row = rows.get(id);
      const visible = workspaceId === undefined || row?.post.workspaceId === workspaceId;
      return row !== undefined && visible ? stepOf(row) : undefined;
    },

    async findRequest(workspaceId, key) {
      return requested(workspaceId, key);
    },

    async list({ workspaceId, connectionIds, states, scheduledFrom, scheduledBefore, externalRef }, page) {
      const wanted = [...rows.values()]
        .filter(
          ({ post }) =>
            post.workspaceId === workspaceId &&
            (connectionIds.length === 0 || connectionIds.includes(post.connectionId)) &&
            (states.length === 0 || states.includes(post.state)) &&
            (scheduledFrom === undefined || post.scheduleTime >= scheduledFrom) &&
            (scheduledBefore === undefined || post.scheduleTime < scheduledBefore) &&
            (externalRef === undefined || post.externalRef === externalRef),
        )
        .map((row) => brief(stepOf(row)))
        .toSorted((left, right) => (left.post.id < right.post.id ? 1 : -1));
      return pageOf(wanted, page, ({ post }) => post.id);
    },

    async add(step, key, traceparent) {
      const before = requested(step.post.workspaceId, key);
      if (!before.ok) return before;
      if (before.value !== undefined) return ok({ step: before.value, replayed: true });
      if (!videos.has(step.post.videoId)) return err({ code: 'VIDEO_GONE' });
      remember(step.post, key);
      if (traceparent !== undefined) traceparents.set(step.post.id, traceparent);
      return ok({ step: store({ ...step, ...FRESH }, undefined), replayed: false });
    },

    async update(id, change, { workspaceId, key } = {}) {
      const row = rows.get(id);
      if (row === undefined || (workspaceId !== undefined && row.post.workspaceId !== workspaceId)) {
        return err({ code: 'NOT_FOUND' });
      }
      const before = key === undefined ? ok(undefined) : requested(row.post.workspaceId, key);
      if (!before.ok) return before;
      if (before.value !== undefined) return ok({ step: stepOf(row), replayed: true });
      const current = stepOf(row).post;
      const outcome = change(current, row.nextActionTime);
      if (!outcome.ok) return outcome;
      if (outcome.value.post === current && key === undefined) return ok({ step: stepOf(row), replayed: false });
      if (key !== undefined) remember(row.post, key);
      const { post, ...rest } = outcome.value;
      const next: Row = { ...rest, ...FRESH, post: changed(row, post), fence: row.fence + 1 };
      return ok({ step: store(next, row), replayed: false });
    },

    async idsOf(connectionId, states) {
      return [...rows.values()]
        .filter(({ post }) => post.connectionId === connectionId && states.includes(post.state))
        .map(({ post }) => post.id)
        .toSorted();
    },

    async findByTiktokPostId(connectionId, tiktokPostId) {
      return [...rows.values()].find(
        ({ post }) =>
          post.connectionId === connectionId && post.state === 'PUBLISHED' && post.tiktokPostIds.includes(tiktokPostId),
      )?.post.id;
    },

    async publishTimes(connectionId, since) {
      return [...rows.values()]
        .flatMap(({ post }) =>
          post.connectionId === connectionId && post.state === 'PUBLISHED' && post.publishTime > since
            ? [copyOf(post.publishTime)]
            : [],
        )
        .toSorted((left, right) => left.getTime() - right.getTime());
    },

    async strayPublishIds({ apiFamily, openId }, publishIds) {
      const all = [...rows.values()].map(({ post }) => post);
      const known = new Set(all.flatMap(({ attempts }) => attempts.map(({ publishId }) => publishId)));
      let unansweredPulls = 0;
      for (const post of all) {
        const connection = await connections.find(post.connectionId);
        if (connection?.apiFamily !== apiFamily || connection.account.openId !== openId) continue;
        const attempt = liveAttempt(post);
        if (attempt?.transfer === 'PULL' && attempt.publishId === undefined) unansweredPulls += 1;
      }
      return { stray: publishIds.filter((id) => !known.has(id)), unansweredPulls };
    },

    async timeline(id) {
      return outbox.filter(({ step }) => step.post.id === id).map(entryOf);
    },

    async wake(what) {
      const waits = (post: Post): boolean => {
        if ('videoId' in what) return post.videoId === what.videoId && post.state === 'PREPARING';
        if ('publishId' in what) {
          return post.attempts.some(
            ({ publishId, outcome }) =>
              publishId === what.publishId && (outcome === undefined || AT_REST.includes(post.state)),
          );
        }
        return (
          post.connectionId === what.connectionId &&
          (post.state === 'PUBLISHING' || (post.state === 'HELD' && post.hold.reason === 'RECONNECT'))
        );
      };
      for (const row of rows.values()) {
        if (!waits(row.post)) continue;
        const woken = row.owner !== undefined;
        rows.set(row.post.id, woken ? { ...row, woken } : { ...row, woken, nextActionTime: clock.now() });
      }
    },

    async releaseOutage(apiFamily, spread) {
      const held: Row[] = [];
      for (const row of rows.values()) {
        const { post, owner } = row;
        if (post.state !== 'HELD' || post.hold.reason !== 'PLATFORM_OUTAGE' || owner !== undefined) continue;
        if ((await connections.find(post.connectionId))?.apiFamily === apiFamily) held.push(row);
      }
      if (held.length === 0) return 0;
      const seconds = spread(held.length);
      held.forEach((row, index) => {
        rows.set(row.post.id, { ...row, nextActionTime: inSeconds(clock.now(), (seconds * index) / held.length) });
      });
      return held.length;
    },
  };

  const queue: PostQueue = {
    async claim({ owner, limit, leaseSeconds, crowded, suspect = false }) {
      const now = clock.now();
      const isSuspect = ({ lapses }: Row): boolean => lapses >= SUSPECT_LAPSES;
      const due = [...rows.values()]
        .filter(({ nextActionTime }) => nextActionTime !== undefined && nextActionTime <= now)
        .filter(
          (row) =>
            isSuspect(row) ||
            !(
              crowded?.workspaces.includes(row.post.workspaceId) || crowded?.connections.includes(row.post.connectionId)
            ),
        )
        .toSorted((left, right) => Number(left.nextActionTime) - Number(right.nextActionTime));
      const theSuspect = suspect ? due.find(isSuspect) : undefined;
      const taken = due.filter((row) => !isSuspect(row) || row === theSuspect).slice(0, limit);
      return taken.map((row): Lease => {
        const { post } = row;
        const fence = row.fence + 1;
        const lapses = row.owner === undefined ? row.lapses : row.lapses + 1;
        rows.set(post.id, { post, owner, fence, lapses, woken: false, nextActionTime: inSeconds(now, leaseSeconds) });
        const traceparent = traceparents.get(post.id);
        return {
          postId: post.id,
          owner,
          fence,
          post: copyOf(post),
          lapses,
          lapsed: row.owner !== undefined,
          ...(traceparent === undefined ? {} : { traceparent }),
        };
      });
    },

    async renew(lease, leaseSeconds) {
      const row = heldBy(lease);
      if (row === undefined) return false;
      rows.set(lease.postId, { ...row, nextActionTime: inSeconds(clock.now(), leaseSeconds) });
      return true;
    },

    async store(lease, post, { calls, progressed = false } = {}) {
      const row = knownBy(lease, post);
      if (row === undefined) return false;
      store({ ...row, post: changed(row, post), lapses: progressed ? 0 : row.lapses }, row, calls);
      return true;
    },

    async finish(lease, { post, ...rest }, { calls } = {}) {
      const row = knownBy(lease, post);
      if (row === undefined) return false;
      const next = row.woken && mayWake(post) ? { nextActionTime: clock.now() } : rest;
      const lapses = 'turnTime' in post && post.turnTime !== undefined ? row.lapses : 0;
      store({ ...next, ...FRESH, lapses, post: changed(row, post), fence: row.fence }, row, calls);
      return true;
    },

    async letGo(lease, nextActionTime) {
      const row = heldBy(lease);
      if (row === undefined) return false;
      const next = row.woken ? clock.now() : nextActionTime;
      rows.set(lease.postId, {
        ...FRESH,
        post: row.post,
        fence: row.fence,
        ...(next === undefined ? {} : { nextActionTime: next }),
      });
      return true;
    },

    async putOff(lease, seconds) {
      const row = heldBy(lease);
      if (row === undefined) return false;
      const { owner: _, ...rest } = row;
      rows.set(lease.postId, { ...rest, nextActionTime: inSeconds(clock.now(), seconds) });
      return true;
    },

    async rescue() {
      let rescued = 0;
      for (const row of rows.values()) {
        const { post } = row;
        if (row.nextActionTime !== undefined || row.owner !== undefined) continue;
        const connection = await connections.find(post.connectionId);
        const reconnected =
          post.state === 'HELD' &&
          post.hold.reason === 'RECONNECT' &&
          connection?.state === 'ACTIVE' &&
          connection.updateTime > post.updateTime;
        const arrived = post.state === 'PREPARING' && (await videos.find(post.videoId))?.state !== 'IMPORTING';
        if (!reconnected && !arrived) continue;
        rescued += 1;
        rows.set(post.id, { ...row, nextActionTime: clock.now() });
      }
      return rescued;
    },

    async earliest(after) {
      const times = [...rows.values()]
        .flatMap(({ nextActionTime }) => nextActionTime ?? [])
        .filter((time) => after === undefined || time > after);
      return times.length === 0 ? undefined : new Date(Math.min(...times.map(Number)));
    },
  };

  const events: PostEvents = {
    async end() {
      return String(outbox.length);
    },

    async after(cursor, { workspaceId, connectionIds, postIds }, limit) {
      const start = /^\d{1,15}$/.test(cursor) ? Number(cursor) : undefined;
      if (start === undefined) return undefined;
      const scanned = outbox.slice(start, start + limit);
      const found = scanned.flatMap(({ workspaceId: ofEvent, calls: _, ...event }, index): PostEvent[] => {
        const { post } = event.step;
        const wanted =
          ofEvent === workspaceId &&
          (connectionIds.length === 0 || connectionIds.includes(post.connectionId)) &&
          (postIds.length === 0 || postIds.includes(post.id));
        return wanted ? [{ ...copyOf(event), cursor: String(start + index + 1) }] : [];
      });
      return { events: found, reached: String(start + scanned.length) };
    },

    subscribe(_, listener) {
      // Its own function each time, so that one listener may subscribe twice.
      const own = () => listener();
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },
  };

  return { posts, queue, events };
}

/** What a post may be woken for is still to come. */
const mayWake = (post: Post): boolean =>
  post.state === 'PREPARING' ||
  AT_REST.includes(post.state) ||
  (post.state === 'HELD' && post.hold.reason === 'RECONNECT') ||
  (post.state === 'PUBLISHING' && liveAttempt(post) !== undefined);

/** In nobody's hands, and no worker ended over it. */
const FRESH = { fence: 0, lapses: 0, woken: false } as const;

function entryOf({
  step: { post, nextActionTime },
  eventTime,
  calls,
}: Omit<PostEvent, 'cursor'> & { readonly calls: readonly TracedCall[] }): TimelineEntry {
  const attempt = post.attempts.at(-1)?.number;
  const error = 'error' in post ? post.error : undefined;
  return copyOf({
    time: eventTime,
    since: eventTime,
    count: 1,
    state: post.state,
    calls: calls.map(({ endpoint, time, code, logId }) => ({
      endpoint,
      time,
      ...(code === undefined ? {} : { code }),
      ...(logId === undefined ? {} : { logId }),
    })),
    ...(post.state === 'PUBLISHING' ? { phase: post.phase } : {}),
    ...(post.state === 'HELD' ? { holdReason: post.hold.reason } : {}),
    ...(attempt === undefined ? {} : { attempt }),
    ...(error === undefined ? {} : { error }),
    ...(nextActionTime === undefined ? {} : { nextActionTime }),
  });
}
