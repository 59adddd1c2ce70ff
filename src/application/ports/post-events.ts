import type { ConnectionId, PostId, WorkspaceId } from '../../domain/ids.ts';
import type { PostState } from '../../domain/post/post.ts';
import type { Step } from '../../domain/post/step.ts';
import type { Outbox } from './outbox.ts';

export type PostEvent = {
  /** The post right after the change, without attempts but the latest. */
  readonly step: Step;
  /** Absent for a new post. */
  readonly previousState?: PostState;
  readonly eventTime: Date;
  /** Opaque: where to go on after this event. */
  readonly cursor: string;
};

export type EventFilter = {
  readonly workspaceId: WorkspaceId;
  /** Empty: all. */
  readonly connectionIds: readonly ConnectionId[];
  /** Empty: all. */
  readonly postIds: readonly PostId[];
};

export type PostEvents = Outbox<PostEvent, EventFilter>;
