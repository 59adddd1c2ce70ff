import { createHash, type Hash } from 'node:crypto';
import type { Endpoint, ShortRead } from '../endpoint.ts';
import { headLength, looksLikeVideo } from '../file-check.ts';
import { type Answer, type Call, drain, html, mediaType, plain } from '../http.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Publish, UploadPlan } from '../state.ts';
import type { World } from '../world.ts';
import { chunkAt, chunkEnd } from './chunk-plan.ts';

export const uploadPath = '/upload/video/';

/** What is known of the bytes so far. Lives in memory: a hash that has begun can't be stored. */
type Progress = { hash: Hash; head: Buffer };
type Range = { first: number; last: number; total: number };
type Task = { publish: Publish; plan: UploadPlan };

export type Uploads = {
  readonly endpoint: Endpoint;
  /** Forgets begun uploads, as a restart does: their urls answer 404 from then on. */
  clear(): void;
};

const mediaTypes = ['video/mp4', 'video/quicktime', 'video/webm'];

function readRange(call: Call): Range | undefined {
  const found = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(call.request.headers['content-range'] ?? '');
  if (!found) return undefined;
  const [first, last, total] = [Number(found[1]), Number(found[2]), Number(found[3])];
  return first <= last && last < total ? { first, last, total } : undefined;
}

export function videoUploads(world: World, lifecycle: Lifecycle): Uploads {
  const { state, clock } = world;
  const begun = new Map<string, Progress>();

  function findTask(call: Call): Task | undefined {
    const publish = state.publishes.get(call.url.searchParams.get('upload_id') ?? '');
    if (publish?.source.kind !== 'FILE_UPLOAD') return undefined;
    const { plan } = publish.source;
    return plan.token === call.url.searchParams.get('upload_token') ? { publish, plan } : undefined;
  }

  function progressOf(publish: Publish): Progress | undefined {
    const known = begun.get(publish.publishId);
    return known ?? (publish.receivedBytes === 0 ? { hash: createHash('sha256'), head: Buffer.alloc(0) } : undefined);
  }

  function withProgress(answer: Answer, { publish, plan }: Task): Answer {
    const { receivedBytes } = publish;
    const lastIndex = state.settings.progressHeader === 'last_index';
    const reached = lastIndex ? receivedBytes - 1 : receivedBytes;
    const contentRange = reached < 0 ? `bytes */${plan.videoSize}` : `bytes 0-${reached}/${plan.videoSize}`;
    return { ...answer, headers: { ...answer.headers, 'content-range': contentRange } };
  }

  const noTask = (): Answer =>
    state.settings.unknownUpload === '404'
      ? plain(404, 'There is no upload task for this URL.\n')
      : html(405, '<html><head><title>405 Not Allowed</title></head><body><h1>405 Not Allowed</h1></body></html>');

  /** The refusal that is certain before a byte is read, or what will be read. */
  function admit(call: Call): { task: Task; range: Range; progress: Progress | undefined } | Answer {
    const task = findTask(call);
    if (!task || task.publish.stage.name === 'FAILED') return noTask();
    const { publish, plan } = task;
    if (plan.expiresTime <= clock.now()) return plain(403, 'The upload URL has expired.\n');
    const uploading = publish.stage.name === 'UPLOADING';
    const progress = uploading ? progressOf(publish) : undefined;
    if (uploading && !progress) return noTask();

    if (!mediaTypes.includes(mediaType(call.request))) {
      return plain(400, `Content-Type must be one of ${mediaTypes.join(', ')}.\n`);
    }
    const length = Number(call.request.headers['content-length'] ?? Number.NaN);
    if (!Number.isSafeInteger(length)) return plain(400, 'Content-Length is required.\n');
    const range = readRange(call);
    if (!range || range.total !== plan.videoSize) {
      return plain(400, 'Content-Range must be "bytes {first}-{last}/{total}" with the size given at init.\n');
    }
    if (length !== range.last - range.first + 1) {
      return plain(400, 'Content-Length does not match Content-Range.\n');
    }
    if (range.first !== publish.receivedBytes) return outOfStep(task);
    if (range.last !== chunkEnd(plan, chunkAt(plan, range.first))) {
      return plain(400, 'The chunk does not have the size given at init.\n');
    }
    return { task, range, progress };
  }

  const outOfStep = (task: Task): Answer =>
    withProgress(plain(416, 'Content-Range does not match the progress of the upload.\n'), task);

  /** Hashes what arrives, without keeping it. `ended` false: the rest never came. */
  async function read(call: Call, progress: Progress, most: number) {
    const hash = progress.hash.copy();
    let head = progress.head;
    let bytes = 0;
    try {
      for await (const part of call.request as AsyncIterable<Buffer>) {
        const taken = part.subarray(0, most - bytes);
        hash.update(taken);
        if (head.length < headLength) head = Buffer.concat([head, taken.subarray(0, headLength - head.length)]);
        bytes += taken.length;
        if (bytes >= most) break;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
    }
    return { bytes, progress: { hash, head } };
  }

  /** All or nothing, and only if nobody else came first: two senders may be at the same chunk. */
  function commit({ publish, plan }: Task, first: number, bytes: number, progress: Progress): boolean {
    if (publish.stage.name !== 'UPLOADING' || publish.receivedBytes !== first) return false;
    if (bytes === 0) return true;
    publish.receivedBytes += bytes;
    publish.ranges.push({ first, last: first + bytes - 1, time: clock.now() });
    begun.set(publish.publishId, progress);
    world.changed();
    if (publish.receivedBytes === plan.videoSize) {
      begun.delete(publish.publishId);
      const sha256 = progress.hash.copy().digest('hex');
      lifecycle.receivedAll(publish, { sha256, looksLikeVideo: looksLikeVideo(progress.head) });
    }
    return true;
  }

  async function receive(call: Call, shortRead: ShortRead | undefined): Promise<Answer> {
    const admitted = admit(call);
    if ('status' in admitted || !admitted.progress) {
      await drain(call.request);
      return 'status' in admitted ? admitted : outOfStep(admitted.task);
    }
    const { task, range } = admitted;
    const length = range.last - range.first + 1;
    const wanted = shortRead ? Math.min(shortRead.bytes, length) : length;
    const { bytes, progress } = await read(call, admitted.progress, wanted);
    if (shortRead || bytes < length) {
      const keep = shortRead ? shortRead.keep : state.settings.partialChunks === 'kept';
      if (keep) commit(task, range.first, bytes, progress);
      return { status: 0, body: '', drop: true };
    }
    if (!commit(task, range.first, bytes, progress)) {
      return task.publish.stage.name === 'FAILED' ? noTask() : outOfStep(task);
    }
    const status = task.publish.receivedBytes === task.plan.videoSize ? 201 : 206;
    return withProgress(plain(status, ''), task);
  }

  return {
    endpoint: {
      name: 'upload',
      methods: ['PUT'],
      path: uploadPath,
      body: 'stream',
      subject(call) {
        const task = findTask(call);
        if (!task) return {};
        const about = { account: task.publish.openId, publishId: task.publish.publishId };
        const range = readRange(call);
        if (!range) return about;
        const chunk = chunkAt(task.plan, range.first);
        return { ...about, chunk, lastChunk: chunk === task.plan.chunkCount - 1 };
      },
      handle: receive,
      refuse: () => undefined,
    },
    clear: () => begun.clear(),
  };
}
