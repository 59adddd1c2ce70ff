import { readFileSync } from 'node:fs';
import type { KeyProvider } from '../../src/application/ports/key-provider.ts';
import { readConfig } from '../../src/config.ts';
import { startService } from '../../src/service.ts';
import { configuredKeys, keysInTime } from '../../src/token-keys.ts';

/**
 * The service with a key service in place of its setting: it gives the keys of `TOKEN_KEYS`, unless the file `KEYS_FAULT` says something.
 * `SLOW` never answers, and a code such as `ECONNREFUSED` fails. It is waited for half a second.
 */
const config = readConfig(process.env);
const { tokenKeys } = config;
const fault = process.env['KEYS_FAULT'];
if (tokenKeys === undefined || fault === undefined)
  throw new Error('TOKEN_KEYS and KEYS_FAULT: the keys, and what happens to them');

const keyService: KeyProvider = {
  async keyRing() {
    const said = readFileSync(fault, 'utf8').trim();
    if (said === 'SLOW') return new Promise(() => setInterval(() => undefined, 1_000));
    if (said !== '') throw Object.assign(new Error(`the key service: ${said}`), { code: said });
    return configuredKeys(tokenKeys).keyRing();
  },
};

const stop = await startService(config, undefined, keysInTime(keyService, 500));
process.once('SIGTERM', () => void stop().then(() => process.exit(0)));
