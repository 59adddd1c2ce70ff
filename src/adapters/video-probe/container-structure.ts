import type { RandomAccess } from '../../application/ports/random-access.ts';
import { damageInIndex } from './mp4-index.ts';

/** An index is a few bytes per frame: an hour at 60 frames per second stays under 10 MB. */
const MAX_INDEX_BYTES = 16 * 2 ** 20;
/** Of one fragment. */
const MAX_FRAGMENT_INDEX_BYTES = 2 ** 20;
/** A fragmented file has two boxes per fragment: ten minutes of fragments of a tenth of a second have 12,000. */
const MAX_BOXES = 20_000;
/** Small boxes are looked at so many bytes at a time. */
const WINDOW_BYTES = 4096;

/**
 * Why this MP4 or MOV is damaged, or `undefined`. Walks the outermost boxes: each must end within the file, and one of
 * them must be the index. A cut file is found this way although its index, at the front, is whole. What the indexes claim must
 * fit into them. Bounded, whatever the file holds: it may run beside other work.
 */
export async function damageInBoxes(file: RandomAccess): Promise<string | undefined> {
  const readAt = windowed(file);
  let hasIndex = false;
  let position = 0;

  for (let count = 0; position + 8 <= file.sizeBytes; count++) {
    if (count === MAX_BOXES) return 'its structure is unreasonably long';
    const box = await boxAt(readAt, position, file.sizeBytes);
    if (box === undefined) break; // some cameras append bytes of their own after the last box
    const end = position + box.size;
    if (end > file.sizeBytes) return `it ends after ${file.sizeBytes} of at least ${end} bytes`;
    if (box.type === 'moov' || box.type === 'moof') {
      if (box.size > (box.type === 'moov' ? MAX_INDEX_BYTES : MAX_FRAGMENT_INDEX_BYTES)) {
        return 'its index is unreasonably large';
      }
      const damage = damageInIndex(Buffer.from(await readAt(position, end)));
      if (damage !== undefined) return damage;
      hasIndex ||= box.type === 'moov';
    }
    position = end;
  }
  return hasIndex ? undefined : 'its index is missing';
}

type Read = (start: number, endExclusive: number) => Promise<Uint8Array>;

/** Reads ahead, so that many small boxes take few reads. */
function windowed(file: RandomAccess): Read {
  let from = 0;
  let window = new Uint8Array();
  return async (start, endExclusive) => {
    if (endExclusive - start > WINDOW_BYTES) return file.readAt(start, endExclusive);
    if (start < from || endExclusive > from + window.length) {
      window = Uint8Array.from(await file.readAt(start, Math.min(start + WINDOW_BYTES, file.sizeBytes)));
      from = start;
    }
    return window.subarray(start - from, endExclusive - from);
  };
}

async function boxAt(
  readAt: Read,
  position: number,
  sizeBytes: number,
): Promise<{ type: string; size: number } | undefined> {
  const header = Buffer.from(await readAt(position, Math.min(position + 16, sizeBytes)));
  const type = header.toString('latin1', 4, 8);
  if (!/^[\w© {2}-]{4}$/.test(type)) return undefined;
  const shortSize = header.readUInt32BE(0);
  if (shortSize === 0) return { type, size: sizeBytes - position }; // "up to the end of the file"
  if (shortSize !== 1) return shortSize < 8 ? undefined : { type, size: shortSize };
  if (header.length < 16) return undefined;
  const longSize = Number(header.readBigUInt64BE(8));
  return longSize < 16 ? undefined : { type, size: longSize };
}

const SEGMENT = 0x18538067;

/**
 * Why this WebM or Matroska file is damaged, or `undefined`. Its one large element, the segment, must end within the
 * file. Recorders that can't go back to fill in a length leave it unknown, and then nothing can be said.
 */
export async function damageInSegment(file: RandomAccess): Promise<string | undefined> {
  let position = 0;
  for (let count = 0; count < 16 && position < file.sizeBytes; count++) {
    const header = await file.readAt(position, Math.min(position + 12, file.sizeBytes));
    const id = variableInteger(header, 0, 'with marker');
    const size = id && variableInteger(header, id.length, 'without marker');
    if (id === undefined || size === undefined) break;
    const end = position + id.length + size.length + size.value;
    if (id.value === SEGMENT && size.isUnknown) return undefined;
    if (end > file.sizeBytes) return `it ends after ${file.sizeBytes} of at least ${end} bytes`;
    if (id.value === SEGMENT) return undefined;
    position = end;
  }
  return 'its content is missing';
}

/** EBML: the number of leading zero bits of the first byte says how many bytes follow. */
function variableInteger(bytes: Uint8Array, at: number, marker: 'with marker' | 'without marker') {
  const first = bytes[at];
  if (first === undefined || first === 0) return undefined;
  const length = Math.clz32(first) - 23;
  const rest = bytes.subarray(at + 1, at + length);
  if (rest.length < length - 1) return undefined;
  const payload = first & (0xff >> length);
  const isUnknown = payload === 0xff >> length && rest.every((byte) => byte === 0xff);
  const value = rest.reduce((sum, byte) => sum * 256 + byte, marker === 'with marker' ? first : payload);
  return { length, value, isUnknown };
}
