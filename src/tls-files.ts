import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Tls } from './adapters/rpc/server.ts';
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
