/** How many bytes of a file's start `looksLikeVideo` wants to see. */
export const headLength = 16;

const firstBoxes = new Set(['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip', 'pnot']);
const ebml = Buffer.from([0x1a, 0x45, 0xdf, 0xa3]);

/** By the first bytes only: a box that MP4 or QuickTime files start with, or WebM's EBML mark. */
export function looksLikeVideo(head: Buffer): boolean {
  return head.subarray(0, 4).equals(ebml) || firstBoxes.has(head.toString('latin1', 4, 8));
}
