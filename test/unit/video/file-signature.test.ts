import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recognise } from '../../../src/adapters/video-probe/file-signature.ts';

const head = (text: string) => Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(300)]);

describe('the first bytes of a file', () => {
  it.each([
    ['\0\0\0\x18ftypisom', 'mp4'],
    ['\0\0\0\x18ftypmp42', 'mp4'],
    ['\0\0\0\x18ftypM4V ', 'mp4'],
    ['\0\0\0\x18ftypqt  ', 'mov'],
    ['\0\0\0\x18ftyp3gp4', '3gp'],
  ])('%j are a readable %s', (text, container) => {
    expect(recognise(head(text))).toEqual({ kind: 'READABLE', family: 'ISOBMFF', container });
  });

  it.each([
    ['\x1aE\xdf\xa3', 'READABLE'],
    ['RIFF\0\0\0\0AVI ', 'OTHER_VIDEO'],
    ['\0\0\0\x08wide', 'OTHER_VIDEO'],
    ['OggS\0\0\0\0\x80theora', 'OTHER_VIDEO'],
    ['OggS\0\0\0\0OpusHead', 'NOT_VIDEO'],
    ['\xff\xd8\xff\xe0', 'NOT_VIDEO'],
    ['\x89PNG\r\n\x1a\n', 'NOT_VIDEO'],
    ['\xff\xfb\x90', 'NOT_VIDEO'],
    ['Rar!\x1a\x07', 'NOT_VIDEO'],
  ])('%j are %s', (text, kind) => {
    expect(recognise(head(text)).kind).toBe(kind);
  });

  it.each(['<!DOCTYPE html>', '{"error":"gone"}', '#EXTM3U\n', 'Grüße', '<svg xmlns="…">'])('%j are text', (text) => {
    expect(recognise(Buffer.from(text))).toEqual({ kind: 'NOT_VIDEO', name: 'text' });
  });

  it('are always something, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 1024 }), (bytes) => {
        expect(recognise(bytes).kind).toMatch(/^(READABLE|OTHER_VIDEO|NOT_VIDEO)$/);
      }),
    );
  });
});
