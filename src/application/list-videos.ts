import { isError } from '../domain/finding.ts';
import type { WorkspaceId } from '../domain/ids.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { Video } from '../domain/video/video.ts';
import { isIdWith, pageRequest, requireText } from './field-checks.ts';
import type { Page } from './ports/page.ts';
import type { Videos } from './ports/videos.ts';
import type { Refusal } from './refusal.ts';

export type ListVideos = (input: {
  readonly workspaceId: WorkspaceId;
  /** Empty: all. */
  readonly states: readonly Video['state'][];
  readonly pageSize: number;
  readonly pageToken: string;
}) => Promise<Result<Page<Video>, Refusal>>;

export function listVideos({ videos }: { readonly videos: Videos }): ListVideos {
  return async ({ workspaceId, states, ...request }) => {
    const { page, findings } = pageRequest({ scope: workspaceId, ...request }, isIdWith('vid'));
    const wrong = [...requireText('workspace_id', workspaceId, 200), ...findings];
    return wrong.some(isError)
      ? err({ code: 'INVALID', findings: wrong })
      : ok(await videos.list({ workspaceId, states }, page));
  };
}
