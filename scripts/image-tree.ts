import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import type { Lockfile } from './package-problems.ts';

/** What is in an image, and how a container of it starts, as its Dockerfile says. */
export type Image = {
  /** On this machine: what is `/` in the image, without what its base brings. */
  readonly folder: string;
  /** Name and tag of the image it is made from. */
  readonly base: string;
  /** In the image. */
  readonly workdir: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string | undefined;
  readonly volumes: readonly string[];
  readonly ports: readonly string[];
  readonly stopSignal: string | undefined;
  readonly healthcheck: readonly string[] | undefined;
  readonly command: readonly string[];
};

type Instruction = { readonly name: string; readonly rest: string };
type Stage = { readonly base: string; readonly name: string; readonly instructions: readonly Instruction[] };

/**
 * Makes the files of the image `target` of `context`/Dockerfile under `folder`, without Docker and without the registry: packages come from
 * the `node_modules` of `context`, those that the lockfile gives to the `npm ci` of the Dockerfile. Throws at whatever Docker
 * would refuse, and at an instruction that it can't follow.
 */
export function imageTree({
  context,
  target,
  folder,
}: {
  readonly context: string;
  readonly target: string;
  readonly folder: string;
}): Image {
  const stages = stagesOf(readFileSync(join(context, 'Dockerfile'), 'utf8'));
  const ignored = ignoring(readFileSync(join(context, '.dockerignore'), 'utf8'));
  return build(target, folder);

  function build(name: string, into: string): Image {
    const stage = stages.find((each) => each.name === name);
    if (stage === undefined) throw new Error(`the Dockerfile has no stage ${name}`);
    let image = stages.some((each) => each.name === stage.base) ? build(stage.base, into) : fresh(into, stage.base);
    for (const instruction of stage.instructions) image = { ...image, ...follow(instruction, image) };
    return image;
  }

  function follow({ name, rest }: Instruction, image: Image): Partial<Image> {
    switch (name) {
      case 'WORKDIR':
        mkdirSync(join(image.folder, rest), { recursive: true });
        return { workdir: rest };
      case 'COPY':
        copy(rest.split(' '), image);
        return {};
      case 'RUN':
        run(rest, image);
        return {};
      case 'ENV':
        return { environment: { ...image.environment, ...pairsOf(rest) } };
      case 'USER':
        return { user: rest };
      case 'VOLUME':
        return { volumes: [...image.volumes, ...rest.split(' ')] };
      case 'EXPOSE':
        return { ports: [...image.ports, ...rest.split(' ')] };
      case 'STOPSIGNAL':
        return { stopSignal: rest };
      case 'HEALTHCHECK':
        return { healthcheck: JSON.parse(rest.slice(rest.indexOf('['))) };
      case 'CMD':
        return { command: JSON.parse(rest) };
      case 'LABEL':
        return {};
      default:
        throw new Error(`the Dockerfile says ${name} ${rest}: teach scripts/image-tree.ts to follow that`);
    }
  }

  function copy(words: readonly string[], image: Image): void {
    const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length);
    const paths = words.filter((word) => !word.startsWith('--'));
    const destination = paths.at(-1) ?? '';
    if (from === undefined) {
      place(paths, destination, image);
      return;
    }
    const side = mkdtempSync(`${folder}-stage-`);
    try {
      const source = join(build(from, side).folder, paths[0] ?? '');
      const into = join(image.folder, image.workdir, destination);
      if (paths.length !== 2 || destination.startsWith('/') || existsSync(into)) {
        throw new Error(`COPY ${words.join(' ')}: teach scripts/image-tree.ts to follow that`);
      }
      // Nobody else needs the stage: as good as a copy, and much faster.
      renameSync(source, into);
    } finally {
      rmSync(side, { recursive: true });
    }
  }

  /** A folder gives what is in it; a file goes to a name, or below a name that ends in "/" or is ".". */
  function place(paths: readonly string[], destination: string, { folder: root, workdir }: Image): void {
    const into = join(root, workdir, destination);
    for (const path of paths.slice(0, -1)) {
      const source = join(context, path);
      if (!existsSync(source) || ignored(path.replace(/\/$/, ''))) {
        throw new Error(`COPY ${path}: it is not there, or .dockerignore keeps it out`);
      }
      const isBelow = /(^\.|\/)$/.test(destination) && statSync(source).isFile();
      cpSync(source, isBelow ? join(into, basename(path)) : into, {
        recursive: true,
        filter: (each) => !ignored(relative(context, each)),
      });
    }
  }

  function run(command: string, { folder: root, workdir }: Image): void {
    const made = /^mkdir (\/[\w/]+) && chown node:node \1$/.exec(command)?.[1];
    if (made !== undefined) mkdirSync(join(root, made));
    else if (/^npm ci( --[a-z=-]+)*$/.test(command)) install(context, join(root, workdir), omittedBy(command));
    else throw new Error(`the Dockerfile says RUN ${command}: teach scripts/image-tree.ts to follow that`);
  }
}

/** As `npm ci` into `into`, from the packages that `context` has: a package that would not be there is not there. */
function install(context: string, into: string, omitted: ReadonlySet<Omitted>): void {
  const lockfile: PackageKinds = JSON.parse(readFileSync(join(into, 'package-lock.json'), 'utf8'));
  for (const workspace of Object.values(lockfile.packages)) {
    if (workspace.link !== true || workspace.resolved === undefined) continue;
    if (!existsSync(join(into, workspace.resolved, 'package.json'))) {
      throw new Error(`npm ci: the workspace ${workspace.resolved} of the lockfile has no package.json in the image`);
    }
  }
  for (const path of packagesLeft(lockfile, omitted)) {
    const source = join(context, path);
    if (!existsSync(source)) throw new Error(`${path} of the lockfile is not installed here: npm ci`);
    // What is nested in it are entries of their own. Never a link: Node would look for its needs where it leads.
    const filter = (each: string): boolean => !relative(source, each).split('/').includes('node_modules');
    cpSync(source, join(into, path), { recursive: true, dereference: true, filter });
  }
}

export type Omitted = 'dev' | 'optional';
/** What of package-lock.json says who needs a package. */
export type PackageKinds = {
  readonly packages: Readonly<
    Record<
      string,
      Lockfile['packages'][string] & {
        readonly dev?: boolean;
        readonly optional?: boolean;
        /** Both by somebody: it stays while one of the two does. */
        readonly devOptional?: boolean;
      }
    >
  >;
};

/** Where the packages of the lockfile lie that `npm ci` puts there when it omits these. */
export function packagesLeft({ packages }: PackageKinds, omitted: ReadonlySet<Omitted>): readonly string[] {
  return Object.entries(packages)
    .filter(([path, { link }]) => path.includes('node_modules/') && link !== true)
    .filter(([, { dev, optional, devOptional }]) => {
      if (dev === true && omitted.has('dev')) return false;
      if (optional === true && omitted.has('optional')) return false;
      return !(devOptional === true && omitted.has('dev') && omitted.has('optional'));
    })
    .map(([path]) => path);
}

const omittedBy = (command: string): ReadonlySet<Omitted> =>
  new Set((['dev', 'optional'] as const).filter((kind) => command.includes(`--omit=${kind}`)));

const fresh = (folder: string, base: string): Image => ({
  folder,
  base,
  workdir: '/',
  environment: {},
  user: undefined,
  volumes: [],
  ports: [],
  stopSignal: undefined,
  healthcheck: undefined,
  command: [],
});

function stagesOf(dockerfile: string): readonly Stage[] {
  const stages: (Stage & { readonly instructions: Instruction[] })[] = [];
  const lines = dockerfile.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
  for (const line of lines
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')) {
    const [, name = '', rest = ''] = /^([A-Z]+) +(.*\S)/.exec(line) ?? [];
    const stage = /^(\S+) AS (\S+)$/.exec(rest);
    const last = stages.at(-1);
    if (name === 'FROM' && stage !== null)
      stages.push({ base: stage[1] ?? '', name: stage[2] ?? '', instructions: [] });
    else if (name !== '' && name !== 'FROM' && last !== undefined) last.instructions.push({ name, rest });
    else throw new Error(`the Dockerfile says ${line}: that is no instruction, or a stage without a name`);
  }
  return stages;
}

const pairsOf = (rest: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    rest.split(' ').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );

/** Whether .dockerignore keeps a path out: the last line that fits it, or a folder above it, decides. */
export function ignoring(dockerignore: string): (path: string) => boolean {
  const rules = dockerignore
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ keeps: line.startsWith('!'), fits: fitting(line.replace(/^!/, '')) }));
  return (path) => {
    const parts = path.split('/');
    const above = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    const last = rules.findLast(({ fits }) => above.some((each) => fits.test(each)));
    return last !== undefined && !last.keeps;
  };
}

/** `*` is anything but "/", and a folder named `**` is any number of folders. */
const fitting = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('**/', '\0')
      .replaceAll('*', '[^/]*')
      .replaceAll('\0', '(.*/)?')}$`,
  );
