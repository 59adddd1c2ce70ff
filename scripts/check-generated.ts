import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Generates the contract's code anew, aside, and compares it byte for byte with what is checked in. */
const GENERATED = ['src/adapters/rpc/gen', 'clients/typescript/gen'];

const files = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]),
  );

const aside = mkdtempSync(join(tmpdir(), 'generated-'));
try {
  execFileSync('buf', ['generate', '--output', aside], { stdio: 'inherit' });
  for (const folder of GENERATED) {
    const fresh = files(join(aside, folder));
    const stored = files(folder);
    const stale = new Set([...fresh.keys(), ...stored.keys()].filter((name) => fresh.get(name) !== stored.get(name)));
    if (fresh.size === 0) throw new Error(`nothing was generated for ${folder}: this check proves nothing`);
    if (stale.size > 0) throw new Error(`run "npm run generate": stale in ${folder} are ${[...stale].join(', ')}`);
    console.log(`${fresh.size} generated files in ${folder} are up to date`);
  }
} finally {
  rmSync(aside, { recursive: true });
}
