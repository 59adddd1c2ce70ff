import { describe, expect, it } from 'vitest';
import { bigMp4Stream } from '../../support/big-mp4.ts';

describe('bigMp4Stream', () => {
  it.each([74_142 + 16, 80_000, 5_000_000])('is exactly %i bytes long', async (sizeBytes) => {
    let seen = 0;
    for await (const chunk of await bigMp4Stream(sizeBytes)) seen += chunk.length;
    expect(seen).toBe(sizeBytes);
  });
});
