import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll } from 'vitest';

const releases = fileURLToPath(new URL('../fixtures/releases', import.meta.url));
const packages = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** A version that callers and operators have, as scripts/release-archive.ts keeps it. */
export type Release = {
  readonly version: string;
  /** Where it was made from. Here that commit need not be known. */
  readonly commit: string;
  /** Its sources, with the packages of this version, until the tests of the file are over. */
  readonly folder: string;
};

export type ReleaseRecord = Pick<Release, 'version' | 'commit'> & {
  /** Of the tar, in hex. */
  readonly sha256: string;
  readonly tar: Buffer;
};

/** What is kept of the last release. Throws when it is not what was kept. */
export async function releaseRecord(): Promise<ReleaseRecord> {
  const records = (await readdir(releases)).filter((name) => name.endsWith('.json'));
  const [name] = records;
  if (name === undefined || records.length > 1) throw new Error(`one release is kept, and not ${records.length}`);
  const record = JSON.parse(await readFile(join(releases, name), 'utf8')) as Omit<ReleaseRecord, 'tar'>;
  const tar = gunzipSync(await readFile(join(releases, `${record.version}.tar.gz`)));
  const sha256 = createHash('sha256').update(tar).digest('hex');
  if (sha256 !== record.sha256) throw new Error(`${record.version}.tar.gz is not what was released: ${sha256}`);
  return { ...record, tar };
}

/** To be called once in a file: unpacks the last release before its tests, ready to be started from its folder. */
export function previousRelease(): () => Release {
  let parent: string | undefined;
  let release: Release | undefined;
  beforeAll(async () => {
    const { version, commit, tar } = await releaseRecord();
    parent = await mkdtemp(join(tmpdir(), 'connector-release-'));
    const folder = join(parent, version);
    await mkdir(folder);
    execFileSync('tar', ['-x', '-C', folder, '-f', '-'], { input: tar });
    await symlink(packages, join(folder, 'node_modules'));
    release = { version, commit, folder };
  });
  afterAll(async () => {
    if (parent !== undefined) await rm(parent, { recursive: true });
  });
  return () => {
    if (release === undefined) throw new Error('the release is unpacked before the tests, and not earlier');
    return release;
  };
}
