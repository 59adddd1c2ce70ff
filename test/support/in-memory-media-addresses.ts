import type { Clock } from '../../src/application/ports/clock.ts';
import type { MediaAddress, MediaAddresses, MediaOwner } from '../../src/application/ports/media-addresses.ts';
import type { ServedRange } from '../../src/domain/post/media-evidence.ts';
import type { Secret } from '../../src/domain/secret.ts';

type Entry = MediaAddress & { closeTime?: Date; readonly served: Map<string, ServedRange & { readonly time: Date }> };

/** `ended`: whether an attempt has an outcome. */
export function inMemoryMediaAddresses({
  clock,
  ended = () => false,
}: {
  readonly clock: Clock;
  readonly ended?: (owner: MediaOwner) => boolean;
}): MediaAddresses {
  const entries = new Map<string, Entry>();
  const of = ({ postId, attemptNumber }: MediaOwner): Entry[] =>
    [...entries.values()].filter((each) => each.postId === postId && each.attemptNumber === attemptNumber);
  const isOpen = (entry: Entry): boolean => entry.closeTime === undefined && !ended(entry);
  const close = (owner: MediaOwner): void => {
    for (const entry of of(owner)) entry.closeTime ??= clock.now();
  };
  const read = (token: Secret): Entry | undefined => entries.get(token.reveal());

  return {
    async open(address, token) {
      close(address);
      entries.set(token.reveal(), { ...address, served: new Map() });
    },
    async find(token) {
      const entry = read(token);
      if (entry === undefined) return undefined;
      const { postId, attemptNumber, videoId } = entry;
      return { postId, attemptNumber, videoId, open: isOpen(entry) };
    },
    async note(token, range) {
      const entry = read(token);
      if (entry === undefined || !isOpen(entry)) return false;
      entry.served.set(`${range.start}-${range.endExclusive}`, { ...range, time: clock.now() });
      return true;
    },
    async close(owner) {
      close(owner);
    },
    async evidence(owner) {
      const found = of(owner);
      const notes = found.flatMap(({ served }) => [...served.values()]);
      const latest = (times: readonly Date[]) => new Date(Math.max(...times.map((time) => time.getTime())));
      const closed = found.flatMap(({ closeTime }) => closeTime ?? []);
      return {
        served: notes.map(({ start, endExclusive }) => ({ start, endExclusive })),
        ...(notes.length === 0 ? {} : { lastTime: latest(notes.map(({ time }) => time)) }),
        ...(found.length === 0 || closed.length < found.length ? {} : { closeTime: latest(closed) }),
      };
    },
  };
}
