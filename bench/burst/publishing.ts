import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import { Agent, type Dispatcher } from 'undici';
import { pollDelaySeconds } from '../../src/domain/post/pacing.ts';

type Answer = {
  readonly data: { readonly publish_id: string; readonly upload_url: string; readonly status: string };
  readonly error: { readonly code: string };
};

/** What the baselines publish, and how many at once, as the service does. */
export type PublishTask = {
  readonly origin: string;
  readonly posts: readonly { readonly accessToken: string; readonly caption: string }[];
  readonly videoFile: string;
  /** Posts at once, and how many of them may be sending bytes. */
  readonly postsAtOnce: number;
  readonly uploadsAtOnce: number;
};

export type Publishing = {
  /** The calls that publishing takes, until TikTok says that it is published. Throws when anything is refused. */
  publish(post: PublishTask['posts'][number]): Promise<void>;
  close(): Promise<void>;
};

/** Makes the HTTP calls that publishing takes, with the service's pauses before each look at the status, and remembers nothing. */
export async function publishing(task: PublishTask): Promise<Publishing> {
  const video = await readFile(task.videoFile);
  const agent = new Agent({ allowH2: false, headersTimeout: 0, bodyTimeout: 0 });
  const places = pLimit(task.postsAtOnce);
  const uploads = pLimit(task.uploadsAtOnce);

  async function ask(path: string, accessToken: string, body: object): Promise<Answer['data']> {
    const response = await agent.request({
      origin: task.origin,
      path,
      method: 'POST',
      headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json; charset=UTF-8' },
      body: JSON.stringify(body),
    });
    const { data, error } = JSON.parse(await text(response.body)) as Answer;
    if (error.code !== 'ok') throw new Error(`${path} answered ${error.code}`);
    return data;
  }

  async function send(uploadUrl: string): Promise<void> {
    const { origin, pathname, search } = new URL(uploadUrl);
    const response: Dispatcher.ResponseData = await agent.request({
      origin,
      path: pathname + search,
      method: 'PUT',
      headers: {
        'content-type': 'video/mp4',
        'content-length': String(video.length),
        'content-range': `bytes 0-${video.length - 1}/${video.length}`,
      },
      body: video,
    });
    await response.body.dump();
    if (response.statusCode !== 201) throw new Error(`the upload got ${response.statusCode}`);
  }

  async function publish({ accessToken, caption }: PublishTask['posts'][number]): Promise<void> {
    const publishId = await places(async () => {
      await ask('/v2/post/publish/creator_info/query/', accessToken, {});
      const { publish_id, upload_url } = await ask('/v2/post/publish/video/init/', accessToken, {
        post_info: { title: caption, privacy_level: 'SELF_ONLY', disable_comment: false, disable_duet: true },
        source_info: {
          source: 'FILE_UPLOAD',
          video_size: video.length,
          chunk_size: video.length,
          total_chunk_count: 1,
        },
      });
      await uploads(() => send(upload_url));
      return publish_id;
    });
    // Whoever waits for a verdict takes no place, in the service as well.
    for (let polls = 0; ; polls += 1) {
      await sleep(pollDelaySeconds(polls) * 1000);
      const { status } = await places(() =>
        ask('/v2/post/publish/status/fetch/', accessToken, { publish_id: publishId }),
      );
      if (status === 'PUBLISH_COMPLETE') return;
      if (status === 'FAILED') throw new Error(`${publishId} failed`);
    }
  }

  return { publish, close: () => agent.close() };
}
