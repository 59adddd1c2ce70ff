import type { Clock } from '../../src/application/ports/clock.ts';
import type { Gates, ShutGate } from '../../src/application/ports/gates.ts';
import type { GateKey } from '../../src/domain/post/gate.ts';
import { inSeconds } from '../../src/domain/time.ts';
import { copyOf } from './copy.ts';

type Row = ShutGate & { readonly failures: number };

export function inMemoryGates({ clock }: { readonly clock: Clock }): Gates {
  const rows = new Map<GateKey, Row>();
  const told = ({ failures: _, ...gate }: Row): ShutGate => copyOf(gate);

  return {
    async pass(keys, trySeconds) {
      const now = clock.now();
      const shut = [...new Set(keys)].flatMap((key) => rows.get(key) ?? []);
      const longest = shut.toSorted((left, right) => right.until.getTime() - left.until.getTime())[0];
      if (longest !== undefined && longest.until > now) return { shut: told(longest) };
      for (const gate of shut) rows.set(gate.key, { ...gate, tried: true, until: inSeconds(now, trySeconds) });
      return { trying: shut.map(({ key }) => key) };
    },

    async shut({ key, seconds, atMostSeconds }, error) {
      const now = clock.now();
      const before = rows.get(key);
      if (before !== undefined && !before.tried && before.until > now) return new Date(before.until);
      const failures = before === undefined ? 0 : before.failures + 1;
      const until = inSeconds(now, before === undefined ? seconds : Math.min(seconds * 2 ** failures, atMostSeconds));
      rows.set(key, { key, error: copyOf(error), until, tried: false, failures });
      return new Date(until);
    },

    async hasten(keys) {
      for (const key of keys) {
        const row = rows.get(key);
        if (row !== undefined && !row.tried) rows.set(key, { ...row, until: clock.now() });
      }
    },

    async handBack(keys) {
      for (const key of keys) {
        const row = rows.get(key);
        if (row?.tried) rows.set(key, { ...row, tried: false, until: clock.now() });
      }
    },

    async open(key) {
      return rows.delete(key);
    },

    async all(among) {
      return [...rows.values()]
        .filter(({ key }) => among === undefined || among.includes(key))
        .map(told)
        .toSorted((left, right) => (left.key < right.key ? -1 : 1));
    },
  };
}
