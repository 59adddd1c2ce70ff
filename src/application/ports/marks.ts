import type { Mark } from '../../domain/post/mark.ts';
import type { Plan } from '../../domain/post/post.ts';

/** Whose marks they are: of the caller's request, which survives a record that forgot the post; of the post where there is none. */
export type MarkOwner = Pick<Plan, 'id' | 'workspaceId' | 'requestId'>;

/**
 * What must not be forgotten with the record: kept elsewhere, so that it is there when an old backup of the record is restored. Any
 * method may throw `VideoStoreDown`.
 */
export interface Marks {
  /** When it returns, the mark survives a power cut. Repeating it changes nothing. */
  leave(owner: MarkOwner, mark: Mark): Promise<void>;
  /** Everything that was left, in any order; perhaps more than once. */
  of(owner: MarkOwner): Promise<readonly Mark[]>;
  /** Forgets what was left before `time`, by the store's own clock; of an owner with younger marks perhaps not. Gives how many files or objects. */
  dropBefore(time: Date): Promise<number>;
  /** Lets go of connections. Absent: there are none. */
  close?(): void;
}
