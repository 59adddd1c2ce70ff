import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Pool } from 'pg';
import { PostService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { INSERT, POOL_SIZE, TABLE } from './accepted.ts';

/** A baseline: the same messages on the same libraries, one insert, and no check of anything. */
const pool = new Pool({ connectionString: process.env['DATABASE_URL'] ?? '', max: POOL_SIZE });
await pool.query(TABLE);

const handle = connectNodeAdapter({
  routes: (router) =>
    router.rpc(PostService.method.publishPost, async (request) => {
      const { workspaceId, connectionId, requestId, caption, settings, scheduleTime } = request;
      if (scheduleTime === undefined) throw new Error('a call without a time');
      const postId = `post_${randomUUID()}`;
      const values = [postId, workspaceId, requestId, caption, JSON.stringify(settings), timestampDate(scheduleTime)];
      await pool.query({ ...INSERT, values });
      return { post: { postId, workspaceId, connectionId, caption, scheduleTime } };
    }),
});
const server = createServer(handle).listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ msg: 'ready', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }));
});
