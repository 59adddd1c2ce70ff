import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { inspect } from 'node:util';
import type { Tls } from './adapters/rpc/server.ts';
import type { Log } from './application/ports/log.ts';
import type { TlsFiles } from './config.ts';

/** Reads what TLS needs. Throws, with the setting to look at, when a file can't be read or they don't fit together. */
export async function readTls(files: TlsFiles): Promise<Tls> {
  const cert = await read('RPC_TLS_CERT_FILE', files.cert);
  const key = await read('RPC_TLS_KEY_FILE', files.key);
  tried(
    () => createSecureContext({ cert, key }),
    `RPC_TLS_CERT_FILE=${files.cert} and RPC_TLS_KEY_FILE=${files.key}`,
    'write PEM, a certificate (with its chain) and its own key',
  );
  if (files.clientCa === undefined) return { cert, key };
  const clientCa = await read('RPC_TLS_CLIENT_CA_FILE', files.clientCa);
  tried(
    () => checkAuthorities(clientCa),
    `RPC_TLS_CLIENT_CA_FILE=${files.clientCa}`,
    'write the certificates of authorities as PEM',
  );
  return { cert, key, clientCa };
}

/**
 * Hands over what the files hold whenever that is no longer `before`, so that a certificate is renewed without a restart. What can't
 * be used is refused with an error in the log. Gives what ends it.
 */
export function watchTls(
  files: TlsFiles,
  options: {
    readonly before: Tls;
    readonly onChange: (tls: Tls) => void;
    readonly log: Log;
    readonly lookMilliseconds?: number;
  },
): () => void {
  const { before, onChange, log, lookMilliseconds = 30_000 } = options;
  let seen = digestOf(before);
  async function look(): Promise<void> {
    const found = await readTls(files).catch((error: unknown) => ({ error }));
    const now = 'error' in found ? inspect(found.error) : digestOf(found);
    if (now === seen) return;
    seen = now;
    if ('error' in found) {
      log.error(found, 'the changed files of TLS are refused; those of before go on');
      return;
    }
    onChange(found);
    log.info({ ...files }, 'the files of TLS were read again');
  }

  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  const lookLater = (): void => {
    if (!closed) timer = setTimeout(() => look().finally(lookLater), lookMilliseconds).unref();
  };
  lookLater();
  return () => {
    closed = true;
    clearTimeout(timer);
  };
}

const digestOf = ({ cert, key, clientCa = Buffer.of() }: Tls): string =>
  createHash('sha256').update(cert).update(key).update(clientCa).digest('hex');

/** By ourselves: TLS takes anything for a list of authorities, and then nobody could connect. */
function checkAuthorities(pem: Buffer): void {
  const certificates = pem.toString().match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
  if (certificates.length === 0) throw new Error('there is no certificate in it');
  for (const certificate of certificates) new X509Certificate(certificate);
}

async function read(setting: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`${setting}=${path} can't be read`, { cause: error });
  }
}

function tried(use: () => unknown, place: string, remedy: string): void {
  try {
    use();
  } catch (error) {
    throw new Error(`${place} can't be used: ${remedy}`, { cause: error });
  }
}
