import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { optionalText, pageTokenOf } from '../../application/field-checks.ts';
import type { GetPost } from '../../application/get-post.ts';
import type { Refusal } from '../../application/refusal.ts';
import { type Finding, isError } from '../../domain/finding.ts';
import type { PostId, WorkspaceId } from '../../domain/ids.ts';
import type { Step } from '../../domain/post/step.ts';
import type { Result } from '../../domain/result.ts';
import {
  type PostService,
  type WatchPostsRequest,
  WatchPostsRequestSchema,
} from './gen/glowtify/tiktok/v1/post_service_pb.js';
import { eventMessage, postMessage, postWithAttempts, timelineMessage } from './post-messages.ts';
import { readListPosts, readPublishPost, readUpdatePost, readWatchPosts } from './post-requests.ts';
import { postSurroundings } from './post-surroundings.ts';
import { findingMessage } from './publish-error-messages.ts';
import { checkName, checkText } from './request-fields.ts';
import type { RpcNeeds } from './rpc-needs.ts';
import { refusals } from './to-connect-error.ts';
import { watching } from './watching.ts';

export function postService(needs: RpcNeeds): ServiceImpl<typeof PostService> {
  const { useCases, clock } = needs;
  const surroundingsOf = postSurroundings(needs);

  const { accept, refuse } = refusals(clock);
  const brief = async (step: Step) => postMessage(step, await surroundingsOf(step.post));
  const full = async (step: Step) => postWithAttempts(step, await surroundingsOf(step.post));

  function named({ postId, workspaceId }: { postId: string; workspaceId: string }): Parameters<GetPost>[0] {
    refuse(checkName('post_id', postId, workspaceId));
    return {
      postId: postId as PostId,
      ...(workspaceId === '' ? {} : { workspaceId: workspaceId as WorkspaceId }),
    };
  }

  return {
    async publishPost(request) {
      const { value: input, findings } = readPublishPost(request);
      if (findings.length > 0) {
        refuse(withOthers(findings, await useCases.publishPost({ ...input, validateOnly: true })));
      }
      const output = accept(await useCases.publishPost(input));
      return {
        post: await brief(output.step),
        findings: output.findings.map(findingMessage),
        replayed: output.replayed,
      };
    },

    async getPost(request) {
      const { step, timeline } = accept(await useCases.getPost(named(request)));
      const post = await full(step);
      post.timeline = timeline.map(timelineMessage);
      return { post };
    },

    async listPosts(request) {
      const { value: filter, findings } = readListPosts(request);
      refuse(findings);
      const { pageSize } = request;
      const page = accept(await useCases.listPosts({ filter, pageSize, pageToken: request.pageToken }));
      return {
        posts: await Promise.all(page.items.map(brief)),
        nextPageToken: pageTokenOf(filter.workspaceId, page.next),
      };
    },

    async updatePost(request) {
      const { value: input, findings } = readUpdatePost(request);
      if (findings.length > 0) {
        refuse(withOthers(findings, await useCases.updatePost({ ...input, validateOnly: true })));
      }
      const output = accept(await useCases.updatePost(input));
      return { post: await brief(output.step), findings: output.findings.map(findingMessage) };
    },

    async cancelPost(request) {
      return { post: await full(accept(await useCases.cancelPost(named(request)))) };
    },

    async retryPost(request) {
      const { requestId, acceptDuplicateRisk } = request;
      const output = accept(await useCases.retryPost({ ...named(request), requestId, acceptDuplicateRisk }));
      return { post: await full(output.step), replayed: output.replayed };
    },

    async reconcilePost(request) {
      return { post: await full(accept(await useCases.reconcilePost(named(request)))) };
    },

    async *watchPosts(request: WatchPostsRequest, context: HandlerContext) {
      const { value: filter, findings } = readWatchPosts(request);
      refuse([
        ...checkText(WatchPostsRequestSchema, request),
        ...findings,
        ...optionalText('resume_token', request.resumeToken, 1000),
      ]);
      yield* watching(
        'WatchPosts',
        context,
        needs,
        async (signal) => accept(await useCases.watchPosts({ filter, resumeToken: request.resumeToken, signal })),
        async (event) => eventMessage(event, await surroundingsOf(event.step.post)),
      );
    },
  };
}

/**
 * The request is refused already. The use case was asked, storing nothing, what else is wrong with it; what it says of a
 * field that could not be read is about our stand-in for it.
 */
function withOthers(findings: readonly Finding[], checked: Result<unknown, Refusal>): readonly Finding[] {
  if (checked.ok || checked.error.code !== 'INVALID') return findings;
  const fields = new Set(findings.map(({ field }) => field));
  return [...findings, ...checked.error.findings.filter((finding) => isError(finding) && !fields.has(finding.field))];
}
