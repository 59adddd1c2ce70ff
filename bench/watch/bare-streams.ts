import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { timestampNow } from '@bufbuild/protobuf/wkt';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { PostState } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_pb.js';
import { PostService } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/post_service_pb.js';
import { eachInTurn } from './each-in-turn.ts';

/** The baseline: streams of the same messages on the same libraries, of events that are made in the process itself and kept nowhere. */
const [watchers, perSecond, events] = ['WATCHERS', 'PER_SECOND', 'EVENTS'].map((name) => Number(process.env[name]));
if (watchers === undefined || perSecond === undefined || events === undefined) throw new Error('not told what to do');
const listeners: (() => void)[] = [];

const handle = connectNodeAdapter({
  routes: (router) =>
    router.rpc(PostService.method.watchPosts, async function* ({ workspaceId }, { signal }) {
      const times: ReturnType<typeof timestampNow>[] = [];
      let wake = (): void => {};
      listeners.push(() => {
        times.push(timestampNow());
        wake();
      });
      if (listeners.length === watchers) {
        console.log('begin');
        void eachInTurn(watchers, perSecond, events, async (chosen) => {
          for (const index of chosen) listeners[index]?.();
        });
      }
      while (!signal.aborted) {
        for (const eventTime of times.splice(0)) {
          const post = { postId: 'post_1', workspaceId, state: PostState.SCHEDULED, caption: 'Burst 1' };
          yield { event: { post, previousState: PostState.SCHEDULED, eventTime, resumeToken: 'token' } };
        }
        if (times.length === 0) {
          await Promise.race([new Promise<void>((resolve) => (wake = resolve)), once(signal, 'abort')]);
        }
      }
    }),
});
const server = createServer(handle).listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ msg: 'ready', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }));
});
