import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Client } from '@connectrpc/connect';
import { type Post, PostState } from '../gen/glowtify/tiktok/v1/post_pb.js';
import type { PostService, PublishPostRequestSchema } from '../gen/glowtify/tiktok/v1/post_service_pb.js';
import type { RetrySurroundings } from './retry.ts';
import { type WatchOptions, watchPosts } from './watch-posts.ts';

/** In these nothing more happens until somebody does something, but for UNCONFIRMED, which is looked into for a week. */
export const isAtRest = ({ state }: Post): boolean =>
  state === PostState.PUBLISHED ||
  state === PostState.IN_CREATOR_INBOX ||
  state === PostState.FAILED ||
  state === PostState.UNCONFIRMED ||
  state === PostState.CANCELLED;

/**
 * Publishes, then tells of the post as accepted and after each change, until it is at rest. Repeating it with the same request goes on with
 * the same post, also in another process. `post.shareUri` may come later than PUBLISHED: `watchPosts` tells. With `signal` aborted the loop
 * ends, and the post goes out all the same.
 */
export async function* publishAndWatch(
  posts: Client<typeof PostService>,
  surroundings: RetrySurroundings,
  request: MessageInitShape<typeof PublishPostRequestSchema>,
  options: WatchOptions = {},
): AsyncGenerator<Post, void, undefined> {
  const call = options.signal === undefined ? {} : { signal: options.signal };
  const { post: accepted } = await posts.publishPost(request, call);
  if (accepted === undefined) throw new Error('PublishPost answered without a post');
  yield accepted;
  // With `validate_only` there is nothing to watch.
  if (accepted.postId === '' || isAtRest(accepted)) return;

  const { postId, workspaceId } = accepted;
  let told = accepted;
  const watch = watchPosts(posts, surroundings, { workspaceId, postIds: [postId] }, options);
  for await (const step of watch) {
    const post = step.kind === 'EVENT' ? step.event.post : (await posts.getPost({ postId, workspaceId }, call)).post;
    // What was read may be ahead of events that are still on their way.
    if (post === undefined || post.etag === told.etag || updatedMs(post) < updatedMs(told)) continue;
    told = post;
    yield post;
    if (isAtRest(post)) return;
  }
}

const updatedMs = ({ updateTime }: Post): number => (updateTime === undefined ? 0 : timestampMs(updateTime));
