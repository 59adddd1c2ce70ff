import { readFile } from 'node:fs/promises';
import { type PublishTask, publishing } from './publishing.ts';

/**
 * The baseline: makes the HTTP calls that publishing takes, as many at once as the service, and keeps no record. One process
 * without a database: what it takes is the price of TikTok and of Node. Run with a file that holds a `PublishTask`.
 */
export type BareLoopResult = {
  /** Milliseconds since 1970. */
  readonly beginTime: number;
  readonly lastPublishTime: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
};

const [, , taskFile = ''] = process.argv;
const task = JSON.parse(await readFile(taskFile, 'utf8')) as PublishTask;
const { publish, close } = await publishing(task);

const beginTime = Date.now();
await Promise.all(task.posts.map(publish));
const lastPublishTime = Date.now();
const { user, system } = process.cpuUsage();
const result: BareLoopResult = {
  beginTime,
  lastPublishTime,
  cpuSeconds: (user + system) / 1e6,
  peakBytes: process.resourceUsage().maxRSS * 1024,
};
console.log(JSON.stringify(result));
await close();
