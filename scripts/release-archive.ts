import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/**
 * Keeps what starts a release under test/fixtures/releases, in place of the release before it: the tests run it beside this version
 * (OPS-03), also where there is no history. `npm run release:archive -- v0.2.0`, with the release's tag or commit.
 *
 * Times and owners in the tar are the commit's, so the same commit always gives the same tar, whose checksum is kept beside it.
 */
const FOLDER = 'test/fixtures/releases';
/** What the Dockerfile copies, and the lockfile: the packages it was released with. */
const PATHS = ['package.json', 'package-lock.json', 'LICENSE', 'src'];

const [release] = process.argv.slice(2);
if (release === undefined) throw new Error('name the tag or commit of the release: npm run release:archive -- v0.2.0');

const git = (...args: readonly string[]): Buffer => execFileSync('git', args, { maxBuffer: 2 ** 28 });
const commit = git('rev-parse', '--verify', `${release}^{commit}`).toString().trim();
const { version } = JSON.parse(git('show', `${commit}:package.json`).toString()) as { readonly version: string };
const tar = git('-c', 'tar.umask=0022', 'archive', '--format=tar', commit, '--', ...PATHS);
const sha256 = createHash('sha256').update(tar).digest('hex');

mkdirSync(FOLDER, { recursive: true });
for (const name of readdirSync(FOLDER)) rmSync(join(FOLDER, name));
writeFileSync(join(FOLDER, `${version}.tar.gz`), gzipSync(tar, { level: 9 }));
writeFileSync(join(FOLDER, `${version}.json`), `${JSON.stringify({ version, commit, sha256 }, null, 2)}\n`);
console.log(`${FOLDER}/${version}.tar.gz: ${commit}, tar ${tar.length} bytes, sha256 ${sha256}`);
