import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { arch, platform, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';

/** A PostgreSQL server of this service's own. */
export type EmbeddedPostgres = {
  /** Of the database `glowtify`, with its password: not to be logged. */
  readonly url: string;
  /** Ends the server; its data stays. */
  stop(): Promise<void>;
};

type Binaries = { readonly initdb: string; readonly pg_ctl: string };
type Account = { readonly uid: number; readonly gid: number };

const run = promisify(execFile);
const USER = 'glowtify';
/** Any number, for the session lock that one service holds on one data folder. */
const OWNER_LOCK = 7_411_301_124;

/**
 * Starts PostgreSQL under `folder`, or takes over the one that a killed process left running there. The server is no child of
 * this process, so no signal that ends us ends it before we have written our last word.
 */
export async function startEmbeddedPostgres(folder: string): Promise<EmbeddedPostgres> {
  const account = await unprivilegedAccount();
  const cluster = join(folder, 'cluster');
  const passwordFile = join(folder, 'password');
  const above = dirname(folder);
  await mkdir(above, { recursive: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await mkdir(cluster, { recursive: true, mode: 0o700 });
  if (account !== undefined) {
    for (const own of [folder, cluster]) await chown(own, account.uid, account.gid);
    // The other account may pass through the data folder. It sees no names there, and no file that is not its own.
    await chmod(above, ((await stat(above)).mode & 0o777) | 0o011);
  }

  await using ending = new AsyncDisposableStack();
  const found = await findBinaries();
  const binaries =
    account === undefined || (await canEnter(dirname(found.initdb), account))
      ? found
      : await copied(found, account, ending);
  // Linux leads whoever is in a folder back to it by this name, also one that could not have come there by its path.
  const data =
    account === undefined || platform() !== 'linux' || (await canEnter(cluster, account)) ? cluster : '/proc/self/cwd';

  const command = (file: string, args: readonly string[]) =>
    run(file, [...args], { ...account, cwd: cluster, env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } }).catch(
      (error) => {
        throw new Error(explainFailure(error, folder, account === undefined ? undefined : dirname(file)), {
          cause: error,
        });
      },
    );

  if (!(await exists(join(cluster, 'PG_VERSION')))) {
    await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    if (account !== undefined) await chown(passwordFile, account.uid, account.gid);
    await command(binaries.initdb, [
      `--pgdata=${data}`,
      `--username=${USER}`,
      `--pwfile=${join('..', basename(passwordFile))}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--no-locale',
    ]);
  }
  const control = (...args: readonly string[]) => command(binaries.pg_ctl, ['-D', data, ...args]);
  const stopServer = async (): Promise<void> => void (await control('stop', '-m', 'fast', '-w', '-t', '60'));

  const runningAt = await runningPort(cluster);
  const port = runningAt ?? (await freePort());
  if (runningAt === undefined) {
    await control(
      'start',
      '-w',
      '-t',
      '60',
      '-l',
      join('..', 'server.log'),
      '-o',
      `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200`,
    );
    ending.defer(stopServer);
  }
  const password = (await readFile(passwordFile, 'utf8')).trim();
  const address = (database: string) => `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
  const owner = new Client({ connectionString: address('postgres') });
  await owner.connect();
  // The connection is only there to hold the lock; when the server goes down first, there is nothing left to hold.
  owner.on('error', () => undefined);
  const { rows } = await owner.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [OWNER_LOCK]);
  if (rows[0]?.held !== true) {
    await owner.end();
    throw new Error(
      `the data folder ${folder} is in use by another process of this service; choose another DATA_DIR, or share one PostgreSQL with DATABASE_URL`,
    );
  }
  // What another process left running is ours from here on.
  if (runningAt !== undefined) ending.defer(stopServer);
  ending.defer(() => owner.end());
  const known = await owner.query("select 1 from pg_database where datname = 'glowtify'");
  if (known.rowCount === 0) await owner.query('create database glowtify');

  const kept = ending.move();
  return { url: address('glowtify'), stop: () => kept.disposeAsync() };
}

/** Where `account` can run them, until `ending`. A process that is killed leaves them there. */
async function copied(binaries: Binaries, account: Account, ending: AsyncDisposableStack): Promise<Binaries> {
  const copy = await mkdtemp(join(await temporaryFolder(account), 'embedded-postgres-'));
  ending.defer(() => rm(copy, { recursive: true }));
  await cp(dirname(dirname(binaries.initdb)), copy, { recursive: true, verbatimSymlinks: true });
  // Whoever unpacked them may have kept them for himself.
  await run('chown', ['-R', `${account.uid}:${account.gid}`, copy]);
  const there = (file: string): string => join(copy, basename(dirname(file)), basename(file));
  return { initdb: there(binaries.initdb), pg_ctl: there(binaries.pg_ctl) };
}

async function temporaryFolder(account: Account): Promise<string> {
  for (const folder of [tmpdir(), '/var/tmp', '/tmp']) if (await canEnter(folder, account)) return folder;
  throw new Error(
    `PostgreSQL does not run as root, and its own account can enter neither the folder of this program nor ${tmpdir()}; set TMPDIR to a folder that all may enter, or DATABASE_URL`,
  );
}

/** Whether an account gets to a folder by its path: the rights of every folder above it count, and only the system knows them all. */
async function canEnter(folder: string, account: Account): Promise<boolean> {
  try {
    await run('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], { ...account, cwd: '/' });
    return true;
  } catch (error) {
    // A number is what the shell ended with; all else is that it did not run.
    if (error instanceof Error && 'code' in error && typeof error.code === 'number') return false;
    throw error;
  }
}

/** Whether a server runs there, has run there, or never did. Starts nothing; throws, with the remedy, when none could run here. */
export async function lookAtEmbeddedPostgres(folder: string): Promise<'RUNNING' | 'STOPPED' | 'ABSENT'> {
  await findBinaries();
  await unprivilegedAccount();
  const cluster = join(folder, 'cluster');
  if (!(await exists(join(cluster, 'PG_VERSION')))) return 'ABSENT';
  return (await runningPort(cluster)) === undefined ? 'STOPPED' : 'RUNNING';
}

async function findBinaries(): Promise<Binaries> {
  const system = platform() === 'win32' ? 'windows' : platform();
  const name = `@embedded-postgres/${system}-${arch()}`;
  try {
    return (await import(name)) as Binaries;
  } catch (error) {
    throw new Error(`no PostgreSQL is bundled for ${system} on ${arch()} (package ${name}); set DATABASE_URL instead`, {
      cause: error,
    });
  }
}

/** PostgreSQL refuses to run as root; then it runs as `postgres`, or as `nobody`. */
async function unprivilegedAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const wanted of ['postgres', 'nobody']) {
    const [, , uid, gid] = accounts.find(([name]) => name === wanted) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(
    'PostgreSQL does not run as root, and there is no account "postgres" or "nobody"; set DATABASE_URL instead',
  );
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );

/** The fourth line of `postmaster.pid`; undefined when no living server wrote it. */
async function runningPort(cluster: string): Promise<number | undefined> {
  const pidFile = join(cluster, 'postmaster.pid');
  if (!(await exists(pidFile))) return undefined;
  const [pid = '', , , port = ''] = (await readFile(pidFile, 'utf8')).split('\n');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return undefined;
    throw error;
  }
  return (await answers(Number(port))) ? Number(port) : undefined;
}

/** A process id may have been given out anew since: only a server that answers there is ours. */
async function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
      .once('connect', () => {
        socket.destroy();
        resolve(true);
      })
      .once('error', () => resolve(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
      .once('error', reject)
      .listen(0, '127.0.0.1', () => {
        const address = server.address();
        server.close(() =>
          typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no free port')),
        );
      });
  });
}

/** `ranFrom`: where another account than ours had to run it from. */
function explainFailure(
  error: { code?: unknown; stderr?: unknown },
  folder: string,
  ranFrom: string | undefined,
): string {
  const said = typeof error.stderr === 'string' ? error.stderr.trim() : '';
  const reach =
    ranFrom === undefined
      ? ''
      : ` As root it runs under another account, which must be able to run programs from ${ranFrom}.`;
  return `the embedded PostgreSQL did not start (${said || String(error.code)}).${reach} Look into ${join(folder, 'server.log')}, or set DATABASE_URL.`;
}
