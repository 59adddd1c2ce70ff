import { type Finding, isError } from '../domain/finding.ts';
import type { PostId, WorkspaceId } from '../domain/ids.ts';
import { checkCaption } from '../domain/post/caption.ts';
import { checkFamily } from '../domain/post/family.ts';
import { edit, type Post, type PostChange, type WrongState } from '../domain/post/post.ts';
import { checkLatePolicy, checkSchedule, dueTime } from '../domain/post/schedule.ts';
import { checkSettings } from '../domain/post/settings.ts';
import { restingStep, type Step } from '../domain/post/step.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { requireText } from './field-checks.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Doorbell } from './ports/doorbell.ts';
import type { Posts } from './ports/posts.ts';
import type { Videos } from './ports/videos.ts';
import { checkLabels, checkTexts, checkVideo, type PostPolicy } from './publish-post.ts';
import type { Refusal } from './refusal.ts';
import { refusalOf } from './refusal-of-post.ts';

export type UpdatePost = (input: {
  readonly postId: PostId;
  readonly workspaceId?: WorkspaceId;
  /** Only what the caller's mask names. `scheduleTime: 'NOW'` when the mask names it and the time is absent. */
  readonly change: Omit<PostChange, 'scheduleTime'> & { readonly scheduleTime?: Date | 'NOW' };
  readonly etag: string;
  readonly validateOnly: boolean;
}) => Promise<Result<{ readonly step: Step; readonly findings: readonly Finding[] }, Refusal>>;

export function updatePost(needs: {
  readonly posts: Posts;
  readonly connections: Connections;
  readonly videos: Videos;
  readonly doorbell: Doorbell;
  readonly clock: Clock;
  readonly policy: PostPolicy;
}): UpdatePost {
  const { posts, connections, videos, doorbell, clock, policy } = needs;
  return async ({ postId, workspaceId, change, etag, validateOnly }) => {
    const current = await posts.find(postId, workspaceId);
    if (current === undefined) return err({ code: 'NOT_FOUND', resource: 'post', id: postId });

    const now = clock.now();
    const { scheduleTime, ...rest } = change;
    const wanted = scheduleTime === 'NOW' ? undefined : scheduleTime;
    const applied: PostChange = scheduleTime === undefined ? rest : { ...rest, scheduleTime: dueTime(wanted, now) };
    const preview = { ...current.post, ...applied };
    const connection = await connections.find(current.post.connectionId);
    const findings = [
      ...requireText('etag', etag, 200),
      ...checkCaption(preview.caption, preview.settings),
      ...checkSettings(preview.settings, policy),
      ...checkFamily(preview.settings, connection),
      ...checkSchedule(wanted, now),
      ...checkLatePolicy(applied.latePolicy),
      ...checkTexts(preview.caption, preview.settings),
      ...checkLabels(preview.labels),
      ...checkVideo(await videos.find(current.post.videoId), preview.settings, connection, policy),
    ];
    if (findings.some(isError)) return err({ code: 'INVALID', findings });

    if (validateOnly) {
      const stale = checkEtag(etag, current.post.version);
      if (stale !== undefined) return err(stale);
      const edited = edit(current.post, applied);
      return edited.ok
        ? ok({ step: editedStep(edited.value, current.nextActionTime), findings })
        : err({ ...edited.error, id: postId });
    }
    const outcome = await posts.update(
      postId,
      (post, nextActionTime): Result<Step, WrongState | EtagMismatch> => {
        const stale = checkEtag(etag, post.version);
        if (stale !== undefined) return err(stale);
        const edited = edit(post, applied);
        return edited.ok ? ok(editedStep(edited.value, nextActionTime)) : edited;
      },
      { workspaceId },
    );
    if (!outcome.ok) return err(refusalOf(outcome.error, postId));
    const { step } = outcome.value;
    if (step.nextActionTime !== undefined && step.nextActionTime > now) await doorbell.ringAt(step.nextActionTime);
    else await doorbell.ringNow();
    return ok({ step, findings });
  };
}

/** A scheduled post is due at its time. Another one is looked at when it was to be: its video or its account may just be there. */
const editedStep = (post: Post, nextActionTime: Date | undefined): Step =>
  post.state === 'SCHEDULED' || nextActionTime === undefined ? restingStep(post) : { post, nextActionTime };

type EtagMismatch = Extract<Refusal, { readonly code: 'ETAG_MISMATCH' }>;

const checkEtag = (etag: string, version: number): EtagMismatch | undefined =>
  etag === String(version) ? undefined : { code: 'ETAG_MISMATCH', observed: etag, current: String(version) };
