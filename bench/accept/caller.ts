import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { PrivacyLevel } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_pb.js';
import { PostService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { ascending, percentile } from '../support/statistics.ts';

/** Calls `PublishPost` over gRPC for a while, so many calls at once on one connection. Run with a file that holds a `CallerTask`. */
export type CallerTask = {
  readonly url: string;
  readonly callers: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** The posts go to them in turn. */
  readonly accounts: readonly {
    readonly workspaceId: string;
    readonly connectionId: string;
    readonly videoId: string;
  }[];
};

/** Without the warm-up, which ends with a line `begin`. */
export type CallerResult = {
  readonly calls: number;
  readonly seconds: number;
  readonly p50Seconds: number;
  readonly p99Seconds: number;
};

const TOMORROW_MILLISECONDS = 86_400_000;

const [, , taskFile = ''] = process.argv;
const { url, callers, warmUpSeconds, seconds, accounts } = JSON.parse(await readFile(taskFile, 'utf8')) as CallerTask;
const client = createClient(PostService, createGrpcTransport({ baseUrl: url }));
const scheduleTime = timestampFromDate(new Date(Date.now() + TOMORROW_MILLISECONDS));
let next = 0;

/** Ends with the first call that fails: its figures would mean nothing. */
async function publish(): Promise<void> {
  const index = next++;
  const account = accounts[index % accounts.length];
  if (account === undefined) throw new Error('a call without an account');
  const { post } = await client.publishPost({
    workspaceId: account.workspaceId,
    connectionId: account.connectionId,
    video: { case: 'videoId', value: account.videoId },
    requestId: randomUUID(),
    destination: 'tiktok',
    caption: `Accepted ${index}`,
    scheduleTime,
    settings: { privacyLevel: PrivacyLevel.SELF_ONLY, allowComment: true },
  });
  if (post === undefined || post.postId === '') throw new Error('an answer without a post');
}

/** How long each call took, in seconds. */
async function callFor(lengthSeconds: number): Promise<readonly number[]> {
  const took: number[] = [];
  const end = performance.now() + lengthSeconds * 1000;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() < end) {
        const began = performance.now();
        await publish();
        took.push((performance.now() - began) / 1000);
      }
    }),
  );
  return took;
}

await callFor(warmUpSeconds);
console.log('begin');
const began = performance.now();
const took = ascending(await callFor(seconds));
const result: CallerResult = {
  calls: took.length,
  seconds: (performance.now() - began) / 1000,
  p50Seconds: percentile(took, 0.5),
  p99Seconds: percentile(took, 0.99),
};
console.log(JSON.stringify(result));
process.exit(0);
