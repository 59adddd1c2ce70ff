/** Numbers from 0 up to 1, the same ones for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const TELLING = [0, 1, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const LONGEST = 2 ** 20;

/** The bytes with a few changes: bits, telling numbers, pieces that are left out, repeated or taken from `other`. */
export function mutated(bytes: Buffer, other: Buffer, random: () => number): Buffer {
  const upTo = (limit: number): number => Math.floor(random() * limit);
  let result: Buffer = Buffer.from(bytes);
  for (let changes = 1 + upTo(6); changes > 0; changes -= 1) {
    const at = upTo(result.length + 1);
    const length = Math.min(1 + upTo(random() < 0.8 ? 16 : 4096), result.length - at);
    switch (upTo(7)) {
      case 0:
        if (at < result.length) result[at] = (result[at] ?? 0) ^ (1 << upTo(8));
        break;
      case 1:
        if (at < result.length) result[at] = upTo(256);
        break;
      case 2:
        if (at + 4 <= result.length) result.writeUInt32BE(TELLING[upTo(TELLING.length)] ?? 0, at);
        break;
      case 3:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + length)]);
        break;
      case 4:
        result = Buffer.concat([result.subarray(0, at + length), result.subarray(at)]);
        break;
      case 5: {
        const from = upTo(other.length);
        const piece = other.subarray(from, from + 1 + upTo(256));
        result = Buffer.concat([result.subarray(0, at), piece, result.subarray(at + (random() < 0.5 ? length : 0))]);
        break;
      }
      default:
        result = result.subarray(0, at);
    }
  }
  return result.subarray(0, LONGEST);
}
