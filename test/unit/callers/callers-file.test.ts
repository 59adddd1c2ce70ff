import { mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callersFile } from '../../../src/adapters/callers/callers-file.ts';
import type { Log } from '../../../src/application/ports/log.ts';
import { digestOf } from '../../support/tokens-of-callers.ts';

let folder: string;
let path: string;
const endings: (() => void)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callers-'));
  path = join(folder, 'callers.json');
});
afterEach(async () => {
  for (const end of endings.splice(0)) end();
  await rm(folder, { recursive: true });
});

const fileOf = (...keys: string[]): string =>
  JSON.stringify({
    callers: keys.map((key) => ({ name: key, key_sha256: digestOf(key), workspaces: ['ws_a'], roles: ['read'] })),
  });

/** A log that can be waited for. */
function heard() {
  const lines: { readonly fields: object; readonly message: string }[] = [];
  let tell: () => void = () => undefined;
  const note = (fields: object, message: string): void => {
    lines.push({ fields, message });
    tell();
  };
  const log: Log = { info: note, warn: note, error: note };
  return {
    log,
    lines,
    /** The next line that nobody has waited for. */
    async next() {
      while (lines.length === 0) {
        await new Promise<void>((resolve) => {
          tell = resolve;
        });
      }
      return lines.shift();
    },
  };
}

async function started() {
  const { log, next, lines } = heard();
  const callers = await callersFile({
    path,
    clientCertificates: false,
    clock: { now: () => new Date() },
    log,
    lookMilliseconds: 5,
  });
  endings.push(() => callers.close());
  await next();
  return { next, lines, knows: async (key: string) => (await callers.identify({ authorization: `Bearer ${key}` })).ok };
}

describe('the callers file', () => {
  it.each<[string, string | undefined, RegExp]>([
    ['is not there', undefined, /^CALLERS_FILE=.*callers\.json can't be used:\n {2}- it can't be read: ENOENT/],
    ['is not JSON', '{', /can't be used:\n {2}- the file is not JSON/],
    ['names nobody', '{}', /nobody could call/],
  ])('lets nothing start when it %s', async (_, text, problem) => {
    if (text !== undefined) await writeFile(path, text);
    await expect(started()).rejects.toThrow(problem);
  });

  it('is read again when it changes', async () => {
    await writeFile(path, fileOf('old'));
    const { next, knows } = await started();
    expect([await knows('old'), await knows('new')]).toEqual([true, false]);
    await writeFile(`${path}.new`, fileOf('new'));
    await rename(`${path}.new`, path);
    expect(await next()).toEqual({ fields: { path, callers: 1, issuers: 0 }, message: 'the callers were read again' });
    expect([await knows('old'), await knows('new')]).toEqual([false, true]);
  });

  it('is not read as new when it is written again as it was', async () => {
    await writeFile(path, fileOf('old'));
    const { next, lines } = await started();
    for (let times = 0; times < 100; times += 1) {
      await writeFile(`${path}.new`, fileOf('old'));
      await rename(`${path}.new`, path);
    }
    await writeFile(`${path}.new`, fileOf('new', 'old'));
    await rename(`${path}.new`, path);
    expect(await next()).toMatchObject({ fields: { callers: 2 } });
    expect(lines).toEqual([]);
  });

  it('is read again when the link to it changes, as mounted secrets do', async () => {
    await writeFile(join(folder, 'one'), fileOf('old'));
    await writeFile(join(folder, 'two'), fileOf('new'));
    await symlink(join(folder, 'one'), path);
    const { next, knows } = await started();
    await symlink(join(folder, 'two'), `${path}.new`);
    await rename(`${path}.new`, path);
    await next();
    expect([await knows('old'), await knows('new')]).toEqual([false, true]);
  });

  it('is refused with a mistake, said once, and the one before goes on until it is mended', async () => {
    await writeFile(path, fileOf('old'));
    const { next, lines, knows } = await started();
    const refused = 'the changed callers file is refused; those of before go on';

    await writeFile(`${path}.new`, '{"callers": [{"name": "new"}]}');
    await rename(`${path}.new`, path);
    expect(await next()).toMatchObject({
      message: refused,
      fields: { problems: expect.arrayContaining([expect.stringMatching(/callers\[0\]/)]) },
    });
    expect(await knows('old')).toBe(true);

    await unlink(path);
    expect(await next()).toMatchObject({ message: refused, fields: { problems: [expect.stringMatching(/ENOENT/)] } });
    expect(await knows('old')).toBe(true);

    await writeFile(`${path}.new`, fileOf('new'));
    await rename(`${path}.new`, path);
    expect(await next()).toMatchObject({ message: 'the callers were read again' });
    expect([await knows('old'), await knows('new')]).toEqual([false, true]);
    expect(lines).toEqual([]);
  });
});
