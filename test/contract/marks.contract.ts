import { describe, expect, it } from 'vitest';
import type { Marks } from '../../src/application/ports/marks.ts';
import type { PostId, WorkspaceId } from '../../src/domain/ids.ts';
import type { Mark } from '../../src/domain/post/mark.ts';
import { ids, later, NOW } from '../support/builders.ts';

const WORKSPACE = 'ws_a' as WorkspaceId;
const owner = (parts: object = {}) => ({ id: ids.postId(), workspaceId: WORKSPACE, requestId: 'request', ...parts });

const plan = { sizeBytes: 20_000_000, chunkBytes: 10_000_000, chunkCount: 2 };
const MARKS: readonly Mark[] = [
  { kind: 'ANNOUNCED', transfer: 'UPLOAD', plan, intentTime: NOW, publishId: 'v_pub~1', uploadExpireTime: later(3600) },
  { kind: 'ANNOUNCED', transfer: 'PULL', plan, intentTime: later(1) },
  { kind: 'FETCHED', intentTime: later(1) },
  { kind: 'CAME_TO_NOTHING', intentTime: later(1) },
  { kind: 'CANCELLED' },
];

const distinct = (marks: readonly Mark[]) => [...new Map(marks.map((mark) => [JSON.stringify(mark), mark])).values()];
const inOrder = (marks: readonly Mark[]) =>
  marks.toSorted((left, right) => JSON.stringify(left).localeCompare(JSON.stringify(right)));

/** What every keeper of marks does. `make` gives an empty one. */
export function marksContract(name: string, make: () => Promise<Marks>): void {
  describe(`Marks, as ${name}`, () => {
    it('gives back each kind of mark as it was left, and none before', async () => {
      const marks = await make();
      const whose = owner();
      expect(await marks.of(whose)).toEqual([]);
      for (const mark of MARKS) await marks.leave(whose, mark);
      expect(inOrder(await marks.of(whose))).toEqual(inOrder(MARKS));
    });

    it('keeps those that are left at the same time, and says nothing new when one is left twice', async () => {
      const marks = await make();
      const whose = owner();
      await Promise.all([...MARKS, ...MARKS].map((mark) => marks.leave(whose, mark)));
      expect(inOrder(distinct(await marks.of(whose)))).toEqual(inOrder(MARKS));
    });

    it('knows them by the request of the caller, whatever the post is called now', async () => {
      const marks = await make();
      const requestId = '../\0 request / 1';
      await marks.leave(owner({ requestId }), { kind: 'CANCELLED' });
      expect(await marks.of(owner({ requestId }))).toEqual([{ kind: 'CANCELLED' }]);
      expect(await marks.of(owner({ requestId: 'another' }))).toEqual([]);
      expect(await marks.of(owner({ requestId, workspaceId: 'ws_b' as WorkspaceId }))).toEqual([]);
    });

    it('knows those of a post without a request by its id', async () => {
      const marks = await make();
      const { requestId: _, ...whose } = owner({ id: 'post_1' as PostId });
      await marks.leave(whose, { kind: 'CANCELLED' });
      expect(await marks.of(whose)).toEqual([{ kind: 'CANCELLED' }]);
      expect(await marks.of({ ...whose, id: 'post_2' as PostId })).toEqual([]);
    });

    it('forgets what is older than a time, and nothing else', async () => {
      const marks = await make();
      const whose = owner();
      for (const mark of MARKS) await marks.leave(whose, mark);
      expect(await marks.dropBefore(new Date(Date.now() - 60_000))).toBe(0);
      expect(await marks.of(whose)).toHaveLength(MARKS.length);
      expect(await marks.dropBefore(new Date(Date.now() + 60_000))).toBeGreaterThan(0);
      expect(await marks.of(whose)).toEqual([]);
    });
  });
}
