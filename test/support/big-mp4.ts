import { fixtureVideo } from './fixture-videos.ts';

const CHUNK = new Uint8Array(1024 * 1024);

/**
 * A valid video of exactly `sizeBytes`, made as it is read: `vertical.mp4` and behind it one `free` box of zeros, which
 * players skip. Throws when that is too small for the video and the box's header.
 */
export async function bigMp4Stream(sizeBytes: number): Promise<AsyncIterable<Uint8Array>> {
  const video = await fixtureVideo('vertical.mp4');
  const paddingBytes = sizeBytes - video.length;
  if (paddingBytes < 16) throw new RangeError(`The smallest is ${video.length + 16} bytes`);
  return (async function* () {
    yield video;
    yield freeBoxHeader(paddingBytes);
    for (let left = paddingBytes - 16; left > 0; left -= CHUNK.length) yield CHUNK.subarray(0, left);
  })();
}

/** In its long form, with a 64-bit size. */
function freeBoxHeader(boxBytes: number): Uint8Array {
  const header = Buffer.alloc(16);
  header.writeUInt32BE(1, 0);
  header.write('free', 4, 'latin1');
  header.writeBigUInt64BE(BigInt(boxBytes), 8);
  return header;
}
