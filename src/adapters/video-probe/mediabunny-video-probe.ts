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

/** Reads each file in a thread of its own, because only a thread can be stopped in the middle of a hostile index. */
export function mediabunnyVideoProbe(limits: ProbeLimits = defaultProbeLimits): VideoProbe {
  const inTurn = turnstile(limits.concurrency);

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
        return damage === undefined ? probeInWorker(file, signature, limits) : err(corrupt(damage));
      });
    },
  };
}

/** One read that takes so long is the store's fault, and none of the file's, which would be called damaged for it. */
const readInTime = (file: RandomAccess, milliseconds: number): RandomAccess => ({
  sizeBytes: file.sizeBytes,
  async readAt(start, endExclusive) {
    const late = Promise.withResolvers<never>();
    const stopWatching = whenItRanFor(milliseconds, () =>
      late.reject(new VideoStoreDown('the video store did not give the bytes of a video in time')),
    );
    try {
      return await Promise.race([file.readAt(start, endExclusive), late.promise]);
    } finally {
      stopWatching();
    }
  },
});

const TOO_LONG = 'its index takes too long to read';

async function damageIn(file: RandomAccess, { family }: Readable, timeoutMs: number): Promise<string | undefined> {
  const late = Promise.withResolvers<string>();
  const stopWatching = whenItRanFor(timeoutMs, () => late.resolve(TOO_LONG));
  try {
    return await Promise.race([family === 'ISOBMFF' ? damageInBoxes(file) : damageInSegment(file), late.promise]);
  } finally {
    stopWatching();
  }
}

async function probeInWorker(
  file: RandomAccess,
  signature: Readable,
  { timeoutMs, cpuMs, maxBytesRead, maxHeapMiB }: ProbeLimits,
): Promise<Result<VideoSpec, Finding>> {
  const { promise, resolve, reject } = Promise.withResolvers<Result<VideoSpec, Finding>>();
  const task: Task = { sizeBytes: file.sizeBytes, signature };
  const worker = new Worker(new URL('./probe-worker.ts', import.meta.url), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMiB, maxYoungGenerationSizeMb: 4 },
    env: {}, // a thread that reads strangers' files has no use for our secrets
    execArgv: [],
  });
  const tooLong = (): void => resolve(err(corrupt(TOO_LONG)));
  const stopWatching = whenItRanFor(timeoutMs, tooLong);
  const cpuWatch = setInterval(() => {
    worker.cpuUsage().then(
      ({ user, system }) => (user + system) / 1000 > cpuMs && tooLong(),
      () => undefined, // it has just ended, and has said what it had to say
    );
  }, TICK_MS);

  let bytesRead = 0;
  worker.on('message', (question: Question) => {
    if (question.kind === 'DONE') return resolve(question.outcome);
    const { number, start, endExclusive } = question;
    bytesRead += endExclusive - start;
    if (bytesRead > maxBytesRead) return resolve(err(corrupt('its index leads through too much of the file')));
    file.readAt(start, endExclusive).then((bytes) => {
      const answer: Answer = { number, bytes };
      worker.postMessage(answer);
    }, reject);
  });
  worker.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') resolve(err(corrupt('its index is unreasonably large')));
    else reject(error);
  });
  worker.on('exit', (code) => reject(new Error(`The thread that read a video ended with code ${code}`)));

  try {
    return await promise;
  } finally {
    stopWatching();
    clearInterval(cpuWatch);
    await worker.terminate();
  }
}

const TICK_MS = 250;

/**
 * Calls `late` once the process has run for so long. A process that was frozen, with its whole machine perhaps, has not taken
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
      if (ran >= milliseconds) late();
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
