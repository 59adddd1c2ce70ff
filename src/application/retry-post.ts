import { isError } from '../domain/finding.ts';
import type { ConnectionId, PostId, WorkspaceId } from '../domain/ids.ts';
import { accountGates } from '../domain/post/gate.ts';
import { retry } from '../domain/post/retry.ts';
import { restingStep, type Step } from '../domain/post/step.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { requireText } from './field-checks.ts';
import type { Clock } from './ports/clock.ts';
import type { Connections } from './ports/connections.ts';
import type { Digest } from './ports/digest.ts';
import type { Doorbell } from './ports/doorbell.ts';
import type { Gates } from './ports/gates.ts';
import type { Posts } from './ports/posts.ts';
import type { Refusal } from './refusal.ts';
import { refusalOf } from './refusal-of-post.ts';

export type RetryPost = (input: {
  readonly postId: PostId;
  readonly workspaceId?: WorkspaceId;
  readonly requestId: string;
  readonly acceptDuplicateRisk: boolean;
}) => Promise<Result<{ readonly step: Step; readonly replayed: boolean }, Refusal>>;

export function retryPost(needs: {
  readonly posts: Posts;
  readonly connections: Connections;
  readonly gates: Gates;
  readonly doorbell: Doorbell;
  readonly clock: Clock;
  readonly digest: Digest;
}): RetryPost {
  const { posts, connections, gates, doorbell, clock, digest } = needs;
  return async ({ postId, workspaceId, requestId, acceptDuplicateRisk }) => {
    const findings = requireText('request_id', requestId, 200);
    if (findings.some(isError)) return err({ code: 'INVALID', findings });

    const key = { requestId, payloadHash: digest({ rpc: 'RetryPost', postId, acceptDuplicateRisk }) };
    let waitedForQuota = false;
    const outcome = await posts.update(
      postId,
      (post) => {
        waitedForQuota = post.state === 'HELD' && post.hold.reason === 'QUOTA';
        const retried = retry(post, { acceptDuplicateRisk }, clock.now());
        return retried.ok ? ok(restingStep(retried.value)) : retried;
      },
      { workspaceId, key },
    );
    if (!outcome.ok) return err(refusalOf(outcome.error, postId));
    if (waitedForQuota) await hasten(outcome.value.step.post.connectionId);
    await doorbell.ringNow();
    return ok(outcome.value);
  };

  /** Whoever says so may know that the cap was lifted: this post tries it. */
  async function hasten(connectionId: ConnectionId): Promise<void> {
    const connection = await connections.find(connectionId);
    if (connection !== undefined) await gates.hasten(accountGates(connection));
  }
}
