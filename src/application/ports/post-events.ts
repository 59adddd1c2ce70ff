import type { ConnectionId, PostId, WorkspaceId } from '../../domain/ids.ts';
import type { PostState } from '../../domain/post/post.ts';
import type { Step } from '../../domain/post/step.ts';

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

/** The outbox. Events of one post are in the order of its changes; no event is ever skipped, however late it commits. */
export interface PostEvents {
  /** Where the outbox ends at this moment. */
  end(): Promise<string>;
  /** Undefined for a text that is no cursor of ours. `reached` is where to go on, also when every event was filtered out. */
  after(
    cursor: string,
    filter: EventFilter,
    limit: number,
  ): Promise<{ readonly events: readonly PostEvent[]; readonly reached: string } | undefined>;
  /** Calls `listener` soon after something may be new, in whichever process it happened; now and then for nothing. */
  subscribe(listener: () => void): () => void;
}
