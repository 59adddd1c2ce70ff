import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseKeyRing } from './adapters/crypto/aes-gcm-cipher.ts';
import type { KeyProvider, KeyRing } from './application/ports/key-provider.ts';

/** As the operator set them. */
export const configuredKeys = (ring: KeyRing): KeyProvider => ({ keyRing: async () => ring });

/** For the embedded mode: the key is made once and kept beside the data, for its owner's eyes only. */
export const embeddedKeys = (dataDir: string): KeyProvider => ({
  async keyRing() {
    const file = join(dataDir, 'token-keys');
    try {
      await writeFile(file, `embedded:${randomBytes(32).toString('base64')}`, { mode: 0o600, flag: 'wx', flush: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    return parseKeyRing((await readFile(file, 'utf8')).trim());
  },
});
