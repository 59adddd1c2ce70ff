import { type Child, startService } from './child.ts';
import { freePorts } from './free-ports.ts';
import type { SandboxProcess } from './sandbox-process.ts';

/** A process of the service, which is ready. */
export type Worker = Child & {
  /** Of its gRPC port. */
  readonly rpcUrl: string;
  /** From the start of its process until it said `ready`. */
  readonly startSeconds: number;
};

/** The service with its default settings, but that it asks for no numbers of videos and accounts. */
export async function startWorker({
  sandbox,
  databaseUrl,
  tokenKeys,
  folder,
  videoFolder,
  resources,
  environment = {},
}: {
  readonly sandbox: SandboxProcess;
  readonly databaseUrl: string;
  readonly tokenKeys: string;
  readonly folder: string;
  readonly videoFolder: string;
  readonly resources: AsyncDisposableStack;
  readonly environment?: Readonly<Record<string, string>>;
}): Promise<Worker> {
  const [rpcPort, httpPort] = await freePorts(2);
  const began = performance.now();
  const child = resources.use(
    startService({
      RPC_PORT: String(rpcPort),
      HTTP_PORT: String(httpPort),
      DATA_DIR: folder,
      DATABASE_URL: databaseUrl,
      VIDEO_STORE: `file:${videoFolder}`,
      TOKEN_KEYS: tokenKeys,
      TIKTOK_CLIENT_KEY: sandbox.clientKey,
      TIKTOK_CLIENT_SECRET: sandbox.clientSecret,
      TIKTOK_OPEN_API_URL: sandbox.origin,
      TIKTOK_AUTHORIZE_URL: `${sandbox.origin}/v2/auth/authorize/`,
      TIKTOK_UPLOAD_ORIGINS: sandbox.origin,
      ANALYTICS_OPEN_CALLS_PER_SECOND: '0',
      ...environment,
    }),
  );
  await child.line((line) => line.includes('"msg":"ready"'), 'it was ready');
  const startSeconds = (performance.now() - began) / 1000;
  return { ...child, rpcUrl: `http://127.0.0.1:${rpcPort}`, startSeconds };
}
