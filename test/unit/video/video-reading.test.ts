import { createHash, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { videoReading } from '../../../src/adapters/video-store/video-reading.ts';

const VIDEO = randomBytes(100);

async function* pieces(start: number, endExclusive: number, before: (at: number) => Promise<unknown>) {
  for (let at = start; at < endExclusive; at += 10) {
    await before(at);
    yield VIDEO.subarray(at, at + 10);
  }
}

it('sums up each byte once, though one who was given up still takes a piece meanwhile', async () => {
  const reading = videoReading({
    read: ({ start, endExclusive }) => pieces(start, endExclusive, async () => undefined),
    rest: async (start) => pieces(start, 100, async (at) => at === 30 && (await givenUp.next())),
  });
  const givenUp = reading.bytes({ start: 0, endExclusive: 100 })[Symbol.asyncIterator]();
  for (let piece = 0; piece < 3; piece += 1) await givenUp.next();
  expect(await reading.digest()).toBe(createHash('sha256').update(VIDEO).digest('hex'));
});
