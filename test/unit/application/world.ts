import { asyncCallTrace } from '../../../src/adapters/system/async-call-trace.ts';
import { type AccountAccess, accountAccess } from '../../../src/application/account-access.ts';
import { type AdvancePost, advancePost } from '../../../src/application/advance-post.ts';
import { type AppTurns, appTurns } from '../../../src/application/app-turns.ts';
import { type AskTikTok, askTikTok } from '../../../src/application/ask-tiktok.ts';
import { type PlatformHealth, platformHealth } from '../../../src/application/platform-health.ts';
import type { Connections } from '../../../src/application/ports/connections.ts';
import type { Credentials } from '../../../src/application/ports/credentials.ts';
import type { FailPointName } from '../../../src/application/ports/fail-point.ts';
import type { Gates } from '../../../src/application/ports/gates.ts';
import type { Ids } from '../../../src/application/ports/ids.ts';
import type { Marks } from '../../../src/application/ports/marks.ts';
import type { MediaAddresses } from '../../../src/application/ports/media-addresses.ts';
import type { PendingAuthorizations } from '../../../src/application/ports/pending-authorizations.ts';
import type { PostEvents } from '../../../src/application/ports/post-events.ts';
import type { Lease, PostQueue } from '../../../src/application/ports/post-queue.ts';
import type { Posts } from '../../../src/application/ports/posts.ts';
import type { Turns } from '../../../src/application/ports/turns.ts';
import type { Upcoming } from '../../../src/application/ports/upcoming.ts';
import type { VideoFetcher } from '../../../src/application/ports/video-fetcher.ts';
import type { VideoStore } from '../../../src/application/ports/video-store.ts';
import type { WebhookInbox } from '../../../src/application/ports/webhook-inbox.ts';
import type { PostPolicy } from '../../../src/application/publish-post.ts';
import type { TikToks } from '../../../src/application/tiktoks.ts';
import type { Shift } from '../../../src/application/work-in-hand.ts';
import type { Active, Connection } from '../../../src/domain/connection/connection.ts';
import type { PostId, VideoId } from '../../../src/domain/ids.ts';
import type { Post } from '../../../src/domain/post/post.ts';
import { restingStep, type Step } from '../../../src/domain/post/step.ts';
import type { ReadyVideo, StoredFile, Video } from '../../../src/domain/video/video.ts';
import {
  aFinding,
  anAccount,
  anActiveConnection,
  aPolicy,
  aReadyVideo,
  aRequest,
  ids,
  later,
} from '../../support/builders.ts';
import { canonicalDigest } from '../../support/canonical-digest.ts';
import { FakeTikTok } from '../../support/fake-tiktok.ts';
import { type FixedClock, fixedClock } from '../../support/fixed-clock.ts';
import { inMemoryConnections } from '../../support/in-memory-connections.ts';
import { inMemoryCredentials } from '../../support/in-memory-credentials.ts';
import { type InMemoryDoorbell, inMemoryDoorbell } from '../../support/in-memory-doorbell.ts';
import { inMemoryGates } from '../../support/in-memory-gates.ts';
import { inMemoryMarks } from '../../support/in-memory-marks.ts';
import { inMemoryMediaAddresses } from '../../support/in-memory-media-addresses.ts';
import { type InMemoryMetrics, inMemoryMetrics } from '../../support/in-memory-metrics.ts';
import { inMemoryPendingAuthorizations } from '../../support/in-memory-pending-authorizations.ts';
import { inMemoryPosts } from '../../support/in-memory-posts.ts';
import { inMemoryTurns } from '../../support/in-memory-turns.ts';
import { inMemoryUpcoming } from '../../support/in-memory-upcoming.ts';
import { type InMemoryVideos, inMemoryVideos } from '../../support/in-memory-videos.ts';
import { inMemoryWebhookInbox } from '../../support/in-memory-webhook-inbox.ts';
import { type LogLine, recordingLog } from '../../support/recording-log.ts';
import { recordingMetrics } from '../../support/recording-metrics.ts';
import { recordingTraces } from '../../support/recording-traces.ts';

/** Stands for the end of the process: nothing behind it happens. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

export const LEASE_SECONDS = 60;

/** Everything the use cases need, in memory. A test changes what it is about. */
export class World {
  readonly clock: FixedClock = fixedClock();
  readonly trace = asyncCallTrace();
  readonly traces = recordingTraces();
  readonly tiktok = new FakeTikTok({
    heard: (call) => this.trace.record({ ...call, time: this.clock.now(), milliseconds: 1 }),
  });
  readonly tiktoks: TikToks = { default: 'OPEN', families: new Map([['OPEN', this.tiktok]]) };
  readonly ids: Ids = ids;
  readonly digest = canonicalDigest;
  readonly log: ReturnType<typeof recordingLog> = recordingLog();
  readonly metrics: ReturnType<typeof recordingMetrics> = recordingMetrics();
  readonly doorbell: InMemoryDoorbell = inMemoryDoorbell({ clock: this.clock });
  readonly pending: PendingAuthorizations = inMemoryPendingAuthorizations();
  readonly store: VideoStore = hollowVideoStore(async (id) => {
    const video = await this.videos.find(id);
    return video?.state === 'READY' ? video : undefined;
  });
  readonly #connections = inMemoryConnections({ clock: this.clock });
  connections: Connections = this.#connections;
  credentials: Credentials = inMemoryCredentials({
    clock: this.clock,
    isDisconnected: (id) => this.#connections.isDisconnected(id),
  });
  videos: InMemoryVideos = inMemoryVideos({ clock: this.clock });
  policy: PostPolicy = aPolicy();
  gates: Gates = inMemoryGates({ clock: this.clock });
  turns: Turns = inMemoryTurns({ clock: this.clock });
  appTurns: AppTurns = appTurns({
    // A test may change what keeps the turns.
    turns: {
      next: (...given) => this.turns.next(...given),
      take: (...given) => this.turns.take(...given),
      giveBack: (key) => this.turns.giveBack(key),
      exhaust: (...given) => this.turns.exhaust(...given),
    },
    tiktoks: this.tiktoks,
    traces: this.traces,
    clock: this.clock,
    wait: (seconds) => this.wait(seconds),
    stopping: new AbortController().signal,
  });
  health: PlatformHealth = platformHealth(this);
  readonly publicUrl = 'https://connector.example';
  addresses: MediaAddresses = inMemoryMediaAddresses({ clock: this.clock });
  marks: Marks = inMemoryMarks();
  inbox: WebhookInbox = inMemoryWebhookInbox({ clock: this.clock });
  /** 0 is without any jitter. */
  random: () => number = () => 0;
  posts: Posts;
  queue: PostQueue;
  upcoming: Upcoming;
  events: PostEvents;
  /** What was collected. */
  readonly measured: InMemoryMetrics;
  /** Seconds that were waited, as the code asked for them. The clock moves along. */
  readonly waits: number[] = [];
  /** Where the process ends, once. */
  crashAt: FailPointName | undefined;
  /** Whether a post may stay in hand until the first look at its verdict. */
  pauses = false;

  constructor() {
    const { posts, queue, events } = inMemoryPosts(this);
    this.posts = posts;
    this.queue = queue;
    this.upcoming = inMemoryUpcoming({ queue, videos: this.videos, clock: this.clock });
    this.events = events;
    this.measured = inMemoryMetrics({ clock: this.clock, connections: this.#connections, posts });
  }

  readonly failPoint = async (name: FailPointName): Promise<void> => {
    if (this.crashAt !== name) return;
    this.crashAt = undefined;
    throw new Crash(name);
  };

  readonly wait = async (seconds: number): Promise<void> => {
    this.waits.push(seconds);
    this.clock.advance(seconds);
  };

  readonly fetcher: VideoFetcher = {
    check: (uri) =>
      uri.startsWith('https://') ? [] : [aFinding({ code: 'URI_NOT_ALLOWED', field: 'video_uri', observed: uri })],
    fetch: async () => {
      throw new Error('nothing is fetched here');
    },
  };

  readonly stopping = new AbortController().signal;

  access(owner = 'this process'): AccountAccess {
    return accountAccess({ ...this, wait: this.wait, failPoint: this.failPoint, owner });
  }

  ask(access = this.access()): AskTikTok {
    return askTikTok({ ...this, access });
  }

  advance(): AdvancePost {
    const access = this.access();
    return advancePost({ ...this, access, ask: this.ask(access), leaseSeconds: 60, failPoint: this.failPoint });
  }

  /** A connected account whose tokens are good. */
  async givenConnection(parts: Partial<Active> = {}): Promise<Active> {
    const grant = this.tiktok.issue();
    const connection = anActiveConnection(parts);
    await this.connections.add(connection);
    await this.credentials.put({
      connectionId: connection.id,
      workspaceId: connection.workspaceId,
      accessToken: grant.accessToken,
      refreshToken: grant.refreshToken,
      accessExpireTime: connection.accessExpireTime,
      refreshExpireTime: connection.refreshExpireTime,
      refreshDueTime: later(43_200, this.clock.now()),
    });
    return connection;
  }

  async givenVideo(parts: Partial<ReadyVideo> = {}): Promise<ReadyVideo> {
    const video = aReadyVideo(parts);
    await this.videos.add(video);
    return video;
  }

  /** Connected accounts of their own, whose tokens are good beside each other. */
  async givenAccounts(count: number): Promise<readonly Active[]> {
    this.tiktok.keepsOlderPairs = true;
    const connections: Active[] = [];
    for (let account = 1; account <= count; account += 1) {
      connections.push(await this.givenConnection({ account: anAccount({ openId: `account-${account}` }) }));
    }
    return connections;
  }

  /** A post with a video of its own, and a connection of its own unless there is one. Looked at when its state says. */
  async givenPost<P extends Post>(
    build: (parts: Pick<Post, 'connectionId' | 'videoId'>) => P,
    {
      video,
      nextActionTime,
      connection: known,
    }: { readonly video?: Video; readonly nextActionTime?: Date; readonly connection?: Connection } = {},
  ): Promise<P> {
    const connection = known ?? (await this.givenConnection());
    const { id: videoId } = video ?? (await this.givenVideo());
    const post = build({ connectionId: connection.id, videoId });
    const step = nextActionTime === undefined ? restingStep(post) : { post, nextActionTime };
    const added = await this.posts.add(step, aRequest(), this.traces.here());
    if (!added.ok) throw new Error(`not added: ${added.error.code}`);
    return post;
  }

  async post(id: PostId): Promise<Post> {
    return (await this.step(id)).post;
  }

  async step(id: PostId): Promise<Step> {
    const step = await this.posts.find(id);
    if (step === undefined) throw new Error(`${id} is not there`);
    return step;
  }

  async connection(id: Connection['id']): Promise<Connection> {
    const connection = await this.connections.find(id);
    if (connection === undefined) throw new Error(`${id} is not there`);
    return connection;
  }

  /** Takes the earliest due post. */
  async claim(owner = 'worker'): Promise<Lease | undefined> {
    const [lease] = await this.queue.claim({ owner, limit: 1, leaseSeconds: LEASE_SECONDS, suspect: true });
    return lease;
  }

  /** Workers take the post that is due, one after the other, and each of them ends over it. It is due once more then. */
  async lapse(times: number): Promise<void> {
    for (let lapse = 0; lapse < times; lapse += 1) {
      if ((await this.claim(`lapse ${lapse}`)) === undefined) throw new Error('nothing is due');
      this.clock.advance(LEASE_SECONDS);
    }
  }

  /** One look of one worker: the earliest due post, advanced as far as it goes. False when nothing is due. */
  async work({
    owner = 'worker',
    shift = {},
  }: {
    readonly owner?: string;
    readonly shift?: Partial<Shift>;
  } = {}): Promise<boolean> {
    const lease = await this.claim(owner);
    if (lease === undefined) return false;
    await this.advance()(lease, { ...aShift, pause: async () => this.pauses, ...shift });
    return true;
  }

  /** One look of a whole process: every due post at once. Gives how many they were. */
  async workOnAll(): Promise<number> {
    const request = { owner: 'process', limit: 1000, leaseSeconds: LEASE_SECONDS, suspect: true };
    const leases = await this.queue.claim(request);
    const advance = this.advance();
    await Promise.all(leases.map((lease) => advance(lease, aShift)));
    return leases.length;
  }

  /** Lets time and workers go on until nothing is left to do. A crash is a worker's end; the next one has another name. */
  async workUntilQuiet({ withinDays = 9 }: { readonly withinDays?: number } = {}): Promise<void> {
    const end = later(withinDays * 86_400, this.clock.now());
    for (let worker = 1, looks = 0; ; looks += 1) {
      const earliest = await this.queue.earliest();
      if (earliest === undefined || earliest > end) return;
      if (looks > 10_000) throw new Error(`work never rests at ${this.clock.now().toISOString()}`);
      if (earliest > this.clock.now()) {
        this.clock.set(earliest);
        looks = 0;
      }
      try {
        await this.work({ owner: `worker ${worker}` });
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        worker += 1;
      }
    }
  }

  logged(level: LogLine['level']): readonly string[] {
    return this.log.lines.filter((line) => line.level === level).map(({ message }) => message);
  }
}

export const aShift: Shift = {
  signal: new AbortController().signal,
  ending: () => false,
  whenThereIsRoom: (_, send) => send(),
  pause: async () => false,
};

/** Holds no bytes, only their number: TikTok's fake counts them by the ranges it is sent. */
function hollowVideoStore(fileOf: (id: VideoId) => Promise<StoredFile | undefined>): VideoStore {
  const unused = async (): Promise<never> => {
    throw new Error('not used here');
  };
  return {
    put: unused,
    open: unused,
    size: async (id) => (await fileOf(id))?.sizeBytes,
    reading: (id) => ({
      async *bytes() {
        yield new Uint8Array(1);
      },
      digest: async () => (await fileOf(id))?.sha256,
    }),
    async *read() {
      yield new Uint8Array(1);
    },
    async *storedBefore() {},
    async delete() {},
  };
}
