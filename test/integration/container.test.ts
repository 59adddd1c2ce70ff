import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { NO_TRACES } from '../../src/application/ports/traces.ts';
import { readConfig } from '../../src/config.ts';
import { connector, tokens } from '../../src/container.ts';
import { Secret } from '../../src/domain/secret.ts';
import { freshDatabase } from '../support/fresh-database.ts';

it('the container can build every part it names, and takes all of them down again', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'container-'));
  const fresh = await freshDatabase();
  const container = connector({
    config: readConfig({ DATA_DIR: dataDir, LOG_LEVEL: 'silent' }),
    databaseUrl: fresh.url,
    tokenKeys: [{ id: 'test', bytes: Buffer.from('0123456789abcdef0123456789abcdef') }],
    apps: {
      tiktok: { clientKey: 'key', clientSecret: new Secret('secret') },
      business: { appId: 'id', secret: new Secret('secret') },
      sandbox: true,
    },
    owner: 'test',
    failPoint: () => undefined,
    stopping: new AbortController().signal,
    traces: NO_TRACES,
  });
  for (const [name, token] of Object.entries(tokens)) {
    expect(await container.getAsync<unknown>(token), name).toBeDefined();
  }
  await container.unbindAllAsync();
  await fresh.drop();
  await rm(dataDir, { recursive: true });
});
