import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Tls } from './adapters/rpc/server.ts';
import type { TlsFiles } from './config.ts';

/** Reads what TLS needs. Throws, with the setting to look at, when a file can't be read or they don't fit together. */
export async function readTls(files: TlsFiles): Promise<Tls> {
  const cert = await read('RPC_TLS_CERT_FILE', files.cert);
  const key = await read('RPC_TLS_KEY_FILE', files.key);
  mustFit({ cert, key }, `RPC_TLS_CERT_FILE=${files.cert} and RPC_TLS_KEY_FILE=${files.key}`);
  if (files.clientCa === undefined) return { cert, key };
  const clientCa = await read('RPC_TLS_CLIENT_CA_FILE', files.clientCa);
  // OpenSSL takes text without a certificate for an empty list, and then nobody could connect.
  const place = `RPC_TLS_CLIENT_CA_FILE=${files.clientCa}`;
  if (!clientCa.includes('-----BEGIN CERTIFICATE-----')) throw new Error(`${place}: there is no PEM certificate in it`);
  mustFit({ ca: clientCa }, place);
  return { cert, key, clientCa };
}

async function read(setting: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`${setting}=${path} can't be read`, { cause: error });
  }
}

function mustFit(parts: Parameters<typeof createSecureContext>[0], place: string): void {
  try {
    createSecureContext(parts);
  } catch (error) {
    throw new Error(`${place} can't be used: write PEM, a certificate (with its chain) and its own key`, {
      cause: error,
    });
  }
}
