#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { breakableWay } from './breakable-way.ts';
import { type ConnectorOptions, connectorClient } from './connector-client.ts';
import { ConnectorError } from './connector-error.ts';
import { CHECKS, cleanUp, connectInSandbox, sample, type World } from './contract-checks.ts';

const HELP = `tiktok-connector-client contract-test --server HOST:PORT [flags]

Checks what callers rely on against a running service that has a sandbox for TikTok. It connects an account and posts there.
CONNECTOR_CREDENTIAL in the environment is the key or token, where the service asks for one: with the roles connect, publish and read.

  --server HOST:PORT    the gRPC port
  --workspace ID        where to act (by default a new one)
  --account NAME        an account of the sandbox (glow.bakery)
  --patience SECONDS    how long a check may take (120)
  --ca FILE             PEM of the authorities to trust: turns on TLS
  --cert FILE           PEM of our certificate, with --cert-key FILE (mTLS)
  --cert-key FILE

Exits with 0 when every check passed, 1 when one failed, 2 when nothing could be checked.
`;

/** A check that hears nothing must not wait for ever. */
async function tooLate(seconds: number): Promise<never> {
  await delay(seconds * 1000, undefined, { ref: false });
  throw new Error(`it did not end within ${seconds} seconds`);
}

/** Prints a line for each check and the count. Resolves with the exit code. */
async function contractTest(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      server: { type: 'string' },
      workspace: { type: 'string', default: `ws_contract_${randomUUID().slice(0, 8)}` },
      account: { type: 'string', default: 'glow.bakery' },
      patience: { type: 'string', default: '120' },
      ca: { type: 'string' },
      cert: { type: 'string' },
      'cert-key': { type: 'string' },
    },
  });
  const { server, workspace: workspaceId, account, patience, ca, cert, 'cert-key': certKey } = values;
  if (server === undefined) throw new Error('--server is missing');
  if (!(Number(patience) > 0)) throw new Error(`--patience ${patience} is no number of seconds`);
  const credential = process.env['CONNECTOR_CREDENTIAL'];
  const options = {
    ...(credential === undefined ? {} : { credential }),
    ...(ca === undefined
      ? {}
      : {
          tls: {
            ca: readFileSync(ca),
            // The detour is on loopback; the certificate is the server's all the same.
            serverName: new URL(`tcp://${server}`).hostname,
            ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
            ...(certKey === undefined ? {} : { key: readFileSync(certKey) }),
          },
        }),
  } satisfies Partial<ConnectorOptions>;

  const counts = new Map<string, number>();
  const way = await breakableWay(server);
  const client = connectorClient({ ...options, address: server });
  const detour = connectorClient({
    ...options,
    address: way.address,
    interceptors: [
      (next) => (request) => {
        counts.set(request.method.name, (counts.get(request.method.name) ?? 0) + 1);
        return next(request);
      },
    ],
  });
  try {
    const connectionId = await connectInSandbox(client, workspaceId, account);
    const { videoId } = await client.uploadVideo(sample('good.mp4'), { workspaceId });
    const attempts = (method: string): number => counts.get(method) ?? 0;
    const world: World = { client, detour, way, attempts, workspaceId, connectionId, videoId };
    let failed = 0;
    for (const { name, run } of CHECKS) {
      try {
        await Promise.race([run(world), tooLate(Number(patience))]);
        console.log(`✓ ${name}`);
      } catch (error) {
        failed += 1;
        console.log(`✗ ${name}\n  ${explained(error).replaceAll('\n', '\n  ')}`);
      }
    }
    await cleanUp(world);
    console.log(`${CHECKS.length - failed} passed, ${failed} failed`);
    return failed === 0 ? 0 : 1;
  } finally {
    client.close();
    detour.close();
    await way.close();
  }
}

const explained = (error: unknown): string =>
  error instanceof ConnectorError
    ? `${error.message}${error.reason === undefined ? '' : ` (${error.reason})`}`
    : error instanceof Error
      ? error.message
      : String(error);

const [command, ...args] = process.argv.slice(2);
if (command === 'contract-test') {
  try {
    process.exitCode = await contractTest(args);
  } catch (error) {
    console.error(explained(error));
    process.exitCode = 2;
  }
} else {
  console.log(HELP);
  process.exitCode = command === '--help' ? 0 : 2;
}
