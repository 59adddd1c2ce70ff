import type { Clock } from '../../src/application/ports/clock.ts';
import type { PostEvent, PostEvents } from '../../src/application/ports/post-events.ts';
import type { Lease, PostQueue } from '../../src/application/ports/post-queue.ts';
import type { Posts } from '../../src/application/ports/posts.ts';
import type { RequestIdReused, RequestKey } from '../../src/application/ports/request-key.ts';
import type { PostId, WorkspaceId } from '../../src/domain/ids.ts';
import type { Post, PostState } from '../../src/domain/post/post.ts';
import type { Step } from '../../src/domain/post/step.ts';
import { err, ok, type Result } from '../../src/domain/result.ts';
import { inSeconds } from '../../src/domain/time.ts';
import { copyOf } from './copy.ts';
import type { InMemoryVideos } from './in-memory-videos.ts';
import { pageOf } from './page-of.ts';

/** As in the database, the lease is a wait like any other: a held post comes due again when its lease ends. */
type Row = { readonly post: Post; readonly nextActionTime?: Date; readonly owner?: string; readonly fence: number };

/** Posts in these states may still go out, so their video stays. */
const NEEDS_VIDEO: readonly PostState[] = ['PREPARING', 'SCHEDULED', 'PUBLISHING', 'HELD'];

/** One store behind three ports, as the database is. */
export function inMemoryPosts({ clock, videos }: { readonly clock: Clock; readonly videos: InMemoryVideos }): {
  readonly posts: Posts;
  readonly queue: PostQueue;
  readonly events: PostEvents;
} {
  const rows = new Map<PostId, Row>();
  const requests = new Map<string, { readonly postId: PostId; readonly payloadHash: string }>();
  const outbox: (Omit<PostEvent, 'cursor'> & { readonly workspaceId: WorkspaceId })[] = [];
  const listeners = new Set<() => void>();

  videos.neededBy((id) =>
    [...rows.values()].some(({ post }) => post.videoId === id && NEEDS_VIDEO.includes(post.state)),
  );

  const stepOf = ({ post, nextActionTime }: Row): Step =>
    copyOf(nextActionTime === undefined ? { post } : { post, nextActionTime });
  const brief = ({ post, ...rest }: Step): Step => ({ ...rest, post: { ...post, attempts: post.attempts.slice(-1) } });
  const requestName = (workspaceId: WorkspaceId, { requestId }: RequestKey) => JSON.stringify([workspaceId, requestId]);

  /** Writes a row and its event. */
  function store(row: Row, previous: Row | undefined): Step {
    rows.set(row.post.id, copyOf(row));
    const step = stepOf(row);
    outbox.push({
      workspaceId: row.post.workspaceId,
      step: brief(step),
      eventTime: clock.now(),
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

    async add(step, key) {
      const before = requested(step.post.workspaceId, key);
      if (!before.ok) return before;
      if (before.value !== undefined) return ok({ step: before.value, replayed: true });
      if (!videos.has(step.post.videoId)) return err({ code: 'VIDEO_GONE' });
      remember(step.post, key);
      return ok({ step: store({ ...step, fence: 0 }, undefined), replayed: false });
    },

    async update(id, change, { workspaceId, key } = {}) {
      const row = rows.get(id);
      if (row === undefined || (workspaceId !== undefined && row.post.workspaceId !== workspaceId)) {
        return err({ code: 'NOT_FOUND' });
      }
      const before = key === undefined ? ok(undefined) : requested(row.post.workspaceId, key);
      if (!before.ok) return before;
      if (before.value !== undefined) return ok({ step: stepOf(row), replayed: true });
      const current = copyOf(row.post);
      const outcome = change(current, row.nextActionTime);
      if (!outcome.ok) return outcome;
      if (outcome.value.post === current && key === undefined) return ok({ step: stepOf(row), replayed: false });
      if (key !== undefined) remember(row.post, key);
      const { post, ...rest } = outcome.value;
      return ok({ step: store({ ...rest, post: changed(row, post), fence: row.fence + 1 }, row), replayed: false });
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

    async wake(what) {
      const waits = (post: Post): boolean =>
        'videoId' in what
          ? post.videoId === what.videoId && post.state === 'PREPARING'
          : post.connectionId === what.connectionId &&
            (post.state === 'PUBLISHING' || (post.state === 'HELD' && post.hold.reason === 'RECONNECT'));
      for (const row of rows.values()) {
        if (row.owner === undefined && waits(row.post)) rows.set(row.post.id, { ...row, nextActionTime: clock.now() });
      }
    },
  };

  const queue: PostQueue = {
    async claim({ owner, limit, leaseSeconds }) {
      const now = clock.now();
      const due = [...rows.values()]
        .filter(({ nextActionTime }) => nextActionTime !== undefined && nextActionTime <= now)
        .toSorted((left, right) => Number(left.nextActionTime) - Number(right.nextActionTime));
      return due.slice(0, limit).map(({ post, fence }) => {
        rows.set(post.id, { post, owner, fence: fence + 1, nextActionTime: inSeconds(now, leaseSeconds) });
        return { postId: post.id, owner, fence: fence + 1, post: copyOf(post) };
      });
    },

    async renew(lease, leaseSeconds) {
      const row = heldBy(lease);
      if (row === undefined) return false;
      rows.set(lease.postId, { ...row, nextActionTime: inSeconds(clock.now(), leaseSeconds) });
      return true;
    },

    async store(lease, post) {
      const row = heldBy(lease);
      if (row === undefined) return false;
      store({ ...row, post: changed(row, post) }, row);
      return true;
    },

    async finish(lease, { post, ...rest }) {
      const row = heldBy(lease);
      if (row === undefined) return false;
      store({ ...rest, post: changed(row, post), fence: row.fence }, row);
      return true;
    },

    async release(lease) {
      const row = heldBy(lease);
      if (row === undefined) return;
      rows.set(lease.postId, { post: row.post, fence: row.fence, nextActionTime: clock.now() });
    },

    async earliest() {
      const times = [...rows.values()].flatMap(({ nextActionTime }) => nextActionTime?.getTime() ?? []);
      return times.length === 0 ? undefined : new Date(Math.min(...times));
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
      const found = scanned.flatMap(({ workspaceId: ofEvent, ...event }, index): PostEvent[] => {
        const { post } = event.step;
        const wanted =
          ofEvent === workspaceId &&
          (connectionIds.length === 0 || connectionIds.includes(post.connectionId)) &&
          (postIds.length === 0 || postIds.includes(post.id));
        return wanted ? [{ ...copyOf(event), cursor: String(start + index + 1) }] : [];
      });
      return { events: found, reached: String(start + scanned.length) };
    },

    subscribe(listener) {
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
