import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** `npm run sbom` names every package that would be installed, so that whoever looks for one finds it. */
const { stdout, stderr, status } = spawnSync('npm', ['run', '--silent', 'sbom'], {
  encoding: 'utf8',
  maxBuffer: 64 * 2 ** 20,
});
if (status !== 0) throw new Error(`npm sbom failed: ${stderr}`);
const { bomFormat, components } = JSON.parse(stdout) as {
  readonly bomFormat: string;
  readonly components: readonly { readonly purl: string }[];
};
const named = new Set(components.map(({ purl }) => decodeURIComponent(purl).replace(/^pkg:npm\//, '')));

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  readonly packages: Readonly<
    Record<string, { readonly name?: string; readonly version?: string; readonly link?: boolean }>
  >;
};
const missing = Object.entries(packages)
  // A link leads to an entry of its own.
  .filter(([path, { link }]) => path !== '' && link !== true)
  .map(([path, { name, version }]) => `${name ?? path.slice(path.lastIndexOf('node_modules/') + 13)}@${version}`)
  .filter((each) => !named.has(each));
if (bomFormat !== 'CycloneDX') throw new Error(`a bill of materials in ${bomFormat}`);
for (const each of missing) console.error(`${each} is in the lockfile and not in the bill of materials`);
console.log(`${components.length} components`);
process.exitCode = missing.length === 0 && components.length > 0 ? 0 : 1;
