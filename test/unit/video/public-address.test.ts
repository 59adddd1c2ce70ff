import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPublicAddress } from '../../../src/adapters/video-fetcher/public-address.ts';

describe('a public address', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '93.184.216.34',
    '172.32.0.1',
    '100.63.255.255',
    '2606:4700:4700::1111',
    '2a00:1450::1',
  ])('is %s', (address) => expect(isPublicAddress(address)).toBe(true));

  it.each([
    '',
    'localhost',
    '168.63.129.16',
    '1.1.1',
    '::ffff:1.1.1.1',
    'fe80::1%eth0',
    '64:ff9b::1.1.1.1',
    '2002:101:101::',
    '::1.1.1.1',
  ])('is not %j', (address) => expect(isPublicAddress(address)).toBe(false));

  it('is never one of the private IPv4 ranges, alone or within an IPv6 address', () => {
    const byte = fc.nat(255);
    const privateV4 = fc.oneof(
      fc.tuple(fc.constantFrom(0, 10, 127), byte, byte, byte),
      fc.tuple(fc.constant(192), fc.constant(168), byte, byte),
      fc.tuple(fc.constant(169), fc.constant(254), byte, byte),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), byte, byte),
      fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), byte, byte),
      fc.tuple(fc.integer({ min: 224, max: 255 }), byte, byte, byte),
    );
    fc.assert(
      fc.property(privateV4, fc.constantFrom('', '::', '::ffff:', '64:ff9b::', '::ffff:0:'), (parts, prefix) => {
        expect(isPublicAddress(prefix + parts.join('.'))).toBe(false);
      }),
    );
  });

  it('is never an IPv6 address outside 2000::/3', () => {
    const group = fc.nat(0xffff);
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        fc.pre((groups[0] ?? 0) >> 13 !== 1);
        expect(isPublicAddress(groups.map((part) => part.toString(16)).join(':'))).toBe(false);
      }),
    );
  });
});
