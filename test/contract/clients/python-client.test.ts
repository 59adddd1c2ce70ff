import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { realService } from '../../support/service-process.ts';

const path = (relative: string): string => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));
const surroundings = realService();

const script = path('clients/python/contract_check.py');
const protos = ['--proto', path('proto')];

/** A Python that has gRPC and can make stubs: the first in PATH, or the system's. */
const python = ['python3', '/usr/bin/python3'].find((command) => spawnSync(command, [script, ...protos]).status === 0);

it.skipIf(python === undefined)(
  'a Python client made from the protos alone connects, uploads, publishes, watches and reads a refusal (needs python3 with grpcio and protoc)',
  async () => {
    if (python === undefined) throw new Error('unreachable');
    const world = await surroundings();
    const { environment } = await world.start();
    const video = path('test/fixtures/videos/vertical.mp4');
    const call = [script, ...protos, '--server', `127.0.0.1:${environment['RPC_PORT']}`, '--video', video];
    const { stdout } = await promisify(execFile)(python, call);
    const told = JSON.parse(stdout);
    const published = world.sandbox.control.ledger().posts.filter(({ title }) => title === 'From Python');
    expect(published).toMatchObject([{ sha256: told.sha256 }]);
    expect(told.replayed).toEqual([told.post_id, true]);
    expect(told.states.at(-1)).toBe('POST_STATE_PUBLISHED');
    expect(told.refusal).toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'CAPTION_TOO_LONG',
      domain: 'tiktok.glowtify',
      fields: ['caption', 'settings.privacy_level'],
      findings: ['CAPTION_TOO_LONG', 'PRIVACY_LEVEL_REQUIRED'],
    });
    expect(told.refusal.message).toContain(told.refusal.remedy);
  },
);
