import { readFile } from 'node:fs/promises';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { PostService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { ascending, percentile } from '../support/statistics.ts';
import { watchedWorkspace } from './watched.ts';

/**
 * Watches so many workspaces at once over gRPC. Says `begin` when it hears all of them, and what it heard when everything came, or nothing
 * more does. Run with a file that holds a `WatcherTask`.
 */
export type WatcherTask = {
  readonly url: string;
  readonly watchers: number;
  /** The first of them are no figure yet. */
  readonly warmUpEvents: number;
  readonly events: number;
};

export type WatcherResult = {
  /** Without the warm-up. */
  readonly events: number;
  /** From the time of the event until it was read. */
  readonly p50Seconds: number;
  readonly p99Seconds: number;
  readonly mostSeconds: number;
};

/** A connection takes a hundred streams at most. */
const WATCHERS_OF_A_CONNECTION = 90;

/** Who hears nothing for so long hears nothing more. */
const PATIENCE_MILLISECONDS = 20_000;

const [, , taskFile = ''] = process.argv;
const { url, watchers, warmUpEvents, events } = JSON.parse(await readFile(taskFile, 'utf8')) as WatcherTask;
const clients = Array.from({ length: Math.ceil(watchers / WATCHERS_OF_A_CONNECTION) }, () =>
  createClient(PostService, createGrpcTransport({ baseUrl: url })),
);
const delays: number[] = [];
let hearing = 0;
let lastHeard = Date.now();

async function watch(index: number): Promise<never> {
  const client = clients[index % clients.length];
  if (client === undefined) throw new Error('no connection');
  const onHeader = (): void => {
    hearing += 1;
    if (hearing === watchers) console.log('begin');
  };
  for await (const { event } of client.watchPosts({ workspaceId: watchedWorkspace(index) }, { onHeader })) {
    if (event?.eventTime === undefined) throw new Error('an event without a time');
    delays.push((Date.now() - timestampMs(event.eventTime)) / 1000);
    lastHeard = Date.now();
    if (delays.length === warmUpEvents + events) tellResult();
  }
  throw new Error('a watch ended');
}

function tellResult(): never {
  const counted = ascending(delays.slice(warmUpEvents));
  const result: WatcherResult = {
    events: counted.length,
    p50Seconds: percentile(counted, 0.5),
    p99Seconds: percentile(counted, 0.99),
    mostSeconds: percentile(counted, 1),
  };
  console.log(JSON.stringify(result));
  process.exit(0);
}

setInterval(() => {
  if (Date.now() - lastHeard > PATIENCE_MILLISECONDS) tellResult();
}, 1_000);
await Promise.all(Array.from({ length: watchers }, (_, index) => watch(index)));
