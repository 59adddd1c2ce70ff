/** What an index holds within; everything else in it is only skipped. */
const CONTAINERS: ReadonlySet<string> = new Set([
  'moov',
  'trak',
  'edts',
  'mdia',
  'minf',
  'dinf',
  'stbl',
  'mvex',
  'moof',
  'traf',
]);
/** moov, trak, mdia, minf, stbl and what is in there: no honest index is deeper. */
const MAX_DEPTH = 8;
const MAX_BOXES = 10_000;
const MAX_TRACKS = 64;
/** Frames and pieces of sound of one track: ten hours of either. */
const MAX_SAMPLES = 2_000_000;

const UNREASONABLE = 'its index is unreasonably large';
const SENSELESS = 'its index makes no sense';

type Box = { readonly type: string; readonly body: Buffer };
type Walk = { boxes: number; tracks: number };

/**
 * Why this `moov` or `moof`, header included, must not be read any further, or `undefined`. A few bytes can claim billions of
 * frames, and a reader that believes them never ends: what is claimed has to be there, and has to be of this world.
 */
export function damageInIndex(index: Buffer): string | undefined {
  return damageWithin(index, 0, { boxes: 0, tracks: 0 });
}

function damageWithin(bytes: Buffer, depth: number, walk: Walk): string | undefined {
  if (depth > MAX_DEPTH) return 'its index is nested unreasonably deep';
  for (let position = 0; position + 8 <= bytes.length; ) {
    walk.boxes += 1;
    if (walk.boxes > MAX_BOXES) return UNREASONABLE;
    const size = sizeOf(bytes, position);
    if (size === undefined) return undefined; // whatever follows is no box: nobody reads it
    if (position + size.whole > bytes.length) return SENSELESS;
    const type = bytes.toString('latin1', position + 4, position + 8);
    if (type === 'trak' && ++walk.tracks > MAX_TRACKS) return UNREASONABLE;
    const body = bytes.subarray(position + size.header, position + size.whole);
    const damage = CONTAINERS.has(type) ? damageWithin(body, depth + 1, walk) : damageInTable({ type, body });
    if (damage !== undefined) return damage;
    position += size.whole;
  }
  return undefined;
}

function sizeOf(bytes: Buffer, position: number): { readonly header: number; readonly whole: number } | undefined {
  const short = bytes.readUInt32BE(position);
  if (short === 0) return { header: 8, whole: bytes.length - position };
  if (short !== 1) return short < 8 ? undefined : { header: 8, whole: short };
  if (position + 16 > bytes.length) return undefined;
  const long = Number(bytes.readBigUInt64BE(position + 8));
  return long < 16 ? undefined : { header: 16, whole: long };
}

/** Tables of entries, each of this many bytes, after version, flags and their number. */
const ENTRY_BYTES: Readonly<Record<string, number>> = {
  stts: 8,
  ctts: 8,
  stsc: 12,
  stco: 4,
  co64: 8,
  stss: 4,
};

function damageInTable({ type, body }: Box): string | undefined {
  if (type === 'stsz' || type === 'stz2') return damageInSizes(type, body);
  if (type === 'trun') return damageInRun(body);
  const entryBytes = ENTRY_BYTES[type];
  if (entryBytes === undefined) return undefined;
  if (body.length < 8) return SENSELESS;
  const entries = body.readUInt32BE(4);
  if (8 + entries * entryBytes > body.length) return SENSELESS;
  if (entries > MAX_SAMPLES) return UNREASONABLE;
  // A run of so many samples that are alike.
  if (type === 'stts' || type === 'ctts') return samplesIn(body, entries) > MAX_SAMPLES ? UNREASONABLE : undefined;
  if (type === 'stsc') return damageInChunks(body, entries);
  return undefined;
}

function samplesIn(body: Buffer, entries: number): number {
  let samples = 0;
  for (let entry = 0; entry < entries; entry += 1) samples += body.readUInt32BE(8 + entry * 8);
  return samples;
}

/** From which chunk on there are how many samples in each: the chunks must ascend. */
function damageInChunks(body: Buffer, entries: number): string | undefined {
  let before = 0;
  for (let entry = 0; entry < entries; entry += 1) {
    const first = body.readUInt32BE(8 + entry * 12);
    if (first <= before) return SENSELESS;
    if (first > MAX_SAMPLES || body.readUInt32BE(12 + entry * 12) > MAX_SAMPLES) return UNREASONABLE;
    before = first;
  }
  return undefined;
}

function damageInSizes(type: string, body: Buffer): string | undefined {
  if (body.length < 12) return SENSELESS;
  const samples = body.readUInt32BE(8);
  const bits = type === 'stz2' ? body.readUInt8(7) : body.readUInt32BE(4) === 0 ? 32 : 0;
  if (12 + (samples * bits) / 8 > body.length) return SENSELESS;
  return samples > MAX_SAMPLES ? UNREASONABLE : undefined;
}

/** The samples of a fragment may all be alike, and then take no room at all. */
function damageInRun(body: Buffer): string | undefined {
  if (body.length < 8) return SENSELESS;
  return body.readUInt32BE(4) > MAX_SAMPLES ? UNREASONABLE : undefined;
}
