import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres/embedded-postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A PostgreSQL server whose account may create databases. */
    readonly postgresUrl: string;
    /** Undefined where there is no MongoDB: its tests are then skipped by name. */
    readonly mongodbUrl: string | undefined;
  }
}

type Server = { readonly url: string; stop(): Promise<unknown> };

/** One PostgreSQL for the whole run: `DATABASE_URL`, else a container, else the embedded one. MongoDB likewise, else none. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const docker = await getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
  const postgres = await startPostgres(docker);
  const mongodb = await startMongodb(docker);
  project.provide('postgresUrl', postgres.url);
  project.provide('mongodbUrl', mongodb?.url);
  return async () => {
    await mongodb?.stop();
    await postgres.stop();
  };
}

async function startPostgres(docker: boolean): Promise<Server> {
  const given = process.env['DATABASE_URL'];
  if (given !== undefined) return { url: given, stop: async () => undefined };
  if (docker) {
    const container = await new GenericContainer('postgres:18-alpine')
      .withEnvironment({ POSTGRES_PASSWORD: 'test' })
      .withExposedPorts(5432)
      .withWaitStrategy(Wait.forLogMessage('database system is ready to accept connections', 2))
      .start();
    const url = `postgres://postgres:test@${container.getHost()}:${container.getMappedPort(5432)}/postgres`;
    return { url, stop: () => container.stop() };
  }
  const folder = await mkdtemp(join(tmpdir(), 'connector-postgres-'));
  const embedded = await startEmbeddedPostgres(join(folder, 'postgres'));
  return {
    url: embedded.url,
    async stop() {
      await embedded.stop();
      await rm(folder, { recursive: true });
    },
  };
}

async function startMongodb(docker: boolean): Promise<Server | undefined> {
  const given = process.env['AGENDA_MONGODB_URL'];
  if (given !== undefined) return { url: given, stop: async () => undefined };
  if (!docker) return undefined;
  const container = await new GenericContainer('mongo:8').withExposedPorts(27_017).start();
  return {
    url: `mongodb://${container.getHost()}:${container.getMappedPort(27_017)}/agenda`,
    stop: () => container.stop(),
  };
}
