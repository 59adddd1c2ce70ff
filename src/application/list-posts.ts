import { isError } from '../domain/finding.ts';
import type { Step } from '../domain/post/step.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { checkConnectionIds, checkWindow, isIdWith, pageRequest, requireText } from './field-checks.ts';
import type { Page } from './ports/page.ts';
import type { PostFilter, Posts } from './ports/posts.ts';
import type { Refusal } from './refusal.ts';

export type ListPosts = (input: {
  readonly filter: PostFilter;
  readonly pageSize: number;
  readonly pageToken: string;
}) => Promise<Result<Page<Step>, Refusal>>;

export function listPosts({ posts }: { readonly posts: Posts }): ListPosts {
  return async ({ filter, ...request }) => {
    const { page, findings } = pageRequest({ scope: filter.workspaceId, ...request }, isIdWith('post'));
    const { connectionIds, scheduledFrom, scheduledBefore } = filter;
    const wrong = [
      ...requireText('workspace_id', filter.workspaceId, 200),
      ...findings,
      ...checkConnectionIds(connectionIds),
      ...checkWindow(['schedule_time_from', scheduledFrom], ['schedule_time_before', scheduledBefore]),
    ];
    return wrong.some(isError) ? err({ code: 'INVALID', findings: wrong }) : ok(await posts.list(filter, page));
  };
}
