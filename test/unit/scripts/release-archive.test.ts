import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const releases = join(root, 'test/fixtures/releases');
const [kept = ''] = readdirSync(releases).filter((name) => name.endsWith('.json'));
const { commit } = JSON.parse(readFileSync(join(releases, kept), 'utf8')) as { readonly commit: string };

function archive(...args: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'release-archive-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const run = spawnSync(process.execPath, [join(root, 'scripts/release-archive.ts'), ...args], {
    cwd: folder,
    env: { ...process.env, GIT_DIR: join(root, '.git'), TZ: 'Pacific/Auckland' },
    encoding: 'utf8',
  });
  return { ...run, folder: join(folder, 'test/fixtures/releases') };
}

const hasHistory = spawnSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: root }).status === 0;

it.skipIf(!hasHistory)(
  'OPS-03 the release that is kept is made again from its commit, the same (needs the history)',
  () => {
    const { status, folder } = archive(commit);
    expect(status).toBe(0);
    expect(readFileSync(join(folder, kept), 'utf8')).toBe(readFileSync(join(releases, kept), 'utf8'));
    expect(readdirSync(folder)).toEqual([kept, kept.replace('.json', '.tar.gz')]);
  },
);

it.each([
  ['nothing', [], /name the tag or commit/],
  ['what nobody knows', ['v999.0.0'], /Needed a single revision|not a git repository|ENOENT/],
])('OPS-03 an archive of %s is refused', (_, args, reason) => {
  const { status, stderr } = archive(...args);
  expect(status).toBe(1);
  expect(stderr).toMatch(reason);
});
