import type { MarkOwner, Marks } from '../../src/application/ports/marks.ts';
import type { Mark } from '../../src/domain/post/mark.ts';

const nameOf = ({ id, workspaceId, requestId }: MarkOwner): string =>
  JSON.stringify(requestId === undefined ? [id] : [workspaceId, requestId]);

export function inMemoryMarks({ now = () => new Date() }: { readonly now?: () => Date } = {}): Marks {
  const left = new Map<string, { readonly marks: Mark[]; time: Date }>();
  return {
    async leave(owner, mark) {
      const known = left.get(nameOf(owner))?.marks ?? [];
      left.set(nameOf(owner), { marks: [...known, structuredClone(mark)], time: now() });
    },
    async of(owner) {
      return structuredClone(left.get(nameOf(owner))?.marks ?? []);
    },
    async dropBefore(before) {
      const old = [...left].filter(([, { time }]) => time < before);
      for (const [name] of old) left.delete(name);
      return old.length;
    },
  };
}
