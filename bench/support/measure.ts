import type { Child } from './child.ts';
import type { DatabaseServer } from './database-server.ts';
import type { SandboxProcess } from './sandbox-process.ts';

/** What all of them have used so far. */
export async function measure({
  worker,
  sandbox,
  server,
  database,
}: {
  readonly worker: Pick<Child, 'usage'>;
  readonly sandbox: Pick<SandboxProcess, 'usage'>;
  readonly server: DatabaseServer;
  readonly database: string;
}) {
  return {
    worker: await worker.usage(),
    sandbox: await sandbox.usage(),
    postgres: await server.cpuSeconds(),
    walBytes: await server.walBytes(),
    transactions: await server.transactions(database),
  };
}
