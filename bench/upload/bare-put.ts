import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { Agent } from 'undici';
import { chunkAt, planChunks } from '../../src/domain/post/chunk-plan.ts';

/** The baseline on the way out: a file is announced and sent in chunks, for all accounts at once. Run with a file that holds a `BarePutTask`. */
export type BarePutTask = {
  readonly origin: string;
  readonly file: string;
  readonly posts: readonly { readonly accessToken: string; readonly caption: string }[];
};

type Init = { readonly data: { readonly upload_url: string }; readonly error: { readonly code: string } };

/** As the service reads. */
const READ_BYTES = 256 * 1024;

const [, , taskFile = ''] = process.argv;
const { origin, file, posts } = JSON.parse(await readFile(taskFile, 'utf8')) as BarePutTask;
const { size } = await stat(file);
const plan = planChunks(size);
const agent = new Agent({ allowH2: false, headersTimeout: 0, bodyTimeout: 0 });

await Promise.all(
  posts.map(async ({ accessToken, caption }) => {
    const init = await agent.request({
      origin,
      path: '/v2/post/publish/video/init/',
      method: 'POST',
      headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json; charset=UTF-8' },
      body: JSON.stringify({
        post_info: { title: caption, privacy_level: 'SELF_ONLY', disable_comment: false, disable_duet: true },
        source_info: {
          source: 'FILE_UPLOAD',
          video_size: size,
          chunk_size: plan.chunkBytes,
          total_chunk_count: plan.chunkCount,
        },
      }),
    });
    const { data, error } = JSON.parse(await text(init.body)) as Init;
    if (error.code !== 'ok') throw new Error(`init answered ${error.code}`);
    const { pathname, search } = new URL(data.upload_url);
    for (let chunk = chunkAt(plan, 0); chunk !== undefined; chunk = chunkAt(plan, chunk.endExclusive)) {
      const { start, endExclusive, last } = chunk;
      const answer = await agent.request({
        origin,
        path: pathname + search,
        method: 'PUT',
        headers: {
          'content-type': 'video/mp4',
          'content-length': String(endExclusive - start),
          'content-range': `bytes ${start}-${endExclusive - 1}/${size}`,
        },
        body: createReadStream(file, { start, end: endExclusive - 1, highWaterMark: READ_BYTES }),
      });
      await answer.body.dump();
      if (answer.statusCode !== (last ? 201 : 206)) throw new Error(`a chunk got ${answer.statusCode}`);
    }
  }),
);
await agent.close();
console.log('done');
