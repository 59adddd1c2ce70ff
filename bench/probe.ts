import { copyFile, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recognise, SIGNATURE_BYTES } from '../src/adapters/video-probe/file-signature.ts';
import { defaultProbeLimits, mediabunnyVideoProbe } from '../src/adapters/video-probe/mediabunny-video-probe.ts';
import { readVideo } from '../src/adapters/video-probe/read-video.ts';
import { fileVideoStore } from '../src/adapters/video-store/file-video-store.ts';
import type { RandomAccess } from '../src/application/ports/random-access.ts';
import type { VideoProbe } from '../src/application/ports/video-probe.ts';
import type { VideoId } from '../src/domain/ids.ts';
import { check, openVideoPolicy } from '../src/domain/video/video-policy.ts';
import type { Bench } from './support/bench.ts';
import { comparison, type Figures, type Row, ratioOf, type Subject } from './support/comparison.ts';
import { inParallel } from './support/in-parallel.ts';
import { ascending, percentile } from './support/statistics.ts';
import { machine } from './support/table.ts';

const VIDEOS = new URL('../test/fixtures/videos/', import.meta.url);
/** Those that TikTok takes, and of each kind that it does not. */
const SMALL = [
  'vertical.mp4',
  'vertical.mov',
  'vertical.webm',
  'hevc.mp4',
  'fragmented.mp4',
  'index-at-end.mp4',
  'landscape.mp4',
  'long-601s.mp4',
  'fps-120.mp4',
  'movie.mkv',
  'silent.mp4',
  'av1.mp4',
];
const WARM_UP = SMALL.length;
/** What TikTok takes at most. */
const LARGE_BYTES = 4 * 2 ** 30;

const ROWS: readonly Row[] = [
  ['files per second', 'filesPerSecond', '', 1],
  ['time of a small file, p50', 'p50Seconds', 'ms', 1e3],
  ['time of a small file, p99', 'p99Seconds', 'ms', 1e3],
  ['CPU of a small file', 'cpuSeconds', 'ms', 1e3],
  ['time of 4 GiB with the index at its end', 'largeSeconds', 'ms', 1e3],
  ['bytes read of it', 'largeBytesRead', 'kB', 1e-3],
];

export const probe: Bench<'files'> = {
  about:
    'how fast videos are read and judged, and what is read of a large one, against the same reader without a thread and without limits',
  flags: {
    files: { fallback: 600, quick: 60, least: 1, most: 1_000_000, meaning: 'small files that are looked at' },
  },
  check: () => undefined,

  async run(options, resources, tell) {
    const where = machine();
    const folder = await mkdtemp(join(tmpdir(), 'bench-probe-'));
    resources.defer(() => rm(folder, { recursive: true, force: true }));
    const idOf = (name: string) => `vid_${name.replaceAll('.', '-')}` as VideoId;
    for (const name of SMALL) await copyFile(new URL(name, VIDEOS), join(folder, idOf(name)));
    const large = idOf('large');
    await writeLarge(join(folder, large));
    const store = fileVideoStore(folder);

    /** As when a video came in: opened in the store, read, judged. */
    async function judge(id: VideoId, probing: VideoProbe) {
      const file = await store.open(id);
      if (file === undefined) throw new Error(`${id} is not there`);
      await using opened = file;
      let bytesRead = 0;
      const counted: RandomAccess = {
        sizeBytes: opened.sizeBytes,
        readAt(start, endExclusive) {
          bytesRead += endExclusive - start;
          return opened.readAt(start, endExclusive);
        },
      };
      const began = performance.now();
      const found = await probing.probe(counted);
      if (!found.ok) throw new Error(`${id} can't be read: ${found.error.message}`);
      check(found.value, openVideoPolicy);
      return { seconds: (performance.now() - began) / 1000, bytesRead };
    }

    async function measured(probing: VideoProbe): Promise<Figures> {
      const some = (count: number) =>
        Array.from({ length: count }, (_, index) => idOf(SMALL[index % SMALL.length] ?? ''));
      const atOnce = defaultProbeLimits.concurrency;
      await inParallel(atOnce, some(WARM_UP), (id) => judge(id, probing));
      const began = performance.now();
      const cpu = process.cpuUsage();
      const looked = await inParallel(atOnce, some(options.files), (id) => judge(id, probing));
      const { user, system } = process.cpuUsage(cpu);
      const seconds = (performance.now() - began) / 1000;
      const times = ascending(looked.map((each) => each.seconds));
      await judge(large, probing);
      const { seconds: largeSeconds, bytesRead } = await judge(large, probing);
      return {
        filesPerSecond: options.files / seconds,
        p50Seconds: percentile(times, 0.5),
        p99Seconds: percentile(times, 0.99),
        cpuSeconds: (user + system) / 1e6 / options.files,
        largeSeconds,
        largeBytesRead: bytesRead,
      };
    }

    const rounds: { readonly service: Figures; readonly bare: Figures }[] = [];
    for (let round = 1; round <= options.repeat; round += 1) {
      tell(`round ${round} of ${options.repeat}, bare reader`);
      const without = await measured(bareReader);
      tell(`round ${round} of ${options.repeat}, the probe`);
      rounds.push({ service: await measured(mediabunnyVideoProbe()), bare: without });
    }
    const ours: Subject = { name: 'probe', rounds: rounds.map((each) => each.service) };
    const theirs: Subject = { name: 'bare reader', rounds: rounds.map((each) => each.bare) };
    const { cores, memoryGiB, platform, node, loadBefore } = where;
    const date = new Date().toISOString();
    return comparison({
      about: `${options.files} looks at ${SMALL.length} small files, ${defaultProbeLimits.concurrency} at once; ${options.repeat} runs. ${date.slice(0, 10)}, ${cores} cores (load ${loadBefore} before), ${memoryGiB} GiB, ${platform}, Node ${node}.`,
      circumstances: { ...options, date, machine: where },
      sections: [{ name: '', subjects: [ours, theirs], rows: ROWS }],
      ratios: [
        { name: 'filesPerSecond', label: 'files per second', rounds: ratioOf('filesPerSecond', ours, theirs) },
        {
          name: 'largeBytesRead',
          label: 'bytes read of 4 GiB, bare reader to ours',
          rounds: ratioOf('largeBytesRead', theirs, ours),
        },
      ],
      goals: [],
      failures: [],
    });
  },
};

/** The baseline: the reader itself, on this thread. Nothing stops it on a hostile file, and nothing is looked at before. */
const bareReader: VideoProbe = {
  async probe(file) {
    const signature = recognise(await file.readAt(0, Math.min(file.sizeBytes, SIGNATURE_BYTES)));
    if (signature.kind !== 'READABLE') throw new Error('a file of the bench is no video');
    return readVideo(file, signature);
  },
};

/** `index-at-end.mp4` with a box of nothing before its index. Takes no room on a disk that knows of holes. */
async function writeLarge(path: string): Promise<void> {
  const video = await readFile(new URL('index-at-end.mp4', VIDEOS));
  const index = video.lastIndexOf('moov') - 4;
  const [before, after] = [video.subarray(0, index), video.subarray(index)];
  const header = Buffer.alloc(16);
  header.writeUInt32BE(1, 0); // the size is in 64 bits behind the name
  header.write('free', 4, 'latin1');
  header.writeBigUInt64BE(BigInt(LARGE_BYTES - video.length), 8);
  const handle = await open(path, 'wx');
  try {
    await handle.write(Buffer.concat([before, header]), 0);
    await handle.write(after, 0, after.length, LARGE_BYTES - after.length);
  } finally {
    await handle.close();
  }
}
