import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Tls } from '../../../src/adapters/rpc/server.ts';
import { readTls, watchTls } from '../../../src/tls-files.ts';
import { anAuthority } from '../../support/certificates.ts';
import { recordingLog } from '../../support/recording-log.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-'));
});
afterEach(() => rm(folder, { recursive: true }));

const authority = anAuthority();
const good = authority.issue({ subject: [['CN', 'connector']] });
const other = authority.issue({ subject: [['CN', 'other']] });

async function files(texts: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const paths = Object.entries(texts).map(async ([name, text]) => {
    await writeFile(join(folder, name), text);
    return [name, join(folder, name)];
  });
  return Object.fromEntries(await Promise.all(paths));
}

const read = async (texts: { cert: string; key: string; clientCa?: string }) => readTls((await files(texts)) as never);

describe('the files of TLS', () => {
  it('are read as they are', async () => {
    const tls = await read({ ...good, clientCa: authority.cert });
    expect(tls).toEqual({
      cert: Buffer.from(good.cert),
      key: Buffer.from(good.key),
      clientCa: Buffer.from(authority.cert),
    });
    expect(await read(good)).not.toHaveProperty('clientCa');
  });

  it.each<[string, { cert: string; key: string; clientCa?: string }, RegExp]>([
    ['a key of another certificate', { cert: good.cert, key: other.key }, /RPC_TLS_CERT_FILE=.* and RPC_TLS_KEY_FILE=/],
    ['a key for a certificate', { cert: good.key, key: good.key }, /RPC_TLS_CERT_FILE=.* can't be used/],
    ['no authority', { ...good, clientCa: 'nothing' }, /RPC_TLS_CLIENT_CA_FILE=.*can.t be used/],
    [
      'half an authority',
      { ...good, clientCa: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' },
      /RPC_TLS_CLIENT_CA_FILE=.* can't be used/,
    ],
  ])('are refused with %s', async (_, texts, problem) => {
    await expect(read(texts)).rejects.toThrow(problem);
  });

  it('are named when they are not there', async () => {
    const paths = await files({ cert: good.cert });
    await expect(readTls({ cert: String(paths['cert']), key: join(folder, 'gone') })).rejects.toThrow(
      /RPC_TLS_KEY_FILE=.*gone can't be read/,
    );
  });

  it('are handed over when they change, and what does not fit is not', async () => {
    const paths = { cert: join(folder, 'cert'), key: join(folder, 'key') };
    const replace = async ({ cert, key }: { cert: string; key: string }) => {
      await writeFile(paths.cert, cert);
      await writeFile(paths.key, key);
    };
    await replace(good);
    const before = await readTls(paths);
    const log = recordingLog();
    let changed = Promise.withResolvers<Tls>();
    let told = Promise.withResolvers<void>();
    const end = watchTls(paths, {
      before,
      onChange: (tls) => changed.resolve(tls),
      log: { ...log, error: (...line) => [log.error(...line), told.resolve()] },
      lookMilliseconds: 5,
    });
    try {
      // Half of the new pair: what a look between two writes sees.
      await writeFile(paths.cert, other.cert);
      await told.promise;
      expect(log.lines[0]).toMatchObject({ level: 'error', message: expect.stringContaining('refused') });
      await writeFile(paths.key, other.key);
      expect(await changed.promise).toEqual({ cert: Buffer.from(other.cert), key: Buffer.from(other.key) });

      changed = Promise.withResolvers();
      told = Promise.withResolvers();
      await rm(paths.key);
      await told.promise;
      await replace(good);
      expect(await changed.promise).toEqual(before);
    } finally {
      end();
    }
  });
});
