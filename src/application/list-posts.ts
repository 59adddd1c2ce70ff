import { isError } from '../domain/finding.ts';
import type { Step } from '../domain/post/step.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { invalid, pageRequest, requireText } from './field-checks.ts';
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
    const { page, findings } = pageRequest({ workspaceId: filter.workspaceId, ...request }, 'post');
    const { connectionIds, scheduledFrom, scheduledBefore } = filter;
    const wrong = [
      ...requireText('workspace_id', filter.workspaceId, 200),
      ...findings,
      ...(connectionIds.length <= 500
        ? []
        : [invalid('connection_ids', `${connectionIds.length} ids`, 'at most 500', 'Ask for fewer at a time.')]),
      ...(scheduledFrom === undefined || scheduledBefore === undefined || scheduledFrom < scheduledBefore
        ? []
        : [
            invalid(
              'schedule_time_before',
              scheduledBefore.toISOString(),
              `after schedule_time_from (${scheduledFrom.toISOString()})`,
              'Swap the two times.',
            ),
          ]),
    ];
    return wrong.some(isError) ? err({ code: 'INVALID', findings: wrong }) : ok(await posts.list(filter, page));
  };
}
