import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defaultProbeLimits, mediabunnyVideoProbe } from '../../src/adapters/video-probe/mediabunny-video-probe.ts';
import type { RandomAccess } from '../../src/application/ports/random-access.ts';
import { check, openVideoPolicy } from '../../src/domain/video/video-policy.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { collect, fixtureVideo, inMemory, openFixture } from '../support/fixture-videos.ts';

const probe = mediabunnyVideoProbe();

/** Where a file may point at. Nobody should come. */
async function listener(): Promise<{ readonly url: string; readonly connections: () => number }> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, connections: () => connections };
}

describe('a video that can be read', () => {
  const vertical = { container: 'mp4', videoCodec: 'h264', audioCodec: 'aac', width: 360, height: 640, frameRate: 30 };

  it.each([
    ['vertical.mp4', { ...vertical, width: 540, height: 960, durationSeconds: 5, rotation: 0, sizeBytes: 74142 }, []],
    ['vertical.mov', { ...vertical, container: 'mov', durationSeconds: 4 }, []],
    ['vertical.webm', { ...vertical, container: 'webm', videoCodec: 'vp9', audioCodec: 'opus' }, []],
    ['vp8.webm', { ...vertical, container: 'webm', videoCodec: 'vp8', audioCodec: 'vorbis' }, []],
    ['hevc.mp4', { ...vertical, videoCodec: 'h265' }, []],
    ['index-at-end.mp4', vertical, []],
    ['fragmented.mp4', vertical, []],
    ['rotated.mp4', { ...vertical, rotation: 90 }, []],
    ['three-seconds.mp4', { durationSeconds: 3 }, []],
    ['fps-23.976.mp4', { frameRate: 24000 / 1001 }, []],
    ['landscape.mp4', { width: 640, height: 360 }, ['VIDEO_NOT_VERTICAL']],
    ['silent.mp4', { videoCodec: 'h264' }, ['VIDEO_NO_AUDIO']],
    ['short-2.9s.mp4', { durationSeconds: 2.9 }, ['VIDEO_TOO_SHORT']],
    ['long-601s.mp4', { durationSeconds: 601 }, ['VIDEO_TOO_LONG']],
    ['fps-15.mp4', { frameRate: 15 }, ['VIDEO_FRAME_RATE']],
    ['fps-120.mp4', { frameRate: 120 }, ['VIDEO_FRAME_RATE']],
    ['variable-rate.mp4', { frameRate: expect.closeTo(20.26, 1) }, ['VIDEO_FRAME_RATE']],
    ['small-240.mp4', { width: 240, height: 426 }, ['VIDEO_RESOLUTION']],
    ['av1.mp4', { videoCodec: 'av1' }, ['VIDEO_UNSUPPORTED_CODEC']],
    ['movie.mkv', { container: 'mkv' }, ['VIDEO_UNSUPPORTED_CONTAINER']],
  ])('%s is described and judged', async (name, spec, codes) => {
    const probed = await probe.probe(await openFixture(name));
    expect(probed).toMatchObject({ ok: true, value: spec });
    expect(probed.ok && check(probed.value, openVideoPolicy).map(({ code }) => code)).toEqual(codes);
  });

  it('has no sound when it has no sound track', async () => {
    const probed = await probe.probe(await openFixture('silent.mp4'));
    expect(probed.ok && 'audioCodec' in probed.value).toBe(false);
  });

  it('is read without its padding, however large', async () => {
    const head = await collect(await bigMp4Stream(80_000));
    head.writeBigUInt64BE(BigInt(2 ** 40), 74_142 + 8); // the padding's size
    let bytesRead = 0;
    const file: RandomAccess = {
      sizeBytes: 74_142 + 2 ** 40,
      async readAt(start, endExclusive) {
        bytesRead += endExclusive - start;
        return Buffer.concat([head.subarray(start, endExclusive), Buffer.alloc(endExclusive - start)]).subarray(
          0,
          endExclusive - start,
        );
      },
    };
    expect(await probe.probe(file)).toMatchObject({ ok: true, value: { durationSeconds: 5 } });
    expect(bytesRead).toBeLessThan(250_000);
  });
});

describe('a file that is no video', () => {
  const bytes = (...values: (string | number[])[]) =>
    Buffer.concat(
      values.map((value) => (typeof value === 'string' ? Buffer.from(value, 'latin1') : Buffer.from(value))),
    );
  const padded = (head: Buffer) => Buffer.concat([head, Buffer.alloc(2000)]);

  it.each([
    ['image.jpg', 'NOT_A_VIDEO', 'JPEG image'],
    ['image.png', 'NOT_A_VIDEO', 'PNG image'],
    ['text.txt', 'NOT_A_VIDEO', 'text'],
    ['audio-only.m4a', 'NOT_A_VIDEO', 'sound only'],
    ['audio.mp3', 'NOT_A_VIDEO', 'MP3 sound'],
    ['movie.avi', 'VIDEO_UNSUPPORTED_CONTAINER', 'AVI'],
    ['empty.mp4', 'VIDEO_CORRUPT', 'it is empty'],
    ['truncated.mp4', 'VIDEO_CORRUPT', 'it ends after 40000 of at least 74142 bytes'],
    ['truncated-index.mp4', 'VIDEO_CORRUPT', 'it ends after 20788 of at least 22788 bytes'],
  ])('%s is refused with its kind', async (name, code, observed) => {
    expect(await probe.probe(await openFixture(name))).toMatchObject({ ok: false, error: { code, observed } });
  });

  it.each([
    ['a WebP image', bytes('RIFF', [1, 2, 3, 4], 'WEBP'), 'NOT_A_VIDEO', 'WebP image'],
    ['a GIF image', bytes('GIF89a'), 'NOT_A_VIDEO', 'GIF image'],
    ['a HEIC image', bytes([0, 0, 0, 24], 'ftypheic'), 'NOT_A_VIDEO', 'HEIC image'],
    ['an AVIF image', bytes([0, 0, 0, 24], 'ftypavif'), 'NOT_A_VIDEO', 'AVIF image'],
    ['a WAV file', bytes('RIFF', [1, 2, 3, 4], 'WAVE'), 'NOT_A_VIDEO', 'WAV sound'],
    ['a ZIP archive', bytes('PK', [3, 4]), 'NOT_A_VIDEO', 'ZIP archive'],
    ['a PDF document', bytes('%PDF-1.7'), 'NOT_A_VIDEO', 'PDF document'],
    ['a gzip archive', bytes([0x1f, 0x8b]), 'NOT_A_VIDEO', 'gzip archive'],
    ['zeros', Buffer.alloc(0), 'NOT_A_VIDEO', 'unknown data'],
    ['a Flash video', bytes('FLV', [1]), 'VIDEO_UNSUPPORTED_CONTAINER', 'Flash video (FLV)'],
    [
      'a Windows Media file',
      bytes([0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11]),
      'VIDEO_UNSUPPORTED_CONTAINER',
      'Windows Media (WMV)',
    ],
    ['a DVD stream', bytes([0, 0, 1, 0xba]), 'VIDEO_UNSUPPORTED_CONTAINER', 'MPEG program stream'],
    [
      'an MP4 that has only its type',
      bytes([0, 0, 0, 16], 'ftypisom', [0, 0, 0, 0]),
      'VIDEO_CORRUPT',
      'its index is missing',
    ],
    [
      'a WebM that has only its first byte right',
      bytes([0x1a, 0x45, 0xdf, 0xa3]),
      'VIDEO_CORRUPT',
      'its content is missing',
    ],
  ])('%s is refused with its kind', async (_, head, code, observed) => {
    expect(await probe.probe(inMemory(padded(head)))).toMatchObject({ ok: false, error: { code, observed } });
  });

  it('a transport stream is known by its rhythm', async () => {
    const stream = Buffer.alloc(188 * 8);
    for (let packet = 0; packet < 8; packet++) stream[packet * 188] = 0x47;
    expect(await probe.probe(inMemory(stream))).toMatchObject({ error: { code: 'VIDEO_UNSUPPORTED_CONTAINER' } });
  });

  it.each(['vertical.mp4', 'index-at-end.mp4', 'vertical.webm', 'fragmented.mp4'])(
    '%s is refused wherever it is cut',
    async (name) => {
      const whole = await fixtureVideo(name);
      const cuts = [10, 20, 31, 100, 1000, Math.floor(whole.length / 2), whole.length - 1000, whole.length - 1];
      for (const length of cuts) {
        expect(await probe.probe(inMemory(whole.subarray(0, length))), `cut to ${length}`).toMatchObject({
          ok: false,
          error: { code: 'VIDEO_CORRUPT' },
        });
      }
    },
  );
});

async function patched(name: string, box: string, offset: number, value: number): Promise<RandomAccess> {
  const bytes = await fixtureVideo(name);
  bytes.writeUInt32BE(value, bytes.indexOf(box, 0, 'latin1') + offset);
  return inMemory(bytes);
}

/** How many threads were started since. */
function threadsStarted(): () => number {
  let count = 0;
  const note = () => {
    count += 1;
  };
  process.on('worker', note);
  onTestFinished(() => void process.off('worker', note));
  return () => count;
}

describe('a hostile file', () => {
  it('whose index points past its end is corrupt', async () => {
    // stco: type, version, count, first offset
    expect(await probe.probe(await patched('vertical.mp4', 'stco', 12, 0x7fffffff))).toMatchObject({
      error: { code: 'VIDEO_CORRUPT', observed: 'its index points at bytes that are not in the file' },
    });
  });

  it('whose video has no frames is corrupt', async () => {
    // stts: type, version, count of entries
    expect(await probe.probe(await patched('silent.mp4', 'stts', 8, 0))).toMatchObject({
      error: { code: 'VIDEO_CORRUPT', observed: 'it has not a single frame' },
    });
  });

  it('whose index claims more frames than fit starves alone', async () => {
    // stts: type, version, count of entries, first entry's count
    const file = await patched('vertical.mp4', 'stts', 12, 1_900_000);
    expect(await mediabunnyVideoProbe({ ...defaultProbeLimits, maxHeapMiB: 16 }).probe(file)).toMatchObject({
      error: { code: 'VIDEO_CORRUPT', observed: 'its index is unreasonably large' },
    });
  });

  it('that keeps its thread busy for too long is stopped, whatever the clock says', async () => {
    const file = await patched('vertical.mp4', 'stts', 12, 1_900_000);
    expect(await mediabunnyVideoProbe({ ...defaultProbeLimits, cpuMs: 1 }).probe(file)).toMatchObject({
      error: { code: 'VIDEO_CORRUPT', observed: 'its index takes too long to read' },
    });
  });

  it('that is never done is stopped', async () => {
    // Each read is answered, just not at once, and there are a thousand of them.
    const endless = Buffer.concat([FTYP, ...Array.from({ length: 1000 }, () => box('free', Buffer.alloc(5000)))]);
    const file: RandomAccess = {
      sizeBytes: endless.length,
      readAt: (start, end) => new Promise((resolve) => setTimeout(() => resolve(endless.subarray(start, end)), 20)),
    };
    expect(await mediabunnyVideoProbe({ ...defaultProbeLimits, timeoutMs: 1000 }).probe(file)).toMatchObject({
      error: { code: 'VIDEO_CORRUPT', observed: 'its index takes too long to read' },
    });
  });

  it.each([
    ['at once', 0],
    ['when half of the time is over', 300],
  ])('is not called so when a store stops giving its bytes %s: nothing speaks against the video', async (_, pause) => {
    const whole = await fixtureVideo('vertical.mp4');
    let reads = 0;
    const file: RandomAccess = {
      sizeBytes: whole.length,
      async readAt(start, end) {
        reads += 1;
        if (reads === 4) return new Promise(() => {});
        if (reads > 1) await new Promise((resolve) => setTimeout(resolve, pause));
        return whole.subarray(start, end);
      },
    };
    const probing = mediabunnyVideoProbe({ ...defaultProbeLimits, timeoutMs: 1000 }).probe(file);
    await expect(probing).rejects.toMatchObject({ name: 'VideoStoreDown' });
  });

  it('that makes us read too much is stopped', async () => {
    const limited = mediabunnyVideoProbe({ ...defaultProbeLimits, maxBytesRead: 1000 });
    expect(await limited.probe(await openFixture('vertical.mp4'))).toMatchObject({
      error: { code: 'VIDEO_CORRUPT', observed: 'its index leads through too much of the file' },
    });
  });

  const FTYP = Buffer.from('\0\0\0\x10ftypisom\0\0\0\0', 'latin1');
  const box = (type: string, body: Uint8Array) => {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(body.length + 8);
    header.write(type, 4, 'latin1');
    return Buffer.concat([header, body]);
  };
  /** A box with this size in its header, whatever is there. */
  const claiming = (size: number | bigint) => {
    const header = Buffer.alloc(16);
    header.writeUInt32BE(typeof size === 'number' ? size : 1);
    header.write('moov', 4, 'latin1');
    if (typeof size === 'bigint') header.writeBigUInt64BE(size, 8);
    return Buffer.concat([FTYP, header, Buffer.alloc(100)]);
  };
  const nested = (type: string, depth: number) => {
    let inner: Buffer = Buffer.alloc(0);
    for (let level = 0; level < depth; level += 1) inner = box(type, inner);
    return inner;
  };
  const SMALLEST_BOX = box('free', Buffer.alloc(0));
  const million = Buffer.alloc(8_000_000, SMALLEST_BOX);
  const claimed = async (table: string, offset: number, value: number) => {
    const bytes = await fixtureVideo('vertical.mp4');
    bytes.writeUInt32BE(value, bytes.indexOf(table, 0, 'latin1') + offset);
    return bytes;
  };

  it.each<[string, () => Buffer | Promise<Buffer>]>([
    ...[0, 1, 2, 7].map((size): [string, () => Buffer] => [`an index of ${size} bytes`, () => claiming(size)]),
    ...[0n, 15n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n].map((size): [string, () => Buffer] => [
      `an index of ${size} bytes, in 64 bits`,
      () => claiming(size),
    ]),
    ['10,000 levels of moov', () => Buffer.concat([FTYP, nested('moov', 10_000)])],
    ['10,000 levels of trak', () => Buffer.concat([FTYP, box('moov', nested('trak', 10_000))])],
    ['a million boxes', () => Buffer.concat([FTYP, million])],
    ['a million boxes in the index', () => Buffer.concat([FTYP, box('moov', million)])],
    ['100,000 tracks', () => Buffer.concat([FTYP, box('moov', Buffer.alloc(800_000, box('trak', Buffer.alloc(0))))])],
    ['an index of 63 MiB', () => Buffer.concat([FTYP, box('moov', Buffer.alloc(63 * 2 ** 20))])],
    ['four billion entries of times', () => claimed('stts', 8, 0xffffffff)],
    ['four billion frames in one entry', () => claimed('stts', 12, 0xffffffff)],
    ['four billion offsets of frames', () => claimed('ctts', 12, 0xffffffff)],
    ['four billion frames in a chunk', () => claimed('stsc', 16, 0xffffffff)],
    ['four billion chunks', () => claimed('stco', 8, 0xffffffff)],
    ['four billion sizes', () => claimed('stsz', 12, 0xffffffff)],
    ['four billion edits', () => claimed('elst', 8, 0xffffffff)],
    [
      'four billion samples in a fragment',
      async () => {
        const bytes = await fixtureVideo('fragmented.mp4');
        bytes.writeUInt32BE(0xffffffff, bytes.indexOf('trun', 0, 'latin1') + 8);
        return bytes;
      },
    ],
    ['a clock that stands still', () => claimed('mdhd', 16, 0)],
  ])('that claims %s gets its verdict soon (MED-05)', async (_, build) => {
    const bytes = await build();
    const before = process.cpuUsage();
    expect(await probe.probe(inMemory(bytes))).toMatchObject({ ok: false, error: { code: 'VIDEO_CORRUPT' } });
    const { user, system } = process.cpuUsage(before);
    // A thread of its own takes a tenth of a second to start; none of these gets anywhere near its limits.
    expect((user + system) / 1000).toBeLessThan(2_000);
  });

  it('that claims the world is turned away without a thread of its own (MED-05)', async () => {
    const files = [
      Buffer.concat([FTYP, million]),
      Buffer.concat([FTYP, nested('moov', 10_000)]),
      await claimed('stsc', 16, 0xffffffff),
    ];
    const none = mediabunnyVideoProbe({ ...defaultProbeLimits, maxBytesRead: 0 });
    for (const bytes of files) {
      const judged = await none.probe(inMemory(bytes));
      // Not "too much of the file": the thread was never asked.
      expect(!judged.ok && judged.error.observed).toMatch(/unreasonabl/);
    }
  });

  it.each([
    ['a playlist', '#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:5,\nURL\n#EXT-X-ENDLIST\n', 'text'],
    ['an SVG image', '<svg xmlns="http://www.w3.org/2000/svg"><image href="URL"/></svg>', 'text'],
    ['a DASH manifest', '<?xml version="1.0"?><MPD><BaseURL>URL</BaseURL></MPD>', 'text'],
    ['an AVISynth script', 'FFMpegSource2("URL")', 'text'],
    ['a concat script', "ffconcat version 1.0\nfile 'URL'\n", 'text'],
    ['a ZIP archive named .mp4', 'PK\x03\x04URL', 'ZIP archive'],
  ])('that is %s is refused, and nothing it points at is asked for (MED-06)', async (_, text, observed) => {
    const { url, connections } = await listener();
    const attempts: unknown[] = [];
    const note = (message: unknown): void => void attempts.push(message);
    subscribe('net.client.socket', note);
    onTestFinished(() => void unsubscribe('net.client.socket', note));
    const bytes = Buffer.from(text.replace('URL', url), 'latin1');
    expect(await probe.probe(inMemory(bytes))).toMatchObject({ error: { code: 'NOT_A_VIDEO', observed } });
    expect([attempts, connections()]).toEqual([[], 0]);
  });

  it('that says its pictures are elsewhere is read as it is, and nothing is asked for there (MED-06)', async () => {
    const { url, connections } = await listener();
    const bytes = await fixtureVideo('vertical.mp4');
    const at = bytes.indexOf('url ', 0, 'latin1');
    // A data reference: not "in this file", but at an address; the boxes around it are made longer for it.
    const address = Buffer.from(`${url}\0`, 'latin1');
    const longer = Buffer.concat([bytes.subarray(0, at + 8), address, bytes.subarray(at + 8)]);
    longer.writeUInt32BE(0, at + 4);
    for (const type of ['url ', 'dref', 'dinf', 'minf', 'mdia', 'trak', 'moov']) {
      const place = longer.lastIndexOf(type, at, 'latin1') - 4;
      longer.writeUInt32BE(longer.readUInt32BE(place) + address.length, place);
    }
    expect(await probe.probe(inMemory(longer))).toMatchObject({ ok: expect.any(Boolean) });
    expect(connections()).toBe(0);
  });

  it('with noise in its index gets a verdict', async () => {
    const whole = await fixtureVideo('three-seconds.mp4');
    const index = whole.indexOf('moov', 0, 'latin1');
    const impatient = mediabunnyVideoProbe({ ...defaultProbeLimits, timeoutMs: 1000 }); // some noise never ends
    for (const at of [4, 40, 200, 300, 400, 500, 700, 900]) {
      const noisy = Buffer.from(whole);
      noisy.fill(0xff, index + at, index + at + 8);
      expect(await impatient.probe(inMemory(noisy)), `noise at ${at}`).toMatchObject({ ok: expect.any(Boolean) });
    }
  });
});

describe('the probe', () => {
  it('throws what reading the file throws', async () => {
    const cause = new Error('the disk is gone');
    const whole = await fixtureVideo('vertical.mp4');
    let reads = 0;
    const file: RandomAccess = {
      sizeBytes: whole.length,
      async readAt(start, endExclusive) {
        if (reads++ > 0) throw cause;
        return whole.subarray(start, endExclusive);
      },
    };
    await expect(probe.probe(file)).rejects.toBe(cause);
  });

  it('reads no more files at a time than it was told, and all of them', async () => {
    let open = 0;
    let most = 0;
    // The first file waits in its first read for the second: two at a time are there for certain.
    const second = Promise.withResolvers<void>();
    const whole = await fixtureVideo('vertical.mp4');
    const counted = (): RandomAccess => {
      let isOpen = false;
      return {
        sizeBytes: whole.length,
        async readAt(start, endExclusive) {
          if (start === 0 && endExclusive === 4096) {
            // the first read when its turn has come; who had it before has been told by then
            await new Promise((resolve) => setImmediate(resolve));
            if (!isOpen) most = Math.max(most, ++open);
            isOpen = true;
            if (most > 1) second.resolve();
            await second.promise;
          }
          return whole.subarray(start, endExclusive);
        },
      };
    };
    const two = mediabunnyVideoProbe({ ...defaultProbeLimits, concurrency: 2 });
    const results = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const result = await two.probe(counted());
        open--;
        return result.ok;
      }),
    );
    expect(results).toEqual(Array(6).fill(true));
    expect(most).toBe(2);
  });

  it('reads one file after the other in the same thread', async () => {
    const started = threadsStarted();
    const own = mediabunnyVideoProbe();
    for (let file = 0; file < 3; file += 1) expect((await own.probe(await openFixture('vertical.mp4'))).ok).toBe(true);
    expect(started()).toBe(1);
  });

  it('blames a file only for what it does to a thread of its own, and reads the next in a new one', async () => {
    const started = threadsStarted();
    const own = mediabunnyVideoProbe({ ...defaultProbeLimits, maxHeapMiB: 16 });
    expect((await own.probe(await openFixture('vertical.mp4'))).ok).toBe(true);
    const hostile = await patched('vertical.mp4', 'stts', 12, 1_900_000);
    expect(await own.probe(hostile)).toMatchObject({ error: { observed: 'its index is unreasonably large' } });
    expect(started()).toBe(2);
    expect((await own.probe(await openFixture('vertical.mp4'))).ok).toBe(true);
    expect(started()).toBe(3);
  });
});
