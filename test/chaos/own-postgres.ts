import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'pg';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres/embedded-postgres.ts';
import { isDatabaseDown } from '../../src/adapters/persistence/database-down.ts';

/** A PostgreSQL of this run's own, to be crashed at will. */
export type OwnPostgres = {
  readonly url: string;
  /** A question of the judge's. Waits while the server is down; only for what may be asked twice. */
  ask<Row>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** As after a power cut: nothing is flushed, every connection breaks; it recovers from its log, on the same port. */
  crash(): Promise<void>;
  stop(): Promise<void>;
};

const RECOVERY_MILLISECONDS = 60_000;

export async function startOwnPostgres(folder: string): Promise<OwnPostgres> {
  const server = await startEmbeddedPostgres(folder);
  const cluster = join(folder, 'cluster');
  const pool = new Pool({ connectionString: server.url, max: 4 });
  // Connections that break while nobody uses them are part of the plan.
  pool.on('error', () => undefined);
  let crashing = Promise.resolve();

  async function ask<Row>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const giveUp = performance.now() + RECOVERY_MILLISECONDS;
    for (;;) {
      try {
        return (await pool.query(text, [...values])).rows as Row[];
      } catch (error) {
        if (!isDatabaseDown(error) || performance.now() > giveUp) throw error;
        await Promise.all([crashing, delay(50)]);
      }
    }
  }

  return {
    url: server.url,
    ask,
    async crash() {
      crashing = control(cluster, 'restart', '-m', 'immediate', '-l', join(folder, 'server.log'));
      await crashing;
    },
    async stop() {
      await crashing.catch(() => undefined);
      await pool.end();
      try {
        await server.stop();
      } catch (error) {
        // Its owner's connection may be gone, or the server itself: what counts is that nothing runs on.
        if (existsSync(join(cluster, 'postmaster.pid'))) await control(cluster, 'stop', '-m', 'immediate');
        else console.error('PostgreSQL had ended before it was told to:', error);
      }
    },
  };
}

/** PostgreSQL's own pg_ctl, as the account that the cluster belongs to. It waits until the server has done it. */
async function control(cluster: string, ...command: readonly string[]): Promise<void> {
  const system = platform() === 'win32' ? 'windows' : platform();
  const { pg_ctl } = (await import(`@embedded-postgres/${system}-${arch()}`)) as { pg_ctl: string };
  const { uid, gid } = await stat(cluster);
  const account = process.getuid?.() === uid ? {} : { uid, gid };
  const child = spawn(pg_ctl, [...command, '-D', cluster, '-w', '-t', '60'], {
    ...account,
    cwd: cluster,
    env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
    // In a group of its own: Ctrl-C ends this run, which then ends the server; half of a restart would leave none to end.
    detached: true,
    stdio: 'ignore',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`pg_ctl ${command.join(' ')} ended with ${code}`);
}
