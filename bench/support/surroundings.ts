import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DatabaseServer, startDatabaseServer } from './database-server.ts';
import { machine } from './table.ts';

/** What a bench has to itself, until its resources end. */
export type Surroundings = {
  readonly where: ReturnType<typeof machine>;
  readonly folder: string;
  readonly server: DatabaseServer;
  /** As in `TOKEN_KEYS`. */
  readonly tokenKeys: string;
};

export async function surroundings(
  name: string,
  resources: AsyncDisposableStack,
  tell: (progress: string) => void,
): Promise<Surroundings> {
  const where = machine();
  const folder = await mkdtemp(join(tmpdir(), `bench-${name}-`));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  tell('starting a PostgreSQL');
  const server = resources.use(await startDatabaseServer(join(folder, 'postgres')));
  return { where, folder, server, tokenKeys: `bench:${randomBytes(32).toString('base64')}` };
}

/** Where and when, for people. */
export const circumstancesLine = (
  { where, server }: Pick<Surroundings, 'where'> & { readonly server: Pick<DatabaseServer, 'version'> },
  repeat: number,
): string => {
  const rounds = repeat === 1 ? 'One run each.' : `${repeat} runs each: median (least–most).`;
  const { cores, memoryGiB, platform, node, loadBefore } = where;
  const date = new Date().toISOString().slice(0, 10);
  return `${rounds} ${date}, ${cores} cores (load ${loadBefore} before), ${memoryGiB} GiB, ${platform}, Node ${node}, PostgreSQL ${server.version}.`;
};

/** The same for machines. */
export const circumstances = (
  { where, server }: Pick<Surroundings, 'where'> & { readonly server: Pick<DatabaseServer, 'version'> },
  options: object,
): object => ({ ...options, date: new Date().toISOString(), machine: where, postgres: server.version });
