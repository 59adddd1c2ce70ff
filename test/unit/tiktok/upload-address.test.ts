import { describe, expect, it } from 'vitest';
import { uploadAddress } from '../../../src/adapters/tiktok/open/upload-address.ts';

describe('An upload address', () => {
  it.each([
    'https://open-upload.tiktokapis.com/video/?upload_id=1&upload_token=a%2Fb',
    'https://upload.us.tiktokapis.com/video/?x',
    'https://open-upload-va.tiktokapis.com/upload?upload_id=1',
  ])('is accepted under tiktokapis.com: %s', (text) => {
    expect(uploadAddress(text, undefined)?.origin).toBe(new URL(text).origin);
  });

  it.each([
    'http://open-upload.tiktokapis.com/video/',
    'https://tiktokapis.com.evil.test/video/',
    'https://eviltiktokapis.com/video/',
    'https://evil.test/?.tiktokapis.com',
    'https://evil.test#.tiktokapis.com/',
    'https://open-upload.tiktokapis.com@evil.test/',
    'https://evil.test\\.tiktokapis.com/',
    'https://open-upload.tiktokapis.com/a b',
    'https://open-upload.tiktokapis.com/a\nb',
    'https://open-upload.tiktokapis.com',
    'ftp://open-upload.tiktokapis.com/',
    'not an address',
    '',
  ])('is refused anywhere else: %j', (text) => {
    expect(uploadAddress(text, undefined)).toBeUndefined();
  });

  it('keeps path and query to the letter', () => {
    const text = 'https://u.tiktokapis.com:443/a/../b//%7e?q=%2F&r=[|]';
    expect(uploadAddress(text, undefined)).toEqual({
      origin: 'https://u.tiktokapis.com',
      path: '/a/../b//%7e?q=%2F&r=[|]',
    });
  });

  it('is compared as an exact origin when origins are named, and TikTok then has no privilege', () => {
    const named = new Set(['http://127.0.0.1:4000']);
    expect(uploadAddress('http://127.0.0.1:4000/video/', named)).toBeDefined();
    expect(uploadAddress('http://127.0.0.1:4001/video/', named)).toBeUndefined();
    expect(uploadAddress('https://127.0.0.1:4000/video/', named)).toBeUndefined();
    expect(uploadAddress('https://open-upload.tiktokapis.com/video/', named)).toBeUndefined();
  });
});
