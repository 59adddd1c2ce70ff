import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** PEM, as the files of an operator. */
export type Certified = { readonly cert: string; readonly key: string };

export type Wanted = {
  /** From the country to the common name, as certificates have it: `[['O', 'Glowtify'], ['CN', 'orchestrator']]`. */
  readonly subject: readonly (readonly ['CN' | 'O' | 'OU', string])[];
  readonly from?: Date;
  readonly until?: Date;
  /** IPv4 addresses that it is good for. */
  readonly addresses?: readonly string[];
};

const DAY = 86_400_000;

/**
 * An authority of our own, made without OpenSSL: the few parts of X.509 that TLS looks at, with P-256 keys.
 */
export function anAuthority(name = 'Test authority'): { readonly cert: string; issue(wanted: Wanted): Certified } {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = [['CN', name]] as const;
  const cert = certificate({ subject }, subject, own.publicKey, own.privateKey, true);
  return {
    cert,
    issue(wanted) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return {
        cert: certificate(wanted, subject, publicKey, own.privateKey, false),
        key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      };
    },
  };
}

function certificate(
  { subject, from = new Date(Date.now() - DAY), until = new Date(Date.now() + DAY), addresses = [] }: Wanted,
  issuer: Wanted['subject'],
  publicKey: KeyObject,
  issuerKey: KeyObject,
  isAuthority: boolean,
): string {
  const signed = sequence(
    tagged(0xa0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_WITH_SHA256,
    nameOf(issuer),
    sequence(time(from), time(until)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(
      0xa3,
      sequence(
        extension('2.5.29.19', sequence(...(isAuthority ? [tagged(0x01, Buffer.from([0xff]))] : []))),
        ...(addresses.length === 0
          ? []
          : [
              extension(
                '2.5.29.17',
                sequence(...addresses.map((each) => tagged(0x87, Buffer.from(each.split('.').map(Number))))),
              ),
            ]),
      ),
    ),
  );
  const whole = sequence(signed, ECDSA_WITH_SHA256, bits(sign('sha256', signed, issuerKey)));
  const lines = whole.toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** DER: a tag, the length of what follows, and what follows. */
function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => tagged(0x30, ...parts);
const integer = (bytes: Buffer): Buffer => tagged(0x02, bytes);
const bits = (bytes: Buffer): Buffer => tagged(0x03, Buffer.from([0]), bytes);
const time = (date: Date): Buffer =>
  tagged(
    0x18,
    Buffer.from(
      `${date
        .toISOString()
        .replace(/\.\d+Z$/, '')
        .replace(/[-:T]/g, '')}Z`,
    ),
  );
const extension = (id: string, value: Buffer): Buffer => sequence(objectId(id), tagged(0x04, value));

function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number);
  const bytes = others.flatMap((part) => {
    const groups = [part & 0x7f];
    for (let rest = part >> 7; rest > 0; rest >>= 7) groups.unshift((rest & 0x7f) | 0x80);
    return groups;
  });
  return tagged(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

const ATTRIBUTES = { CN: '2.5.4.3', O: '2.5.4.10', OU: '2.5.4.11' } as const;

const nameOf = (parts: Wanted['subject']): Buffer =>
  sequence(
    ...parts.map(([attribute, value]) =>
      tagged(0x31, sequence(objectId(ATTRIBUTES[attribute]), tagged(0x0c, Buffer.from(value)))),
    ),
  );

const ECDSA_WITH_SHA256 = sequence(objectId('1.2.840.10045.4.3.2'));
