import { expect } from 'vitest';
import type { EndpointName } from '../../sandbox/endpoint.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { GrpcClients } from './grpc-client.ts';
import { aPost, type Connection, connectNewAccount, type Post, publishedOnce, type Video } from './story.ts';

/**
 * How a post gets to TikTok: what differs for a test that means all of them. Where TikTok fetches, whatever is announced is
 * published without another word, so what an upload's orphan may never become the witness decides.
 */
export type Way = {
  readonly name: string;
  readonly transfer: 'UPLOAD' | 'PULL';
  /** For every process. */
  readonly environment: Readonly<Record<string, string>>;
  /** What TikTok is asked: to take a post, how it stands, what its account may do. */
  readonly announce: EndpointName;
  readonly status: EndpointName;
  readonly creator: EndpointName;
  /** An account of its own. */
  connect(
    story: { readonly clients: GrpcClients; readonly sandbox: Sandbox },
    properties?: Parameters<typeof connectNewAccount>[1],
  ): Promise<Connection>;
  post(connection: Connection, video: Video): ReturnType<typeof aPost>;
  /** Where TikTok tells by webhook; undefined: nowhere. */
  tell(sandbox: Sandbox, httpUrl: string | undefined): void;
  /** The person removes our app in TikTok's settings. */
  withdraw(sandbox: Sandbox, connection: Connection): void;
};

const openWay = {
  announce: 'video_init',
  status: 'status',
  creator: 'creator_info',
  connect: (story, properties) => connectNewAccount(story, properties),
  tell: (sandbox, httpUrl) =>
    void sandbox.control.changeApp({ webhookUrl: httpUrl === undefined ? null : `${httpUrl}/webhooks/tiktok` }),
  withdraw: (sandbox, { account }) => sandbox.control.disconnectAccount(account.username),
} as const satisfies Partial<Way>;

/** TikTok may be asked by nothing but its public list what became of it. */
const publicPost: Way['post'] = (connection, video) => {
  const request = aPost(connection, video);
  return { ...request, settings: { ...request.settings, privacy_level: 'PRIVACY_LEVEL_PUBLIC_TO_EVERYONE' } };
};

export const OPEN_UPLOAD: Way = {
  ...openWay,
  name: 'sent to the open family',
  transfer: 'UPLOAD',
  environment: {},
  post: aPost,
};

export const OPEN_PULL: Way = {
  ...openWay,
  name: 'fetched by the open family',
  transfer: 'PULL',
  environment: { TIKTOK_TRANSFER: 'pull' },
  post: publicPost,
};

export const BUSINESS: Way = {
  name: 'fetched by the Business family',
  transfer: 'PULL',
  environment: {},
  announce: 'business_publish',
  status: 'business_status',
  creator: 'business_settings',
  connect: (story, properties) => connectNewAccount(story, properties, { apiFamily: 'API_FAMILY_BUSINESS' }),
  post: publicPost,
  tell: (sandbox, httpUrl) =>
    void sandbox.control.changeBusinessApp({
      callbackUrls: httpUrl === undefined ? {} : { VIDEO: `${httpUrl}/webhooks/tiktok` },
    }),
  withdraw: (sandbox, { account }) => sandbox.control.disconnectAccount(account.username, 1, 'BUSINESS'),
};

/** One way of each family. */
export const FAMILIES: readonly Way[] = [OPEN_UPLOAD, BUSINESS];
export const PULLS: readonly Way[] = [OPEN_PULL, BUSINESS];

/** The judge's word: this post is on TikTok once, with these bytes, and nothing came of any other try. */
export function onTikTokOnce(way: Way, sandbox: Sandbox, post: Post, video: Pick<Video, 'sha256'>): void {
  if (way.transfer === 'UPLOAD') {
    publishedOnce(sandbox, post, video);
    return;
  }
  const { duplicates, posts, inits } = sandbox.control.ledger();
  expect(duplicates).toEqual([]);
  expect(posts.filter(({ title }) => title === post.caption).map(({ sha256 }) => sha256)).toEqual([video.sha256]);
  const others = inits.filter(({ title, stage }) => title === post.caption && stage !== 'COMPLETE');
  expect(others.map(({ stage }) => stage)).toEqual(others.map(() => 'FAILED'));
}
