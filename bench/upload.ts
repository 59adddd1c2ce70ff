import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Client } from 'pg';
import type { Ledger } from '../sandbox/ledger.ts';
import { PostState, PrivacyLevel } from '../src/adapters/rpc/gen/glowtify/tiktok/v1/post_pb.js';
import { PostService } from '../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoService } from '../src/adapters/rpc/gen/glowtify/tiktok/v1/video_service_pb.js';
import { bigMp4Stream } from '../test/support/big-mp4.ts';
import { setTheStage } from './burst/stage.ts';
import type { Bench } from './support/bench.ts';
import { type Child, startChild } from './support/child.ts';
import { comparison, type Figures, type Row, ratioOf, type Subject } from './support/comparison.ts';
import { errorsIn } from './support/errors-in.ts';
import { startSandboxProcess } from './support/sandbox-process.ts';
import { circumstances, circumstancesLine, surroundings } from './support/surroundings.ts';
import { startWorker } from './support/worker.ts';
import type { BarePutTask } from './upload/bare-put.ts';
import type { SenderResult, SenderTask } from './upload/sender.ts';

const MB = 1e6;
/** All of one workspace. */
const ACCOUNTS = 25;
const LOOK_MILLISECONDS = 200;
const PATIENCE_SECONDS = 120;
const PATIENCE_SECONDS_PER_MB = 0.2;
const GOAL_RATIO = 0.8;
const GOAL_BYTES = 64 * 2 ** 20;

export const upload: Bench<'megabytes' | 'atonce'> = {
  about: 'a large video in by RPC and out to TikTok, alone and several at once, against bare streams of the same bytes',
  flags: {
    megabytes: { fallback: 1_000, quick: 100, least: 1, most: 4_000, meaning: 'size of each video' },
    atonce: { fallback: 8, quick: 4, least: 2, most: ACCOUNTS, meaning: 'how many at once, after one alone' },
  },
  check: () => undefined,

  async run(options, resources, tell) {
    const around = await surroundings('upload', resources, tell);
    const { folder, server, tokenKeys } = around;
    const bytes = options.megabytes * MB;
    const sandbox = resources.use(await startSandboxProcess());
    const { url: databaseUrl } = await server.create('upload');
    const videoFolder = join(folder, 'videos');
    const [dataFolder, bareFolder] = [join(folder, 'data'), join(folder, 'bare')];
    await mkdir(dataFolder);
    await mkdir(bareFolder);
    tell('preparing accounts and a file');
    const accounts = await sandbox.addAccounts(ACCOUNTS);
    await setTheStage({ databaseUrl, tokenKeys, videoFolder, accounts, posts: 0 });
    const connections = await connectionsIn(databaseUrl);
    const file = join(folder, 'bench.mp4');
    await writeFile(file, await bigMp4Stream(bytes));

    const worker = await startWorker({ sandbox, databaseUrl, tokenKeys, folder: dataFolder, videoFolder, resources });
    const transport = createGrpcTransport({ baseUrl: worker.rpcUrl });
    const [posts, videos] = [createClient(PostService, transport), createClient(VideoService, transport)];
    const receiver = resources.use(startChild('bench/upload/bare-receiver.ts', { FOLDER: bareFolder }));
    const ready = await receiver.line((line) => line.includes('"msg":"ready"'), 'it was ready');
    const receiverUrl = (JSON.parse(ready) as { url: string }).url;
    const workspaceId = connections[0]?.workspaceId ?? '';

    /** What `work` gives, and the memory beyond what the process had before. */
    async function withMemory<R>(child: Child, work: () => Promise<R>) {
      await child.forgetPeak();
      const before = (await child.usage())?.residentBytes;
      const cpuBefore = (await child.usage())?.cpuSeconds;
      const value = await work();
      const after = await child.usage();
      return {
        value,
        overBytes: before === undefined || after === undefined ? undefined : after.peakBytes - before,
        cpuSeconds: cpuBefore === undefined || after === undefined ? undefined : after.cpuSeconds - cpuBefore,
      };
    }

    async function send(as: SenderTask['as'], url: string, size: number, atOnce: number): Promise<SenderResult> {
      const task: SenderTask = { url, as, workspaceId, bytes: size, atOnce };
      const taskFile = join(folder, 'sender.json');
      await writeFile(taskFile, JSON.stringify(task));
      const child = resources.use(startChild('bench/upload/sender.ts', {}, [taskFile]));
      const result = JSON.parse(await child.line((line) => line.startsWith('{'), 'it was done')) as SenderResult;
      await child.stop();
      return result;
    }

    let next = 0;
    const caption = (): string => `Upload ${next++}`;

    /** From the first announcement until the last byte was taken, by the sandbox's clock. */
    async function sentSeconds(captions: readonly string[]): Promise<number> {
      const deadline =
        Date.now() + (PATIENCE_SECONDS + options.megabytes * captions.length * PATIENCE_SECONDS_PER_MB) * 1000;
      for (;;) {
        const ledger = await sandbox.ledger();
        const done = ledger.posts.filter(({ title }) => captions.includes(title));
        if (done.length === captions.length) return secondsOf(ledger, captions);
        if (Date.now() > deadline)
          throw new Error(`${captions.length - done.length} videos did not get to TikTok in time`);
        await sleep(LOOK_MILLISECONDS);
      }
    }

    /** Ends when the service knows that they are published: before, it may still need the bytes. */
    async function publish(videoIds: readonly string[]): Promise<number> {
      const made = await Promise.all(
        videoIds.map(async (videoId) => {
          const text = caption();
          const connection = connections[next % connections.length];
          if (connection === undefined) throw new Error('no account');
          const { post } = await posts.publishPost({
            ...connection,
            video: { case: 'videoId', value: videoId },
            requestId: text,
            destination: 'tiktok',
            caption: text,
            settings: { privacyLevel: PrivacyLevel.SELF_ONLY, allowComment: true },
          });
          return { text, postId: post?.postId ?? '' };
        }),
      );
      const seconds = await sentSeconds(made.map(({ text }) => text));
      for (const { postId } of made) {
        for (;;) {
          const { post } = await posts.getPost({ postId });
          if (post?.state === PostState.PUBLISHED) break;
          if (post?.state === PostState.FAILED) throw new Error(`${postId} failed: ${post.error?.message}`);
          await sleep(LOOK_MILLISECONDS);
        }
      }
      return seconds;
    }

    async function put(count: number): Promise<number> {
      const tasked = Array.from({ length: count }, () => {
        const text = caption();
        return { caption: text, accessToken: accounts[next % accounts.length]?.tokens.access_token ?? '' };
      });
      const task: BarePutTask = { origin: sandbox.origin, file, posts: tasked };
      const taskFile = join(folder, 'put.json');
      await writeFile(taskFile, JSON.stringify(task));
      const child = resources.use(startChild('bench/upload/bare-put.ts', {}, [taskFile]));
      await child.line((line) => line === 'done', 'it was done');
      await child.stop();
      return sentSeconds(tasked.map((each) => each.caption));
    }

    async function round(atOnce: number): Promise<{ readonly service: Figures; readonly bare: Figures }> {
      const suffix = atOnce === 1 ? '1' : 'N';
      const total = bytes * atOnce;
      const bareIn = await withMemory(receiver, () => send('BODY', receiverUrl, bytes, atOnce));
      const rpcIn = await withMemory(worker, () => send('RPC', worker.rpcUrl, bytes, atOnce));
      const bareOut = await put(atOnce);
      const { videoIds } = rpcIn.value;
      const out = await withMemory(worker, () => publish(videoIds));
      // The disk has no room for all of all rounds.
      await Promise.all(videoIds.map((videoId) => videos.deleteVideo({ videoId, workspaceId })));
      return {
        service: {
          [`inBytesPerSecond${suffix}`]: total / rpcIn.value.seconds,
          [`inCpuSeconds${suffix}`]: rpcIn.cpuSeconds && (rpcIn.cpuSeconds / total) * 1e9,
          [`inOverBytes${suffix}`]: rpcIn.overBytes,
          [`outBytesPerSecond${suffix}`]: total / out.value,
          [`outCpuSeconds${suffix}`]: out.cpuSeconds && (out.cpuSeconds / total) * 1e9,
          [`outOverBytes${suffix}`]: out.overBytes,
        },
        bare: {
          [`inBytesPerSecond${suffix}`]: total / bareIn.value.seconds,
          [`inCpuSeconds${suffix}`]: bareIn.cpuSeconds && (bareIn.cpuSeconds / total) * 1e9,
          [`inOverBytes${suffix}`]: bareIn.overBytes,
          [`outBytesPerSecond${suffix}`]: total / bareOut,
        },
      };
    }

    tell('warming up');
    await send('BODY', receiverUrl, 8 * MB, 2);
    await publish((await send('RPC', worker.rpcUrl, 8 * MB, 2)).videoIds);
    const rounds: { readonly service: Figures; readonly bare: Figures }[] = [];
    for (let each = 1; each <= options.repeat; each += 1) {
      tell(`round ${each} of ${options.repeat}, one alone`);
      const alone = await round(1);
      tell(`round ${each} of ${options.repeat}, ${options.atonce} at once`);
      const together = await round(options.atonce);
      rounds.push({
        service: { ...alone.service, ...together.service },
        bare: { ...alone.bare, ...together.bare },
      });
    }
    await worker.stop();

    const ours: Subject = { name: 'service', rounds: rounds.map((each) => each.service) };
    const theirs: Subject = { name: 'bare streams', rounds: rounds.map((each) => each.bare) };
    const over = (figure: string) => ours.rounds.map((each) => each[figure]);
    const ways = [
      { name: 'in1', figure: 'inBytesPerSecond1', label: 'one in' },
      { name: 'out1', figure: 'outBytesPerSecond1', label: 'one out' },
      { name: 'inN', figure: 'inBytesPerSecondN', label: `${options.atonce} in at once` },
      { name: 'outN', figure: 'outBytesPerSecondN', label: `${options.atonce} out at once` },
    ];
    return comparison({
      about: `Videos of ${options.megabytes} MB. ${circumstancesLine(around, options.repeat)}`,
      circumstances: circumstances(around, options),
      sections: [{ name: '', subjects: [ours, theirs], rows: rowsFor(options.atonce) }],
      ratios: ways.map(({ name, figure, label }) => ({
        name,
        label: `bytes per second, ${label}, to the bare stream`,
        rounds: ratioOf(figure, ours, theirs),
      })),
      goals: [
        ...ways.map(({ figure, label }) => ({
          text: `${label}: at least ${GOAL_RATIO} × the bare stream`,
          rounds: ratioOf(figure, ours, theirs),
          limit: { atLeast: GOAL_RATIO },
          unit: '×',
        })),
        ...[
          { figure: 'inOverBytesN', label: `${options.atonce} in at once` },
          { figure: 'outOverBytesN', label: `${options.atonce} out at once` },
        ].map(({ figure, label }) => ({
          text: `${label}: at most 64 MiB more memory`,
          rounds: over(figure),
          limit: { atMost: GOAL_BYTES },
          unit: 'MiB',
          factor: 1 / 2 ** 20,
        })),
      ],
      failures: errorsIn(worker.lines()),
    });
  },
};

const rowsFor = (atOnce: number): readonly Row[] =>
  [
    ['one alone', '1'],
    [`${atOnce} at once`, 'N'],
  ].flatMap(([label, suffix]): readonly Row[] => [
    [`in, ${label}`, `inBytesPerSecond${suffix}`, 'MB/s', 1 / MB],
    [`CPU per GB in, ${label}`, `inCpuSeconds${suffix}`, 's', 1],
    [`memory beyond that before, in, ${label}`, `inOverBytes${suffix}`, 'MiB', 1 / 2 ** 20],
    [`out, ${label}`, `outBytesPerSecond${suffix}`, 'MB/s', 1 / MB],
    [`CPU per GB out, ${label}`, `outCpuSeconds${suffix}`, 's', 1],
    [`memory beyond that before, out, ${label}`, `outOverBytes${suffix}`, 'MiB', 1 / 2 ** 20],
  ]);

function secondsOf(ledger: Ledger, captions: readonly string[]): number {
  const inits = ledger.inits.filter(({ title }) => title !== null && captions.includes(title));
  const ids = new Set(inits.map(({ publishId }) => publishId));
  const taken = ledger.uploads.filter(({ publishId }) => ids.has(publishId)).flatMap(({ ranges }) => ranges);
  const first = Math.min(...inits.map(({ initTime }) => initTime));
  return (Math.max(...taken.map(({ time }) => time)) - first) / 1000;
}

async function connectionsIn(databaseUrl: string) {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ readonly connectionId: string; readonly workspaceId: string }>(
      'select id as "connectionId", workspace_id as "workspaceId" from connection order by id',
    );
    return rows;
  } finally {
    await client.end();
  }
}
