/** What the first bytes of a file say it is. Names are for people. */
export type FileSignature =
  /** A family that we read. The first bytes tell its members apart, except WebM from its parent Matroska. */
  | { readonly kind: 'READABLE'; readonly family: 'ISOBMFF'; readonly container: 'mp4' | 'mov' | '3gp' }
  | { readonly kind: 'READABLE'; readonly family: 'MATROSKA' }
  | { readonly kind: 'OTHER_VIDEO'; readonly name: string }
  | { readonly kind: 'NOT_VIDEO'; readonly name: string };

/** As many bytes as `recognise` can make use of. */
export const SIGNATURE_BYTES = 1024;

/** `head` is the start of the file: all of it, or at least `SIGNATURE_BYTES`. */
export function recognise(head: Uint8Array): FileSignature {
  const text = Buffer.from(head).toString('latin1');
  const known = signatures.find(({ at = 0, magic }) =>
    [magic].flat().some((candidate) => text.startsWith(candidate, at)),
  );
  if (known !== undefined) return known.is(text);
  if (isTransportStream(head)) return { kind: 'OTHER_VIDEO', name: 'MPEG transport stream' };
  if (isMpegAudioFrame(head)) return { kind: 'NOT_VIDEO', name: 'MP3 or AAC sound' };
  return { kind: 'NOT_VIDEO', name: isText(head) ? 'text' : 'unknown data' };
}

type Signature = { magic: string | readonly string[]; at?: number; is: (text: string) => FileSignature };

const video = (name: string) => (): FileSignature => ({ kind: 'OTHER_VIDEO', name });
const other = (name: string) => (): FileSignature => ({ kind: 'NOT_VIDEO', name });

/** Latin-1, so that each character is one byte. */
const signatures: readonly Signature[] = [
  { at: 4, magic: 'ftyp', is: (text) => byBrand(text.slice(8, 12)) },
  {
    at: 4,
    magic: ['moov', 'mdat', 'wide', 'free', 'skip', 'pnot', 'styp', 'moof', 'sidx'],
    is: video('MP4 or QuickTime fragment without a file type'),
  },
  { magic: '\x1aE\xdf\xa3', is: () => ({ kind: 'READABLE', family: 'MATROSKA' }) },
  {
    magic: 'RIFF',
    is: (text) => {
      const form = text.slice(8, 12);
      if (form === 'AVI ') return { kind: 'OTHER_VIDEO', name: 'AVI' };
      return { kind: 'NOT_VIDEO', name: form === 'WEBP' ? 'WebP image' : form === 'WAVE' ? 'WAV sound' : 'RIFF data' };
    },
  },
  {
    magic: 'OggS',
    is: (text) =>
      text.includes('theora') ? { kind: 'OTHER_VIDEO', name: 'Ogg' } : { kind: 'NOT_VIDEO', name: 'Ogg sound' },
  },
  { magic: 'FLV', is: video('Flash video (FLV)') },
  { magic: '\x30\x26\xb2\x75\x8e\x66\xcf\x11', is: video('Windows Media (WMV)') },
  { magic: ['\x00\x00\x01\xba', '\x00\x00\x01\xb3'], is: video('MPEG program stream') },
  { magic: '.RMF', is: video('RealMedia') },
  { magic: '\x06\x0e\x2b\x34', is: video('MXF') },
  { magic: '\xff\xd8\xff', is: other('JPEG image') },
  { magic: '\x89PNG\r\n\x1a\n', is: other('PNG image') },
  { magic: 'GIF8', is: other('GIF image') },
  { magic: 'BM', is: other('BMP image') },
  { magic: ['II*\x00', 'MM\x00*'], is: other('TIFF image') },
  { magic: '8BPS', is: other('Photoshop image') },
  { magic: ['\xff\x0a', '\x00\x00\x00\x0cJXL '], is: other('JPEG XL image') },
  { magic: 'ID3', is: other('MP3 sound') },
  { magic: 'fLaC', is: other('FLAC sound') },
  { magic: 'FORM', is: other('AIFF sound') },
  { magic: '#!AMR', is: other('AMR sound') },
  { magic: '%PDF', is: other('PDF document') },
  { magic: ['PK\x03\x04', 'PK\x05\x06'], is: other('ZIP archive') },
  { magic: '\x1f\x8b', is: other('gzip archive') },
  { magic: 'Rar!', is: other('RAR archive') },
  { magic: '7z\xbc\xaf\x27\x1c', is: other('7-Zip archive') },
  { magic: '\xfd7zXZ\x00', is: other('XZ archive') },
  { magic: 'BZh', is: other('bzip2 archive') },
  { at: 257, magic: 'ustar', is: other('TAR archive') },
];

function byBrand(brand: string): FileSignature {
  if (/^(hei[cxms]|hev[cxms]|mif1|msf1|miaf)$/.test(brand)) return { kind: 'NOT_VIDEO', name: 'HEIC image' };
  if (/^avi[fs]$/.test(brand)) return { kind: 'NOT_VIDEO', name: 'AVIF image' };
  if (brand === 'crx ') return { kind: 'NOT_VIDEO', name: 'Canon raw image' };
  const container = brand === 'qt  ' ? 'mov' : brand.startsWith('3g') ? '3gp' : 'mp4';
  return { kind: 'READABLE', family: 'ISOBMFF', container };
}

/** No magic number: every packet starts with 0x47. Blu-ray puts four bytes before each. */
function isTransportStream(head: Uint8Array): boolean {
  const hasSync = (first: number, packetSize: number) =>
    [0, 1, 2].every((packet) => head[first + packet * packetSize] === 0x47);
  return hasSync(0, 188) || hasSync(4, 192);
}

function isMpegAudioFrame([first = 0, second = 0]: Uint8Array): boolean {
  return first === 0xff && (second & 0xe0) === 0xe0;
}

function isText(head: Uint8Array): boolean {
  try {
    // `stream`: the head may end within a character.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what tells data from text
    return !/[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(text);
  } catch {
    return false; // not UTF-8
  }
}
