import type { GrpcClients } from './grpc-client.ts';
import { WORKSPACE } from './story.ts';

/**
 * Looks at once, and again after changes of posts in the workspace (WatchPosts tells of them), until `look` gives something other than
 * undefined and false. Any number of changes that come during a look lead to one more. After `withinSeconds` it throws, with what
 * `describe` tells.
 */
export async function seen<T>(
  clients: GrpcClients,
  look: () => Promise<T | undefined | false>,
  options: {
    readonly workspaceId?: string;
    readonly withinSeconds?: number;
    readonly describe?: () => Promise<unknown>;
    /** After each look that found nothing. */
    readonly meanwhile?: () => Promise<unknown>;
  } = {},
): Promise<T> {
  const { workspaceId = WORKSPACE, withinSeconds = 45, describe, meanwhile } = options;
  const watch = await clients.watch({ workspace_id: workspaceId }, { deadlineMilliseconds: withinSeconds * 1000 });
  let changed = Promise.withResolvers<void>();
  let over: unknown;
  const listening = (async () => {
    for (;;) {
      await watch.next();
      changed.resolve();
    }
  })().catch((error: unknown) => {
    over = error;
    changed.resolve();
  });
  try {
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (over !== undefined) {
        const state = JSON.stringify(await describe?.(), null, 2) ?? '';
        throw new Error(`not seen within ${withinSeconds} s. ${state}`, { cause: over });
      }
      await meanwhile?.();
      await changed.promise;
      // What ended the watch stays seen; anything else is to be waited for anew.
      if (over === undefined) changed = Promise.withResolvers<void>();
    }
  } finally {
    watch.cancel();
    await listening;
  }
}
