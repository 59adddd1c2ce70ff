import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { durationMs, timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Client, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { AnalyticsService } from '../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_service_pb.js';
import { ApiFamily } from '../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_pb.js';
import { ConnectionService } from '../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_service_pb.js';
import {
  type Post,
  PostState,
  PrivacyLevel,
  PublishingPhase,
} from '../src/adapters/rpc/gen/glowtify/tiktok/v1/post_pb.js';
import { PostService } from '../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { type Finding, FindingSchema, Severity } from '../src/adapters/rpc/gen/glowtify/tiktok/v1/publish_error_pb.js';
import { VideoService } from '../src/adapters/rpc/gen/glowtify/tiktok/v1/video_service_pb.js';
import { readConfig } from '../src/config.ts';
import { type Stop, startService } from '../src/service.ts';
import { writeReport } from './report/write-report.ts';

/**
 * The main job, end to end, in a temporary folder: the embedded PostgreSQL, the sandbox and the service are started, accounts
 * are connected, a real video is published now and five seconds ahead, a bad one is refused, a lost grant is mended, and what TikTok
 * counts of the account becomes a page to look at.
 */
const WORKSPACE = 'ws_demo';
const LEAD_SECONDS = 5;
/**
 * The families differ in what an account may do: in the open one the second account is private and posts for itself, in the Business
 * one every post is public.
 */
const FAMILIES = {
  open: {
    apiFamily: ApiFamily.OPEN,
    second: { account: 'glow.private', caption: 'For friends only', privacyLevel: PrivacyLevel.SELF_ONLY },
  },
  business: {
    apiFamily: ApiFamily.BUSINESS,
    second: { account: 'glow.short', caption: 'Rolls, too', privacyLevel: PrivacyLevel.PUBLIC_TO_EVERYONE },
  },
} as const;
type FamilyName = keyof typeof FAMILIES;
const isFamilyName = (name: string): name is FamilyName => Object.hasOwn(FAMILIES, name);

const USAGE = 'npm run demo -- [--family open|business] [--json]';

function readFlags(): { readonly family: FamilyName; readonly asJson: boolean } {
  const options = { family: { type: 'string', default: 'open' }, json: { type: 'boolean', default: false } } as const;
  try {
    const { family, json } = parseArgs({ options }).values;
    if (isFamilyName(family)) return { family, asJson: json };
    console.error(`--family: seen "${family}"; choose open or business.\n${USAGE}`);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
  process.exit(1);
}

const { family, asJson } = readFlags();
const { apiFamily, second } = FAMILIES[family];
const began = performance.now();

const tell = (text: string): void =>
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${text}`);

/** Ports nobody listens on right now, all different. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve, reject) =>
        server.once('error', reject).listen(0, '127.0.0.1', () => resolve(server)),
      );
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('a server without a port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

type Clients = {
  readonly connections: Client<typeof ConnectionService>;
  readonly videos: Client<typeof VideoService>;
  readonly posts: Client<typeof PostService>;
  readonly analytics: Client<typeof AnalyticsService>;
  readonly transport: Transport;
  readonly sandbox: string;
};

async function tellSandbox({ sandbox }: Clients, path: string, body: unknown): Promise<void> {
  const answer = await fetch(`${sandbox}/_sandbox/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`the sandbox answered ${answer.status}: ${await answer.text()}`);
}

const DAY_MS = 86_400_000;
/** What the bakery posted in the app, long before it was connected: how many days ago, and how many will have seen it in the end. */
const EARLIER = [
  { daysAgo: 45, caption: 'How we roll croissants #bakery', finalViews: 48_000 },
  { daysAgo: 31, caption: 'Four in the morning', finalViews: 12_500 },
  { daysAgo: 17, caption: 'The oven is hot #bread', finalViews: 87_000 },
  { daysAgo: 6, caption: 'Sourdough, day 3', finalViews: 31_000 },
];

const postEarlier = (clients: Clients, account: string): Promise<void> =>
  tellSandbox(
    clients,
    `accounts/${account}/videos`,
    EARLIER.map(({ daysAgo, caption, finalViews }) => ({
      createTime: Date.now() - daysAgo * DAY_MS,
      caption,
      durationSeconds: 18,
      model: { finalViews, halfLifeMs: 3 * DAY_MS },
    })),
  );

/** Once the service has read the account and all of its earlier videos: a page about them. */
async function reportOn({ analytics, transport }: Clients, connectionId: string, file: string): Promise<number> {
  for (;;) {
    const { metrics } = await analytics.getAccountMetrics({ connectionId });
    const { postMetrics } = await analytics.listPostMetrics({ workspaceId: WORKSPACE, connectionIds: [connectionId] });
    const counted = postMetrics.filter(({ views }) => views?.value !== undefined);
    if (metrics?.collectTime !== undefined && counted.length >= EARLIER.length) {
      await writeReport({ transport }, { connection: connectionId }, file);
      return counted.reduce((sum, { views }) => sum + Number(views?.value), 0);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** What the person does: opens the address, agrees, and is sent back to us. */
async function connect({ connections }: Clients, account: string, reconnectConnectionId = ''): Promise<string> {
  const { authorizeUri, state } = await connections.startConnection({
    workspaceId: WORKSPACE,
    reconnectConnectionId,
    apiFamily,
  });
  const page = await fetch(`${authorizeUri}&auto_consent=${account}`);
  if (!page.ok) throw new Error(`the callback for ${state.slice(0, 6)}… answered ${page.status}: ${await page.text()}`);
  const { connections: all } = await connections.listConnections({ workspaceId: WORKSPACE });
  const connection = all.find((each) => each.account?.username === account);
  if (connection === undefined) throw new Error(`${account} is not connected`);
  return connection.connectionId;
}

async function upload({ videos }: Clients, file: string): Promise<string> {
  const bytes = await readFile(new URL(`../test/fixtures/videos/${file}`, import.meta.url));
  async function* messages() {
    const metadata = { workspaceId: WORKSPACE, fileName: file, sizeBytes: BigInt(bytes.length) };
    yield { payload: { case: 'metadata' as const, value: metadata } };
    for (let at = 0; at < bytes.length; at += 65_536) {
      yield { payload: { case: 'chunk' as const, value: bytes.subarray(at, at + 65_536) } };
    }
  }
  const { video } = await videos.uploadVideo(messages());
  if (video === undefined) throw new Error('the upload gave no video');
  const { spec } = video;
  tell(
    `uploaded ${file}: ${spec?.videoCodec} ${spec?.width}×${spec?.height}, ${spec?.audioCodec} sound, ${bytes.length} bytes`,
  );
  return video.videoId;
}

async function refusedFindings(clients: Clients, file: string): Promise<readonly Finding[]> {
  try {
    await upload(clients, file);
  } catch (error) {
    if (error instanceof ConnectError) return error.findDetails(FindingSchema);
    throw error;
  }
  throw new Error(`${file} should have been refused`);
}

const describe = (post: Post): string => {
  const state = PostState[post.state];
  const phase = post.phase === PublishingPhase.UNSPECIFIED ? '' : `, ${PublishingPhase[post.phase].toLowerCase()}`;
  const lateness =
    post.dispatchLateness === undefined ? '' : `, ${durationMs(post.dispatchLateness)} ms after its time`;
  const link = post.shareUri === '' ? '' : `, ${post.shareUri}`;
  return `"${post.caption}" is ${state}${phase}${post.state === PostState.PUBLISHED ? lateness + link : ''}`;
};

/** Follows all posts, tells of every change, and resolves what `wanted` posts look like when each has got there. */
async function follow({ posts }: Clients, watching: AbortController) {
  const seen = new Map<string, Post>();
  const waiting = new Set<() => void>();
  const stream = posts.watchPosts({ workspaceId: WORKSPACE }, { signal: watching.signal });
  const reading = (async () => {
    for await (const { event } of stream) {
      const post = event?.post;
      if (post === undefined) continue;
      const told = seen.get(post.postId);
      seen.set(post.postId, post);
      if (told === undefined || describe(told) !== describe(post)) tell(describe(post));
      for (const look of waiting) look();
    }
  })().catch((error) => {
    if (!watching.signal.aborted) throw error;
  });
  reading.catch(() => undefined); // whoever awaits it hears of it
  return {
    reading,
    until: (postId: string, done: (post: Post) => boolean): Promise<Post> =>
      new Promise((resolve) => {
        const look = (): void => {
          const post = seen.get(postId);
          if (post === undefined || !done(post)) return;
          waiting.delete(look);
          resolve(post);
        };
        waiting.add(look);
        look();
      }),
  };
}

async function story(clients: Clients): Promise<Record<string, unknown>> {
  const { posts, connections, sandbox } = clients;
  const watching = new AbortController();
  const watch = await follow(clients, watching);

  await postEarlier(clients, 'glow.bakery');
  const bakery = await connect(clients, 'glow.bakery');
  const { nickname, privacyLevels } = await connections.getPublishingCapabilities({ connectionId: bakery });
  tell(`connected ${nickname}; it may post to ${privacyLevels.map((level) => PrivacyLevel[level]).join(', ')}`);
  const videoId = await upload(clients, 'vertical.mp4');

  const publish = async (connectionId: string, caption: string, privacyLevel: PrivacyLevel, scheduleMs?: number) => {
    const { post } = await posts.publishPost({
      workspaceId: WORKSPACE,
      connectionId,
      requestId: crypto.randomUUID(),
      destination: 'tiktok',
      caption,
      video: { case: 'videoId', value: videoId },
      settings: { privacyLevel, allowComment: true },
      ...(scheduleMs === undefined ? {} : { scheduleTime: timestampFromMs(scheduleMs) }),
    });
    if (post === undefined) throw new Error('no post came back');
    return post;
  };
  const hasLink = (post: Post): boolean => post.state === PostState.PUBLISHED && post.shareUri !== '';

  const now = await publish(bakery, 'Fresh bread, now #bakery', PrivacyLevel.PUBLIC_TO_EVERYONE);
  const later = await publish(
    bakery,
    `Fresh bread, in ${LEAD_SECONDS} seconds #bakery`,
    PrivacyLevel.PUBLIC_TO_EVERYONE,
    Date.now() + LEAD_SECONDS * 1000,
  );
  if (later.scheduleTime !== undefined) tell(`scheduled for ${timestampDate(later.scheduleTime).toISOString()}`);

  const findings = await refusedFindings(clients, 'short-2.9s.mp4');
  for (const finding of findings) {
    tell(`refused short-2.9s.mp4: ${Severity[finding.severity]} ${finding.code}: ${finding.message} ${finding.remedy}`);
  }

  const other = await connect(clients, second.account);
  await tellSandbox(clients, `accounts/${second.account}/revoke`, { family: family.toUpperCase() });
  tell(`${second.account} removed our app in its TikTok settings`);
  const waiting = await publish(other, second.caption, second.privacyLevel);
  const held = await watch.until(waiting.postId, ({ state }) => state === PostState.HELD);
  tell(`it waits: ${held.error?.message} ${held.error?.remedy}`);
  await connect(clients, second.account, other);
  tell(`${second.account} is reconnected`);

  const done = await Promise.all([
    watch.until(now.postId, hasLink),
    watch.until(later.postId, hasLink),
    watch.until(waiting.postId, ({ state }) => state === PostState.PUBLISHED),
  ]);
  watching.abort();
  await watch.reading;

  const ledger = (await (await fetch(`${sandbox}/_sandbox/ledger`)).json()) as {
    inits: { family: string }[];
    posts: unknown[];
    duplicates: unknown[];
  };
  const strays = ledger.inits.filter((init) => init.family !== family.toUpperCase());
  tell(`the sandbox counts ${ledger.posts.length} posts, ${ledger.duplicates.length} of them double`);

  const views = await reportOn(clients, bakery, reportFile);
  tell(
    `the bakery's earlier videos were seen ${views.toLocaleString('en')} times; open ${reportFile} to look at its account`,
  );
  const [, scheduled] = done;
  return {
    ok: ledger.posts.length === done.length && ledger.duplicates.length === 0 && strays.length === 0,
    family,
    published: done.length,
    scheduled_lateness_ms: scheduled.dispatchLateness === undefined ? null : durationMs(scheduled.dispatchLateness),
    duplicates: ledger.duplicates.length,
    findings: findings.map(({ code, observed, limit, message, remedy }) => ({
      code,
      observed,
      limit,
      message,
      remedy,
    })),
    held: { reason: 'RECONNECT', code: held.error?.code, remedy: held.error?.remedy },
    links: done.map(({ shareUri }) => shareUri).filter((uri) => uri !== ''),
    views,
    report: reportFile,
  };
}

/** What is left of the demo. */
const reportFile = join('data', `demo-report-${family}.html`);
const folder = await mkdtemp(join(tmpdir(), 'tiktok-connector-demo-'));
let stop: Stop = async () => undefined;

let ending: Promise<never> | undefined;

/** Leaves nothing behind but the report: PostgreSQL would go on running without us. What fails after that is of no interest. */
function end(code: number): Promise<never> {
  ending ??= (async () => {
    await stop();
    await rm(folder, { recursive: true });
    process.exit(code);
  })();
  return ending;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end(130));

try {
  const [rpcPort, httpPort, sandboxPort] = await freePorts(3);
  tell('starting PostgreSQL, the sandbox and the service; nothing of this reaches TikTok, and its links lead nowhere');
  stop = await startService(
    readConfig({
      DATA_DIR: folder,
      RPC_PORT: String(rpcPort),
      HTTP_PORT: String(httpPort),
      SANDBOX_PORT: String(sandboxPort),
      LOG_LEVEL: 'error',
      // The only setting that is handed on: its traces, for `npm run traces`.
      OTEL_EXPORTER_OTLP_ENDPOINT: process.env['OTEL_EXPORTER_OTLP_ENDPOINT'],
    }),
  );
  await mkdir('data', { recursive: true });
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${rpcPort}` });
  const result = await story({
    transport,
    connections: createClient(ConnectionService, transport),
    videos: createClient(VideoService, transport),
    posts: createClient(PostService, transport),
    analytics: createClient(AnalyticsService, transport),
    sandbox: `http://127.0.0.1:${sandboxPort}`,
  });
  tell(result['ok'] ? 'done: everything went out once' : 'done, but not as it should');
  if (asJson) console.log(JSON.stringify(result));
  await end(result['ok'] ? 0 : 1);
} catch (error) {
  if (ending === undefined) console.error(error);
  await end(1);
}
