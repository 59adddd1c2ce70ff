import { anyone } from '../../../src/adapters/callers/anyone.ts';
import type { RpcNeeds, UseCases } from '../../../src/adapters/rpc/rpc-needs.ts';
import { NO_TRACES } from '../../../src/application/ports/traces.ts';
import { recordingLog } from '../../support/recording-log.ts';

export const NOW = new Date('2026-03-01T12:00:00.000Z');

const unexpected = (name: string) => () => Promise.reject(new Error(`${name} is not expected to be called`));

const NAMES = [
  'startConnection',
  'completeConnection',
  'getConnection',
  'listConnections',
  'refreshConnection',
  'disconnectConnection',
  'getPublishingCapabilities',
  'uploadVideo',
  'importVideo',
  'getVideo',
  'listVideos',
  'deleteVideo',
  'publishPost',
  'getPost',
  'listPosts',
  'updatePost',
  'cancelPost',
  'retryPost',
  'reconcilePost',
  'watchPosts',
  'watchConnections',
  'getPostMetrics',
  'listPostMetrics',
  'listPostMetricSnapshots',
  'getAccountMetrics',
] as const satisfies readonly (keyof UseCases)[];

/** Whatever a test doesn't name fails when it is called. */
export const fakeUseCases = (answers: Partial<UseCases>): UseCases => ({
  ...(Object.fromEntries(NAMES.map((name) => [name, unexpected(name)])) as Record<
    keyof UseCases,
    () => Promise<never>
  >),
  ...answers,
});

/** All is well, and stays so. */
const wellHealth: RpcNeeds['health'] = {
  start: () => undefined,
  stop: async () => undefined,
  now: () => ({ service: 'SERVING', engine: 'SERVING', tiktok: 'SERVING' }),
  onChange: () => () => undefined,
  look: async () => undefined,
};

export const fakeNeeds = (answers: Partial<UseCases>, needs: Partial<RpcNeeds> = {}): RpcNeeds => ({
  useCases: fakeUseCases(answers),
  clock: { now: () => NOW },
  log: recordingLog(),
  callers: anyone,
  onRefused: () => undefined,
  workspaceOf: async () => undefined,
  findConnection: async () => undefined,
  shareUri: (username, tiktokPostId) => `https://tiktok.example/@${username}/video/${tiktokPostId}`,
  profileUri: (username) => `https://tiktok.example/@${username}`,
  isSandbox: () => false,
  isUnavailable: () => false,
  health: wellHealth,
  traces: NO_TRACES,
  reflection: true,
  stopping: new AbortController().signal,
  ...needs,
});
