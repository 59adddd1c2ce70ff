import { createHash } from 'node:crypto';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { fixtureVideo, inChunks } from '../support/fixture-videos.ts';
import type { Message } from '../support/grpc-client.ts';
import { type Calls, reasonOf } from './calls.ts';

/** A video that the service took in. The digest is ours, of the bytes we sent. */
export type TakenVideo = { readonly videoId: string; readonly sha256: string };

/** What the posts of a run share. */
export type Videos = {
  /** One chunk each. */
  readonly small: readonly TakenVideo[];
  /** Several chunks each, with the shortest chunks that TikTok takes. */
  readonly long: readonly TakenVideo[];
};

/** The shortest `TIKTOK_CHUNK_BYTES` that the service takes: the files of several chunks may then be small. */
export const CHUNK_BYTES = 2 * 5 * 1024 * 1024;
const SMALL_FILES = ['vertical.mp4', 'vertical.mov', 'landscape.mp4', 'index-at-end.mp4'];
const LONG_SIZES = [2 * CHUNK_BYTES + 1_000, 3 * CHUNK_BYTES + 1_000];
/** Larger than any file of ours can be with its number. */
const OWN_VIDEO_BYTES = 100_000;
const MESSAGE_BYTES = 1024 * 1024;
const DEADLINE_MILLISECONDS = 20_000;
const MOST_REFUSALS = 3;

export async function takeInVideos(calls: Calls, workspaceId: string): Promise<Videos> {
  const small: TakenVideo[] = [];
  const long: TakenVideo[] = [];
  for (const file of SMALL_FILES) {
    const bytes = await fixtureVideo(file);
    small.push(await upload(calls, workspaceId, async () => inChunks(bytes, MESSAGE_BYTES)));
  }
  for (const size of LONG_SIZES) long.push(await upload(calls, workspaceId, () => bigMp4Stream(size)));
  return { small, long };
}

const ownVideo = (number: number): Promise<AsyncIterable<Uint8Array>> => bigMp4Stream(OWN_VIDEO_BYTES + number);

/** A video that no other number has. */
export const takeInOwnVideo = (calls: Calls, workspaceId: string, number: number): Promise<TakenVideo> =>
  upload(calls, workspaceId, () => ownVideo(number));

/** The same, for those that the service fetches itself. */
export const ownVideoToFetch = async (number: number) => ({
  sizeBytes: OWN_VIDEO_BYTES + number,
  bytes: await ownVideo(number),
});

export const digestOfOwnVideo = async (number: number): Promise<string> => digestOf(await ownVideo(number));

async function digestOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of bytes) hash.update(piece);
  return hash.digest('hex');
}

async function upload(
  calls: Calls,
  workspaceId: string,
  open: () => Promise<AsyncIterable<Uint8Array>>,
): Promise<TakenVideo> {
  const sha256 = await digestOf(await open());
  for (let triesLeft = MOST_REFUSALS; ; triesLeft -= 1) {
    try {
      const { video } = await calls.repeat('UploadVideo', async (clients) =>
        clients.upload({ workspace_id: workspaceId }, await open(), { deadlineMilliseconds: DEADLINE_MILLISECONDS }),
      );
      return { videoId: String((video as Message)['video_id']), sha256 };
    } catch (error) {
      // Every video of ours is a good one.
      if (reasonOf(error) === undefined || triesLeft === 0) throw error;
      calls.blame(`a good video was refused: ${error instanceof Error ? error.message : error}`);
    }
  }
}
