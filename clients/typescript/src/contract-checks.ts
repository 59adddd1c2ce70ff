import { deepEqual, equal, fail, match, notEqual, ok } from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { ConnectionState } from '../gen/glowtify/tiktok/v1/connection_pb.js';
import { type Post, PostState, PrivacyLevel } from '../gen/glowtify/tiktok/v1/post_pb.js';
import type { PublishPostRequestSchema } from '../gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoState } from '../gen/glowtify/tiktok/v1/video_pb.js';
import type { BreakableWay } from './breakable-way.ts';
import type { ConnectorClient } from './connector-client.ts';
import { ConnectorError } from './connector-error.ts';
import { requestId } from './request-id.ts';

/** What every check has: a service with a sandbox behind it, a workspace, an account that is connected there and a video. */
export type World = {
  /** Straight to the service. */
  readonly client: ConnectorClient;
  /** To the service by way of `way`, which the check may break. */
  readonly detour: ConnectorClient;
  readonly way: BreakableWay;
  /** How often the detour was taken for this method since the start, repeats included. */
  readonly attempts: (method: string) => number;
  readonly workspaceId: string;
  readonly connectionId: string;
  readonly videoId: string;
};

export type Check = { readonly name: string; readonly run: (world: World) => Promise<void> };

export const sample = (name: 'good.mp4' | 'silent.mp4'): string =>
  fileURLToPath(new URL(`../contract/${name}`, import.meta.url));

const DAY = 86_400_000;

/** Due tomorrow, so that nothing goes out unless a check wants it to. */
const aPost = ({ workspaceId, connectionId, videoId }: World) =>
  ({
    workspaceId,
    connectionId,
    requestId: requestId(),
    destination: 'tiktok',
    caption: `Contract test ${randomUUID()}`,
    video: { case: 'videoId', value: videoId },
    settings: { privacyLevel: PrivacyLevel.SELF_ONLY },
    scheduleTime: timestampFromMs(Date.now() + DAY),
  }) satisfies MessageInitShape<typeof PublishPostRequestSchema>;

const present = (post: Post | undefined): Post => post ?? fail('an answer without a post');

async function refused(call: Promise<unknown>, code: Code, reason: string): Promise<ConnectorError> {
  const error = await call.then(
    () => fail(`accepted, where ${reason} was expected`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConnectorError)) throw error;
  deepEqual([Code[error.code], error.reason], [Code[code], reason], error.message);
  notEqual(error.userMessage, '');
  ok(error.remedy, 'no remedy');
  return error;
}

/** What callers rely on. In this order: none needs what another one left behind. */
export const CHECKS: readonly Check[] = [
  {
    name: 'a connected account is there, and no answer holds a token',
    async run({ client, workspaceId, connectionId }) {
      const { connections } = await client.connections.listConnections({ workspaceId });
      const connection = connections.find((each) => each.connectionId === connectionId) ?? fail('it is not listed');
      equal(connection.state, ConnectionState.ACTIVE);
      equal(connection.workspaceId, workspaceId);
      deepEqual(
        Object.keys(connection).filter((field) => /token|secret/i.test(field)),
        [],
      );
      const { canPublish, privacyLevels } = await client.connections.getPublishingCapabilities({ connectionId });
      ok(canPublish);
      ok(privacyLevels.length > 0);
    },
  },
  {
    name: 'a video is READY with the bytes that were sent',
    async run({ client, workspaceId }) {
      const bytes = await readFile(sample('good.mp4'));
      const video = await client.uploadVideo(sample('good.mp4'), { workspaceId });
      deepEqual(
        [video.state, video.sha256, video.sizeBytes],
        [VideoState.READY, createHash('sha256').update(bytes).digest('hex'), BigInt(bytes.length)],
      );
      await client.videos.deleteVideo({ videoId: video.videoId, workspaceId });
    },
  },
  {
    name: 'a video that TikTok would not take is refused with findings, each with a remedy',
    async run({ client, workspaceId }) {
      const error = await refused(
        client.uploadVideo(sample('silent.mp4'), { workspaceId }),
        Code.InvalidArgument,
        'VIDEO_NO_AUDIO',
      );
      const finding = error.findings.find(({ code }) => code === 'VIDEO_NO_AUDIO') ?? fail('no finding says so');
      notEqual(finding.remedy, '');
      equal(error.retryable, false);
    },
  },
  {
    name: 'validate_only tells every violation at once and stores nothing',
    async run(world) {
      const { client, workspaceId } = world;
      const externalRef = randomUUID();
      const request = { ...aPost(world), validateOnly: true, externalRef };
      const wrong = { ...request, caption: 'x'.repeat(2_201), settings: {} };
      const error = await refused(client.posts.publishPost(wrong), Code.InvalidArgument, 'CAPTION_TOO_LONG');
      deepEqual(error.fieldViolations.map(({ field }) => field).sort(), ['caption', 'settings.privacy_level']);
      equal(present((await client.posts.publishPost(request)).post).postId, '');
      deepEqual((await client.posts.listPosts({ workspaceId, externalRef })).posts, []);
    },
  },
  {
    name: 'the same request_id gives the same post, however many at once',
    async run(world) {
      const request = aPost(world);
      const answers = await Promise.all(Array.from({ length: 20 }, () => world.client.posts.publishPost(request)));
      equal(new Set(answers.map(({ post }) => present(post).postId)).size, 1);
      equal(answers.filter(({ replayed }) => !replayed).length, 1);
    },
  },
  {
    name: 'a request_id with another payload is refused',
    async run(world) {
      const request = aPost(world);
      await world.client.posts.publishPost(request);
      const error = await refused(
        world.client.posts.publishPost({ ...request, caption: 'Another one' }),
        Code.InvalidArgument,
        'REQUEST_ID_REUSED',
      );
      equal(error.facts['request_id'], request.requestId);
    },
  },
  {
    name: 'what is not there and what is in another workspace answer alike',
    async run(world) {
      const { client } = world;
      const { postId } = present((await client.posts.publishPost(aPost(world))).post);
      const missing = `${postId.slice(0, -1)}${postId.endsWith('0') ? '1' : '0'}`;
      const other = { workspaceId: `${world.workspaceId}_other` };
      const [ofOther, ofMissing] = await Promise.all(
        [postId, missing].map((id) =>
          refused(client.posts.getPost({ postId: id, ...other }), Code.NotFound, 'NOT_FOUND'),
        ),
      );
      equal(ofOther?.message.replace(postId, missing), ofMissing?.message);
    },
  },
  {
    name: 'a refused call is not repeated; a stale etag is ABORTED and names the current one',
    async run(world) {
      const { client, detour, workspaceId } = world;
      const { postId, etag } = present((await client.posts.publishPost(aPost(world))).post);
      const change = { post: { postId, caption: 'Changed' }, updateMask: { paths: ['caption'] }, etag, workspaceId };
      const changed = present((await client.posts.updatePost(change)).post);
      notEqual(changed.etag, etag);
      const error = await refused(client.posts.updatePost(change), Code.Aborted, 'ETAG_MISMATCH');
      equal(error.facts['current_etag'], changed.etag);
      const before = world.attempts('GetPost');
      await refused(detour.posts.getPost({ postId: 'post_none', workspaceId }), Code.NotFound, 'NOT_FOUND');
      equal(world.attempts('GetPost') - before, 1);
    },
  },
  {
    name: 'a call whose answer was lost is repeated, and makes one post',
    async run(world) {
      const { client, detour, way, workspaceId } = world;
      await detour.posts.listPosts({ workspaceId, pageSize: 1 }); // the connection stands
      const externalRef = randomUUID();
      const before = world.attempts('PublishPost');
      way.swallowAnswers();
      const answer = detour.posts.publishPost({ ...aPost(world), externalRef });
      answer.catch(() => undefined); // awaited below
      const posts = await until(
        async () => (await client.posts.listPosts({ workspaceId, externalRef })).posts,
        (found) => found.length > 0,
      );
      way.breakOff();
      const { post, replayed } = await answer;
      deepEqual([present(post).postId, replayed], [posts[0]?.postId, true]);
      ok(world.attempts('PublishPost') - before >= 2);
      equal((await client.posts.listPosts({ workspaceId, externalRef })).posts.length, 1);
    },
  },
  {
    name: 'a watch that breaks goes on with the resume_token and misses nothing',
    async run(world) {
      const { client, detour, way, workspaceId } = world;
      const { postId } = present((await client.posts.publishPost(aPost(world))).post);
      const ended = new AbortController();
      const seen: string[] = [];
      let breaks = 0;
      const watch = detour.watchPosts(
        { workspaceId, postIds: [postId] },
        {
          signal: ended.signal,
          onBreak: () => {
            breaks += 1;
          },
        },
      );
      const rename = async (caption: string) => {
        const { etag } = present((await client.posts.getPost({ postId, workspaceId })).post);
        const updateMask = { paths: ['caption'] };
        await client.posts.updatePost({ post: { postId, caption }, updateMask, etag, workspaceId });
      };
      for await (const step of watch) {
        if (step.kind === 'FRESH') {
          await rename('first');
          continue;
        }
        const post = present(step.event.post);
        const change = `${post.caption} ${PostState[post.state]}`;
        // At least once: the same may come again.
        if (!seen.includes(change)) seen.push(change);
        if (post.caption === 'first' && breaks === 0) {
          // While nobody listens two more changes happen.
          way.breakOff();
          await rename('second');
          await client.posts.cancelPost({ postId, workspaceId });
        }
        if (post.state === PostState.CANCELLED) ended.abort();
      }
      equal(breaks, 1);
      deepEqual(seen.slice(-3), ['first SCHEDULED', 'second SCHEDULED', 'second CANCELLED']);
    },
  },
  {
    name: 'a post goes out once, and then can not be cancelled',
    async run(world) {
      const { client, workspaceId } = world;
      const request = aPost(world);
      let last: Post | undefined;
      for await (const post of client.publishAndWatch({ ...request, scheduleTime: timestampFromMs(Date.now()) })) {
        last = post;
      }
      const { postId, state, error } = present(last);
      equal(state, PostState.PUBLISHED, `it is ${PostState[state]}: ${error?.code} ${error?.message}`);
      const { attempts } = present((await client.posts.getPost({ postId, workspaceId })).post);
      equal(attempts.length, 1);
      const refusal = await refused(
        client.posts.cancelPost({ postId, workspaceId }),
        Code.FailedPrecondition,
        'POST_ALREADY_SENT',
      );
      deepEqual(
        refusal.preconditions.map(({ type, subject }) => [type, subject]),
        [['POST_ALREADY_SENT', postId]],
      );
    },
  },
  {
    name: 'cancelling twice changes nothing, and a cancelled post is at rest',
    async run(world) {
      const { client, workspaceId } = world;
      const { postId } = present((await client.posts.publishPost(aPost(world))).post);
      const once = present((await client.posts.cancelPost({ postId, workspaceId })).post);
      const twice = present((await client.posts.cancelPost({ postId, workspaceId })).post);
      deepEqual([once.state, twice.state, twice.etag], [PostState.CANCELLED, PostState.CANCELLED, once.etag]);
    },
  },
  {
    name: 'pages hold each post once, newest first, and a page token that is none is refused',
    async run(world) {
      const { client, workspaceId } = world;
      const externalRef = randomUUID();
      const made = new Set<string>();
      for (let number = 0; number < 3; number += 1) {
        made.add(present((await client.posts.publishPost({ ...aPost(world), externalRef })).post).postId);
      }
      const listed: string[] = [];
      let pageToken = '';
      do {
        const page = await client.posts.listPosts({ workspaceId, externalRef, pageSize: 2, pageToken });
        listed.push(...page.posts.map(({ postId }) => postId));
        ok(listed.length <= made.size, 'a post came twice');
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      deepEqual(listed, [...made].reverse());
      await refused(client.posts.listPosts({ workspaceId, pageToken: 'none' }), Code.InvalidArgument, 'FIELD_INVALID');
    },
  },
];

/** Asks until the answer fits; each question waits for the answer before. Gives up after as many as a minute takes at least. */
async function until<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  const giveUpAt = Date.now() + 60_000;
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    if (Date.now() > giveUpAt) return fail('it did not come within a minute');
  }
}

/** Ends what the checks left waiting. */
export async function cleanUp({ client, workspaceId }: World): Promise<void> {
  const waiting = { workspaceId, states: [PostState.SCHEDULED, PostState.PREPARING, PostState.HELD], pageSize: 500 };
  for (const { postId } of (await client.posts.listPosts(waiting)).posts) {
    await client.posts.cancelPost({ postId, workspaceId });
  }
}

/** The connection of `account`, made as a person would, in the sandbox. Throws before anything happens at TikTok itself. */
export async function connectInSandbox(client: ConnectorClient, workspaceId: string, account: string): Promise<string> {
  const { authorizeUri } = await client.connections.startConnection({ workspaceId });
  const { hostname } = new URL(authorizeUri);
  if (/(^|\.)tiktok\.com$/.test(hostname)) {
    throw new Error(`the service talks to TikTok itself (${hostname}): the contract test posts, so it needs a sandbox`);
  }
  const page = await fetch(`${authorizeUri}&auto_consent=${encodeURIComponent(account)}`);
  match(String(page.status), /^2/, `the sandbox or the callback answered ${page.status}: ${await page.text()}`);
  const { connections } = await client.connections.listConnections({ workspaceId });
  const connection = connections.find((each) => each.account?.username === account);
  return connection?.connectionId ?? fail(`${account} is not connected in ${workspaceId}`);
}
