import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { ConnectionService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_service_pb.js';
import { PostService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { VideoService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/video_service_pb.js';
import { ErrorInfoSchema } from '../../../src/adapters/rpc/gen/google/rpc/error_details_pb.js';
import { connectorRoutes } from '../../../src/adapters/rpc/routes.ts';
import type { PostEvent } from '../../../src/application/ports/post-events.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { aConnection, aPlan, aVideo } from './examples.ts';
import { fakeNeeds, NOW } from './fake-needs.ts';

const transport = (...needs: Parameters<typeof fakeNeeds>) =>
  createRouterTransport(connectorRoutes(fakeNeeds(...needs)));

const refused = async (call: Promise<unknown>): Promise<ConnectError> => {
  const error = await call.catch((reason: unknown) => reason);
  if (error instanceof ConnectError) return error;
  throw new Error('the call was accepted');
};

describe('the routes in memory', () => {
  it('answer a unary call', async () => {
    const client = createClient(ConnectionService, transport({ getConnection: async () => ok(aConnection()) }));
    const { connection } = await client.getConnection({ connectionId: 'conn_01' });
    expect(connection).toMatchObject({ connectionId: 'conn_01', destination: 'tiktok', etag: '4' });
  });

  it('carry the details of a refusal', async () => {
    const client = createClient(
      PostService,
      transport({ getPost: async () => err({ code: 'NOT_FOUND', resource: 'post', id: 'post_9' }) }),
    );
    const error = await refused(client.getPost({ postId: 'post_9' }));
    expect(error.code).toBe(Code.NotFound);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
      { reason: 'NOT_FOUND', domain: 'tiktok.glowtify', metadata: { resource: 'post', id: 'post_9' } },
    ]);
  });

  it('take an upload and end it with its source', async () => {
    const lengths: number[] = [];
    const client = createClient(
      VideoService,
      transport({
        uploadVideo: async ({ bytes }) => {
          for await (const chunk of bytes) lengths.push(chunk.length);
          return ok(aVideo());
        },
      }),
    );
    const { video } = await client.uploadVideo(
      (async function* () {
        yield { payload: { case: 'metadata' as const, value: { workspaceId: 'ws_a' } } };
        yield { payload: { case: 'chunk' as const, value: new Uint8Array(3) } };
        yield { payload: { case: 'chunk' as const, value: new Uint8Array(4) } };
      })(),
    );
    expect(video?.videoId).toBe('vid_01');
    expect(lengths).toEqual([3, 4]);
  });

  it('keep the order of events', async () => {
    const event = (cursor: string): PostEvent => ({
      step: { post: { ...aPlan(), state: 'SCHEDULED' } },
      eventTime: NOW,
      cursor,
    });
    const client = createClient(
      PostService,
      transport({
        watchPosts: async () =>
          ok(
            (async function* () {
              yield event('1');
              yield event('2');
            })(),
          ),
      }),
    );
    const tokens: (string | undefined)[] = [];
    for await (const message of client.watchPosts({ workspaceId: 'ws_a' })) {
      tokens.push(message.event?.resumeToken);
      if (tokens.length === 2) break;
    }
    expect(tokens).toEqual(['1', '2']);
  });

  it('forget a look-up that failed', async () => {
    let looks = 0;
    const log = recordingLog();
    const client = createClient(
      PostService,
      transport(
        { getPost: async () => ok({ step: { post: { ...aPlan(), state: 'SCHEDULED' } }, timeline: [] }) },
        {
          log,
          findConnection: async () => {
            looks += 1;
            if (looks === 1) throw new Error('away');
            return aConnection();
          },
        },
      ),
    );
    expect((await refused(client.getPost({ postId: 'post_01' }))).code).toBe(Code.Internal);
    expect((await client.getPost({ postId: 'post_01' })).post?.postId).toBe('post_01');
    expect(log.lines).toHaveLength(1);
  });

  it('hide why it could not be found out who calls', async () => {
    const log = recordingLog();
    const callers = { identify: () => Promise.reject(new Error('secret of the door')) };
    const client = createClient(PostService, transport({}, { log, callers }));
    const error = await refused(client.getPost({ postId: 'post_01' }));
    expect(error.code).toBe(Code.Internal);
    expect(error.message).not.toContain('secret');
    expect(log.lines).toHaveLength(1);
  });
});
