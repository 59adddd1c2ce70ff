import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { allAnswer, answersTo, type Things, thingsToAskFor } from '../support/kinds-of-calls.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import { aPost, type Post, postThatHurries, publish, publishedOnce } from '../support/story.ts';
import { healthOf } from '../support/what-operators-see.ts';

const surroundings = realService();
const WELL = allAnswer('OK');

let world: Surroundings;
/** Has its keys since its start. */
let service: ServiceProcess;
let things: Things;

const faultFile = (): string => join(world.dataDir, 'keys-fault');
const keyService = (does: 'WELL' | 'SLOW' | 'ECONNREFUSED' | 'ECONNRESET') =>
  writeFile(faultFile(), does === 'WELL' ? '' : does);
const starts = (): Promise<ServiceProcess> =>
  world.start({ program: 'keyed-service.ts', environment: { KEYS_FAULT: faultFile() } });

beforeAll(async () => {
  world = await surroundings();
  await keyService('WELL');
  service = await starts();
  things = await thingsToAskFor({ clients: service.clients, sandbox: world.sandbox });
});
beforeEach(() => keyService('WELL'));

const NOT_WITHOUT = /The token keys can not be had, and nothing is started without them/;

/** Who runs already has the keys: its calls, its posts, tokens that are sealed and opened. */
async function goesOnAsEver(running: ServiceProcess): Promise<void> {
  expect(await answersTo(running, things, await things.consent(running.clients))).toEqual(WELL);
  await goesOutOnce(running, await publish(running.clients, aPost(things.connection, things.video)));
  expect(await healthOf(running)).toBe('SERVING,SERVING,SERVING');
}

async function goesOutOnce({ clients }: ServiceProcess, { post_id }: Post): Promise<void> {
  const after = await postThatHurries({ clients, sql: world.sql }, post_id, 'PUBLISHED');
  publishedOnce(world.sandbox, after, things.video);
}

describe('OPS-01 key provider', { timeout: 120_000 }, () => {
  it.each([
    [
      'OPS-01 key provider down: every call to a process that runs is answered as ever; one that starts ends with code 1 and says why',
      'ECONNREFUSED',
      'the key service: ECONNREFUSED',
    ],
    [
      'OPS-01 key provider slow: every call to a process that runs is answered as ever; one that starts ends with code 1 after 30 s and says why',
      'SLOW',
      'no answer within 0.5 s',
    ],
    [
      'OPS-01 key provider reset: every call to a process that runs is answered as ever; one that starts ends with code 1 and says why',
      'ECONNRESET',
      'the key service: ECONNRESET',
    ],
  ] as const)('%s', async (_, fault, why) => {
    await keyService(fault);
    const failed = await starts().catch((error: Error) => error.message);
    expect(failed).toMatch(NOT_WITHOUT);
    expect(failed).toContain('with code 1');
    expect(failed).toContain(why);
    await goesOnAsEver(service);
  });

  it('OPS-01 key provider flapping: every call to a process that runs is answered as ever; one that starts does so when it meets the provider well', async () => {
    for (const fault of ['ECONNREFUSED', 'SLOW'] as const) {
      await keyService(fault);
      await expect(starts()).rejects.toThrow(NOT_WITHOUT);
      await keyService('WELL');
      const next = await starts();
      // What the one before sealed opens.
      await service.kill();
      service = next;
      await goesOnAsEver(service);
    }
    expect(world.sandbox.control.ledger().duplicates).toEqual([]);
  });
});
