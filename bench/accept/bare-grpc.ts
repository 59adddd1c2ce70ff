import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition, Server, ServerCredentials, type ServiceClientConstructor, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Pool } from 'pg';
import { INSERT, POOL_SIZE, TABLE } from './accepted.ts';

/** A baseline: gRPC's own library for Node with the same `.proto` files, one insert, and no check of anything. */
type Call = {
  readonly request: {
    readonly workspaceId: string;
    readonly connectionId: string;
    readonly requestId: string;
    readonly caption: string;
    readonly settings: object;
    readonly scheduleTime: { readonly seconds: number; readonly nanos: number };
  };
};

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] ?? '', max: POOL_SIZE });
await pool.query(TABLE);

const protos = fileURLToPath(new URL('../../proto', import.meta.url));
const definition = loadSync('glowtify/tiktok/v1/post_service.proto', { includeDirs: [protos], longs: Number });
const loaded = loadPackageDefinition(definition) as unknown as {
  readonly glowtify: { readonly tiktok: { readonly v1: { readonly PostService: ServiceClientConstructor } } };
};

async function publishPost({ request }: Call): Promise<object> {
  const { workspaceId, connectionId, requestId, caption, settings, scheduleTime } = request;
  const postId = `post_${randomUUID()}`;
  const time = new Date(scheduleTime.seconds * 1000);
  await pool.query({ ...INSERT, values: [postId, workspaceId, requestId, caption, JSON.stringify(settings), time] });
  return { post: { postId, workspaceId, connectionId, caption, scheduleTime } };
}

const server = new Server();
server.addService(loaded.glowtify.tiktok.v1.PostService.service, {
  publishPost: (call: Call, answer: (error: object | null, response?: object) => void) => {
    publishPost(call).then(
      (response) => answer(null, response),
      (error: Error) => answer({ code: status.INTERNAL, message: error.message }),
    );
  },
});
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  console.log(JSON.stringify({ msg: 'ready', url: `http://127.0.0.1:${port}` }));
});
