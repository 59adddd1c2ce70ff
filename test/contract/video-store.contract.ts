import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ByteRange, PutLimits, StoreRefusal, VideoStore } from '../../src/application/ports/video-store.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { collect, inChunks } from '../support/fixture-videos.ts';

const ID = 'vid_01' as VideoId;
const ABSENT = 'vid_02' as VideoId;
const ROOMY = { maxBytes: 1_000_000 };
const patterned = (length: number) => Buffer.from(Uint8Array.from({ length }, (_, index) => index % 251));
const VIDEO = patterned(5000);
const OTHER = Buffer.alloc(3000, 7);

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** What every video store does. `make` gives an empty one. */
export function videoStoreContract(name: string, make: () => Promise<VideoStore>): void {
  const storeWithVideo = async () => {
    const store = await make();
    await store.put(ID, inChunks(VIDEO), ROOMY);
    return store;
  };

  describe(`VideoStore, as ${name}`, () => {
    it('stores a video and gives it back byte for byte', async () => {
      const store = await make();
      expect(await store.put(ID, inChunks(VIDEO), ROOMY)).toEqual({
        ok: true,
        value: { sizeBytes: 5000, sha256: sha256(VIDEO) },
      });
      expect(await collect(store.read(ID))).toEqual(VIDEO);
      expect(await store.size(ID)).toBe(5000);
    });

    it('stores the same video however it is cut into chunks', async () => {
      const store = await make();
      const chunk = fc.uint8Array({ maxLength: 40 });
      await fc.assert(
        fc.asyncProperty(fc.array(chunk, { minLength: 1, maxLength: 20 }), async (chunks) => {
          const whole = Buffer.concat(chunks);
          fc.pre(whole.length > 0);
          const stored = await store.put(
            ID,
            (async function* () {
              yield* chunks;
            })(),
            ROOMY,
          );
          expect(stored).toEqual({ ok: true, value: { sizeBytes: whole.length, sha256: sha256(whole) } });
          expect(await collect(store.read(ID))).toEqual(whole);
        }),
        { numRuns: 30 },
      );
    });

    it.each([
      [0, 1],
      [0, 5000],
      [1234, 4321],
      [4999, 5000],
      [700, 700],
      [5000, 5000],
    ])('reads the range from %i up to %i', async (start, endExclusive) => {
      const store = await storeWithVideo();
      expect(await collect(store.read(ID, { start, endExclusive }))).toEqual(VIDEO.subarray(start, endExclusive));
    });

    it('reads anywhere in an opened video, also several places at once', async () => {
      const store = await storeWithVideo();
      await using file = await store.open(ID);
      expect(file?.sizeBytes).toBe(5000);
      const parts = await Promise.all([file?.readAt(4000, 5000), file?.readAt(0, 10), file?.readAt(10, 10)]);
      expect(parts.map((part) => Buffer.from(part ?? []))).toEqual([
        VIDEO.subarray(4000),
        VIDEO.subarray(0, 10),
        Buffer.alloc(0),
      ]);
    });

    it('does not read past the end of an opened video', async () => {
      const store = await storeWithVideo();
      await using file = await store.open(ID);
      await expect(file?.readAt(4990, 5001)).rejects.toThrow(RangeError);
    });

    it.each<[string, (store: VideoStore) => Promise<unknown>]>([
      ['deleted', (store) => store.delete(ID)],
      ['replaced', (store) => store.put(ID, inChunks(OTHER), ROOMY)],
    ])('gives no bytes of another video from one that was opened and then %s', async (_, change) => {
      const store = await storeWithVideo();
      await using file = await store.open(ID);
      await change(store);
      const read = await Promise.allSettled([file?.readAt(2000, 3000)]);
      for (const each of read) {
        if (each.status === 'fulfilled') expect(Buffer.from(each.value ?? [])).toEqual(VIDEO.subarray(2000, 3000));
      }
    });

    it('tells the SHA-256 of what it holds now', async () => {
      const store = await storeWithVideo();
      expect(await store.reading(ID).digest()).toBe(sha256(VIDEO));
      await store.put(ID, inChunks(OTHER), ROOMY);
      expect(await store.reading(ID).digest()).toBe(sha256(OTHER));
      expect(await store.reading(ABSENT).digest()).toBeUndefined();
    });

    describe.each([
      ['a short video', 5_000],
      ['a video longer than what is read at once', 5_000_000],
    ])('gives %s away and tells the SHA-256 of it', (_, length) => {
      const video = patterned(length);
      const third = Math.ceil(length / 3);
      const all = { start: 0, endExclusive: length };
      const parts = [0, third, 2 * third].map((start) => ({ start, endExclusive: Math.min(start + third, length) }));
      const given = ({ start, endExclusive }: ByteRange) => video.subarray(start, endExclusive);
      const withVideo = async () => {
        const store = await make();
        await store.put(ID, inChunks(video), { maxBytes: length });
        return store;
      };

      it.each<[string, readonly ByteRange[]]>([
        ['before a byte of it', []],
        ['before its last part', parts.slice(0, 2)],
        ['after all of it', parts],
        ['after all of it at once', [all]],
        ['with a part given twice, and again from within', [all, ...parts]],
        ['with parts that overlap', [...parts.slice(0, 1), { start: third - 1000, endExclusive: length }]],
        ['begun in the middle', parts.slice(1)],
        ['out of order', parts.toReversed()],
      ])('%s', async (_, ranges) => {
        const reading = (await withVideo()).reading(ID);
        for (const range of [...ranges, 'NOW', ...parts, { start: 0, endExclusive: 100 }, 'AGAIN'] as const) {
          if (typeof range === 'string') expect(await reading.digest()).toBe(sha256(video));
          else expect((await collect(reading.bytes(range))).equals(given(range))).toBe(true);
        }
      });

      it('in pieces that keep their bytes until the second one after it is asked for', async () => {
        let before: { readonly bytes: Uint8Array; readonly start: number } = { bytes: new Uint8Array(), start: 0 };
        let start = 0;
        for await (const bytes of (await withVideo()).reading(ID).bytes(all)) {
          expect(video.subarray(before.start, before.start + before.bytes.length).equals(before.bytes)).toBe(true);
          before = { bytes, start };
          start += bytes.length;
        }
        expect(start).toBe(length);
      });

      it('while others are summed up', async () => {
        const store = await withVideo();
        const reading = store.reading(ID);
        expect(await reading.digest()).toBe(sha256(video));
        await store.put(ABSENT, inChunks(OTHER), ROOMY);
        expect(await store.reading(ABSENT).digest()).toBe(sha256(OTHER));
        expect((await collect(reading.bytes(all))).equals(video)).toBe(true);
      });

      it('though somebody did not want all of it', async () => {
        const reading = (await withVideo()).reading(ID);
        for await (const piece of reading.bytes(all)) if (piece.length > 0) break;
        expect(await reading.digest()).toBe(sha256(video));
      });

      it('that was replaced in the middle: it is neither the one nor the other', async () => {
        const store = await withVideo();
        const reading = store.reading(ID);
        await collect(reading.bytes({ start: 0, endExclusive: third }));
        const other = Buffer.alloc(length, 7);
        await store.put(ID, inChunks(other), { maxBytes: length });
        expect(await reading.digest()).toBe(sha256(Buffer.concat([video.subarray(0, third), other.subarray(third)])));
      });

      it('that is not there, also when it was at first', async () => {
        const store = await withVideo();
        const reading = store.reading(ID);
        await collect(reading.bytes({ start: 0, endExclusive: third }));
        await store.delete(ID);
        expect(await reading.digest()).toBeUndefined();
        await expect(collect(reading.bytes(all))).rejects.toThrow();
      });
    });

    it('says that a video is not there', async () => {
      const store = await storeWithVideo();
      expect(await store.size(ABSENT)).toBeUndefined();
      expect(await store.open(ABSENT)).toBeUndefined();
      await expect(collect(store.read(ABSENT))).rejects.toThrow();
    });

    it('tells which videos were stored before a time', async () => {
      const store = await storeWithVideo();
      const hour = 3_600_000;
      expect(await Array.fromAsync(store.storedBefore(new Date(Date.now() + hour)))).toEqual([ID]);
      expect(await Array.fromAsync(store.storedBefore(new Date(Date.now() - hour)))).toEqual([]);
      await store.delete(ID);
      expect(await Array.fromAsync(store.storedBefore(new Date(Date.now() + hour)))).toEqual([]);
      expect(await Array.fromAsync((await make()).storedBefore(new Date(Date.now() + hour)))).toEqual([]);
    });

    it('deletes a video, and is content when there is none', async () => {
      const store = await storeWithVideo();
      await store.delete(ID);
      expect(await store.size(ID)).toBeUndefined();
      await store.delete(ID);
    });

    it('replaces a video that is stored again', async () => {
      const store = await storeWithVideo();
      await store.put(ID, inChunks(OTHER), ROOMY);
      expect(await collect(store.read(ID))).toEqual(OTHER);
    });

    it('takes a file of exactly the size that is allowed and announced, and its hash in capitals', async () => {
      const store = await make();
      const limits = { maxBytes: 5000, expectedSize: 5000, expectedSha256: sha256(VIDEO).toUpperCase() };
      expect(await store.put(ID, inChunks(VIDEO), limits)).toMatchObject({ ok: true });
    });

    it.each<[string, Uint8Array, PutLimits, StoreRefusal]>([
      ['an empty file', new Uint8Array(), ROOMY, { code: 'EMPTY' }],
      [
        'a file that grows too large',
        VIDEO,
        { maxBytes: 4999 },
        { code: 'TOO_LARGE', seenBytes: 5000, limitBytes: 4999 },
      ],
      [
        'a file that is announced too large',
        VIDEO,
        { maxBytes: 4999, expectedSize: 6000 },
        { code: 'TOO_LARGE', seenBytes: 6000, limitBytes: 4999 },
      ],
      [
        'a file shorter than announced',
        VIDEO,
        { ...ROOMY, expectedSize: 5001 },
        { code: 'SIZE_MISMATCH', observedBytes: 5000, expectedBytes: 5001 },
      ],
      [
        'a file longer than announced',
        VIDEO,
        { ...ROOMY, expectedSize: 2500 },
        { code: 'SIZE_MISMATCH', observedBytes: 3000, expectedBytes: 2500 },
      ],
      [
        'a file with another hash than announced',
        VIDEO,
        { ...ROOMY, expectedSha256: sha256(OTHER) },
        { code: 'CHECKSUM_MISMATCH', observedSha256: sha256(VIDEO), expectedSha256: sha256(OTHER) },
      ],
    ])('refuses %s and keeps what was there', async (_, bytes, limits, refusal) => {
      const store = await make();
      expect(await store.put(ID, inChunks(bytes), limits)).toEqual({ ok: false, error: refusal });
      expect(await store.size(ID)).toBeUndefined();

      await store.put(ID, inChunks(OTHER), ROOMY);
      await store.put(ID, inChunks(bytes), limits);
      expect(await collect(store.read(ID))).toEqual(OTHER);
    });

    it('lets go of a source that it refuses', async () => {
      const store = await make();
      let letGo = false;
      async function* endless() {
        try {
          for (;;) yield new Uint8Array(1000);
        } finally {
          letGo = true;
        }
      }
      await store.put(ID, endless(), { maxBytes: 10_000 });
      expect(letGo).toBe(true);
    });

    it('throws what the source throws and keeps what was there', async () => {
      const store = await storeWithVideo();
      const cause = new Error('the sender hung up');
      async function* breaking() {
        yield new Uint8Array(1000);
        throw cause;
      }
      await expect(store.put(ID, breaking(), ROOMY)).rejects.toBe(cause);
      expect(await collect(store.read(ID))).toEqual(VIDEO);
    });

    it('ends with one whole video when twenty are stored under one id at once', async () => {
      const store = await make();
      const videos = Array.from({ length: 20 }, (_, index) => Buffer.alloc(4000 + index, index));
      await Promise.all(videos.map((video) => store.put(ID, inChunks(video, 500), ROOMY)));
      const stored = await collect(store.read(ID));
      expect(videos.some((video) => video.equals(stored))).toBe(true);
    });
  });
}
