import { Worker } from 'node:worker_threads';
import type { RandomAccess } from '../../application/ports/random-access.ts';
import type { VideoProbe } from '../../application/ports/video-probe.ts';
import { VideoStoreDown } from '../../application/ports/video-store.ts';
import type { Finding } from '../../domain/finding.ts';
import { err, type Result } from '../../domain/result.ts';
import type { VideoSpec } from '../../domain/video/video-spec.ts';
import { damageInBoxes, damageInSegment } from './container-structure.ts';
import { recognise, SIGNATURE_BYTES } from './file-signature.ts';
import { corrupt, notAVideo, unsupportedContainer } from './probe-findings.ts';
import type { Answer, Question, Task } from './probe-worker.ts';
import type { Readable } from './read-video.ts';

export type ProbeLimits = {
  /** For one file, counted from when its turn comes, and only while this process runs. */
  readonly timeoutMs: number;
  /** Of a processor, for one file's thread. What is slow for another reason is not the file's fault. */
  readonly cpuMs: number;
  /** For one file. An MP4 needs its index, a WebM also the pictures of a few seconds. */
  readonly maxBytesRead: number;
  /** For one file's thread, in MiB. */
  readonly maxHeapMiB: number;
  /** Files read at the same time; others wait for their turn. */
  readonly concurrency: number;
};

export const defaultProbeLimits: ProbeLimits = {
  timeoutMs: 15_000,
  cpuMs: 2_000,
  maxBytesRead: 512 * 2 ** 20,
  maxHeapMiB: 64,
  concurrency: 2,
};

/**
 * Reads each file in a thread, because only a thread can be stopped in the middle of a hostile index. To load the reader takes longer than
 * most files do, so a thread that came to the end of one reads the next; one that did not is stopped.
 */
export function mediabunnyVideoProbe(limits: ProbeLimits = defaultProbeLimits): VideoProbe {
  const inTurn = turnstile(limits.concurrency);
  const idle = new Set<Reader>();

  async function read(file: TimedFile, signature: Readable): Promise<Result<VideoSpec, Finding>> {
    const [rested] = idle;
    if (rested !== undefined) idle.delete(rested);
    const reader = rested ?? startReader(limits, (ended) => idle.delete(ended));
    const outcome = await reader.read(file, signature);
    if (outcome === 'OUT_OF_MEMORY') {
      // Of a thread that read others before, they may have left too little.
      return rested === undefined ? err(corrupt('its index is unreasonably large')) : read(file, signature);
    }
    if (reader.rest()) idle.add(reader);
    return outcome;
  }

  return {
    async probe(stored) {
      if (stored.sizeBytes === 0) return err(corrupt('it is empty'));
      const file = readInTime(stored, limits.timeoutMs / 2);
      const signature = recognise(await file.readAt(0, Math.min(file.sizeBytes, SIGNATURE_BYTES)));
      if (signature.kind === 'NOT_VIDEO') return err(notAVideo(signature.name));
      if (signature.kind === 'OTHER_VIDEO') return err(unsupportedContainer(signature.name));
      return inTurn(async () => {
        // Most of what is damaged, or wants to be expensive, never gets as far as a thread of its own.
        const damage = await damageIn(file, signature, limits.timeoutMs);
        return damage === undefined ? read(file, signature) : err(corrupt(damage));
      });
    },
  };
}

type TimedFile = RandomAccess & {
  /** Resolves when each read that was asked for has its bytes, and rejects as one of them does. */
  answered(): Promise<unknown>;
};

/** One read that takes so long is the store's fault, and none of the file's, which would be called damaged for it. */
function readInTime(file: RandomAccess, milliseconds: number): TimedFile {
  const asked = new Set<Promise<Uint8Array>>();

  async function readAt(start: number, endExclusive: number): Promise<Uint8Array> {
    const late = Promise.withResolvers<never>();
    const stopWatching = whenItRanFor(milliseconds, () =>
      late.reject(new VideoStoreDown('the video store did not give the bytes of a video in time')),
    );
    try {
      return await Promise.race([file.readAt(start, endExclusive), late.promise]);
    } finally {
      stopWatching();
    }
  }
  return {
    sizeBytes: file.sizeBytes,
    async readAt(start, endExclusive) {
      const read = readAt(start, endExclusive);
      asked.add(read);
      try {
        return await read;
      } finally {
        asked.delete(read);
      }
    },
    answered: () => Promise.all(asked),
  };
}

const TOO_LONG = 'its index takes too long to read';

async function damageIn(file: TimedFile, { family }: Readable, timeoutMs: number): Promise<string | undefined> {
  const late = Promise.withResolvers<string>();
  const stopWatching = whenItRanFor(timeoutMs, () => late.resolve(file.answered().then(() => TOO_LONG)));
  try {
    return await Promise.race([family === 'ISOBMFF' ? damageInBoxes(file) : damageInSegment(file), late.promise]);
  } finally {
    stopWatching();
  }
}

/** A thread that reads one file at a time. */
type Reader = {
  /** When this is over and no answer of the thread's, the thread is stopped. */
  read(file: TimedFile, signature: Readable): Promise<Result<VideoSpec, Finding> | 'OUT_OF_MEMORY'>;
  /** Until the next file; after a while without one the thread ends. False when it is not there any more. */
  rest(): boolean;
};

/** How long a thread waits for its next file. */
const REST_MS = 30_000;

function startReader(
  { timeoutMs, cpuMs, maxBytesRead, maxHeapMiB }: ProbeLimits,
  onEnd: (reader: Reader) => void,
): Reader {
  const worker = new Worker(new URL('./probe-worker.ts', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMiB, maxYoungGenerationSizeMb: 4 },
    env: {}, // a thread that reads strangers' files has no use for our secrets
    execArgv: [],
  });
  let ended = false;
  let tasks = 0;
  let ask: (question: Question) => void = () => undefined;
  let fail: (error: NodeJS.ErrnoException) => void = () => undefined;
  let resting: NodeJS.Timeout | undefined;

  worker.on('message', (question: Question) => ask(question));
  worker.on('error', (error) => fail(error));
  worker.on('exit', (code) => {
    ended = true;
    clearTimeout(resting);
    onEnd(reader);
    fail(new Error(`The thread that read a video ended with code ${code}`));
  });

  async function cpuMilliseconds(): Promise<number> {
    const { user, system } = await worker.cpuUsage();
    return (user + system) / 1000;
  }

  const reader: Reader = {
    async read(file, signature) {
      clearTimeout(resting);
      worker.ref();
      const task = ++tasks;
      const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<Reader['read']>>>();
      let bytesRead = 0;
      let done = false;
      ask = (question) => {
        if (question.task !== task) return;
        if (question.kind === 'DONE') {
          done = true;
          return resolve(question.outcome);
        }
        const { number, start, endExclusive } = question;
        bytesRead += endExclusive - start;
        if (bytesRead > maxBytesRead) return resolve(err(corrupt('its index leads through too much of the file')));
        file.readAt(start, endExclusive).then((bytes) => {
          const answer: Answer = { number, bytes };
          worker.postMessage(answer);
        }, reject);
      };
      fail = (error) => {
        if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') resolve('OUT_OF_MEMORY');
        else reject(error);
      };
      const tooLong = (): void => resolve(err(corrupt(TOO_LONG)));
      const stopWatching = whenItRanFor(timeoutMs, () => file.answered().then(tooLong, reject));
      // Of its first file the thread's own start counts as well.
      const before = task === 1 ? Promise.resolve(0) : cpuMilliseconds();
      const cpuWatch = setInterval(() => {
        Promise.all([before, cpuMilliseconds()]).then(
          ([then, now]) => now - then > cpuMs && tooLong(),
          () => undefined, // it has just ended, and has said what it had to say
        );
      }, TICK_MS);
      try {
        worker.postMessage({ task, sizeBytes: file.sizeBytes, signature } satisfies Task);
        return await promise;
      } finally {
        stopWatching();
        clearInterval(cpuWatch);
        if (!done) await worker.terminate();
      }
    },
    rest() {
      if (ended) return false;
      worker.unref();
      resting = setTimeout(() => {
        onEnd(reader);
        void worker.terminate();
      }, REST_MS).unref();
      return true;
    },
  };
  return reader;
}

const TICK_MS = 250;

/**
 * Calls `late`, once, when the process has run for so long. A process that was frozen, with its whole machine perhaps, has not taken
 * longer to read a file because of it.
 */
function whenItRanFor(milliseconds: number, late: () => void): () => void {
  let ran = 0;
  let before = performance.now();
  const timer = setInterval(
    () => {
      const now = performance.now();
      ran += Math.min(now - before, 2 * TICK_MS);
      before = now;
      if (ran < milliseconds) return;
      clearInterval(timer);
      late();
    },
    Math.min(TICK_MS, milliseconds),
  );
  return () => clearInterval(timer);
}

/** Lets `limit` tasks run at a time, the others in the order in which they came. */
function turnstile(limit: number): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];

  return async (task) => {
    if (running < limit) running++;
    else await new Promise<void>((admit) => waiting.push(admit));
    try {
      return await task();
    } finally {
      const admitNext = waiting.shift(); // who comes in takes over the place of who leaves
      if (admitNext === undefined) running--;
      else admitNext();
    }
  };
}
