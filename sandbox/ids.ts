import { createHmac } from 'node:crypto';

/** Ids and secrets that look like TikTok's. The same seed gives the same row of them. */
export type Ids = {
  /** 34 characters: the moment in UTC to the second, then 20 upper-case hex digits. */
  logId(time: number): string;
  /** 19 digits, beyond what a JavaScript number can hold exactly. */
  longNumber(kind: string): string;
  /** `length` characters from A-Z a-z 0-9 - _ */
  secret(kind: string, length: number): string;
};

export function idsFrom(source: { readonly seed: string; serial: number }): Ids {
  let logSerial = 0;
  const bytes = (kind: string, serial: number) =>
    createHmac('sha512', source.seed).update(`${kind}:${serial}`).digest();
  const next = (kind: string) => {
    source.serial += 1;
    return bytes(kind, source.serial);
  };

  return {
    logId(time) {
      logSerial += 1;
      const moment = new Date(time).toISOString().replaceAll(/\D/g, '').slice(0, 14);
      return moment + bytes('log', logSerial).toString('hex').slice(0, 20).toUpperCase();
    },
    longNumber: (kind) => `76${(next(kind).readBigUInt64BE() % 10n ** 17n).toString().padStart(17, '0')}`,
    secret: (kind, length) => next(kind).toString('base64url').slice(0, length),
  };
}

/** The n-th number of a row between 0 and 1 that depends on the seed and the name only. */
export function chance(seed: string, name: string, n: number): number {
  return createHmac('sha256', seed).update(`${name}:${n}`).digest().readUInt32BE() / 2 ** 32;
}

/** Sixteen numbers between 0 and 1 that depend on the seed and the name only, by their index from 0. */
export function fractions(seed: string, name: string): (index: number) => number {
  const bytes = createHmac('sha512', seed).update(name).digest();
  return (index) => bytes.readUInt32BE(4 * index) / 2 ** 32;
}
