import { parentPort } from 'node:worker_threads';
import { Logging, LogLevel } from 'mediabunny';
import type { Finding } from '../../domain/finding.ts';
import type { Result } from '../../domain/result.ts';
import { err } from '../../domain/result.ts';
import type { VideoSpec } from '../../domain/video/video-spec.ts';
import { corrupt } from './probe-findings.ts';
import { type Readable, readVideo } from './read-video.ts';

/** Runs in a thread of its own, which reads one file after the other: a hostile one can then be stopped, or starve, alone. */

/** `task` counts the files of the thread. */
export type Task = { readonly task: number; readonly sizeBytes: number; readonly signature: Readable };
export type Question = { readonly task: number } & (
  | { readonly kind: 'READ'; readonly number: number; readonly start: number; readonly endExclusive: number }
  | { readonly kind: 'DONE'; readonly outcome: Result<VideoSpec, Finding> }
);
export type Answer = { readonly number: number; readonly bytes: Uint8Array };

if (parentPort === null) throw new Error('This file is the code of a worker thread');
const parent = parentPort;
Logging.level = LogLevel.Silent; // remarks about the senders' files

const waiting = new Map<number, (bytes: Uint8Array) => void>();
let asked = 0;

parent.on('message', (message: Task | Answer) => {
  if ('task' in message) return void read(message);
  waiting.get(message.number)?.(message.bytes);
  waiting.delete(message.number);
});

async function read({ task, sizeBytes, signature }: Task): Promise<void> {
  const file = {
    sizeBytes,
    readAt(start: number, endExclusive: number): Promise<Uint8Array> {
      const { promise, resolve } = Promise.withResolvers<Uint8Array>();
      const number = asked++;
      waiting.set(number, resolve);
      ask({ task, kind: 'READ', number, start, endExclusive });
      return promise;
    },
  };
  // The reader throws on what it can't make sense of, and reading itself never fails here: the file is to blame.
  const outcome = await readVideo(file, signature).catch(() => err(corrupt('its index makes no sense')));
  ask({ task, kind: 'DONE', outcome });
}

function ask(question: Question): void {
  parent.postMessage(question);
}
