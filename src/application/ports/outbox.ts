import type { WorkspaceId } from '../../domain/ids.ts';

/**
 * Changes of one kind of thing, as they are told to whoever watches. Those of one thing are in the order of its changes; no change is
 * ever skipped, however late it commits.
 */
export interface Outbox<Event, Filter> {
  /** Where the outbox ends at this moment. */
  end(): Promise<string>;
  /** Undefined for a text that is no cursor of ours. `reached` is where to go on, also when every event was filtered out. */
  after(
    cursor: string,
    filter: Filter,
    limit: number,
  ): Promise<{ readonly events: readonly Event[]; readonly reached: string } | undefined>;
  /** Calls `listener` soon after something may be new in this workspace, in whichever process it happened; now and then for nothing. */
  subscribe(of: { readonly workspaceId: WorkspaceId }, listener: () => void): () => void;
}
