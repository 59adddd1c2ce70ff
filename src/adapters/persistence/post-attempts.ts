import type { PoolClient } from 'pg';
import type { Cipher } from '../../application/ports/cipher.ts';
import type { Attempt } from '../../domain/post/attempt.ts';
import { type AttemptRow, attemptFromRow, type PostRow } from './post-rows.ts';

/** The attempts of these posts in order, or only the latest of each. */
export async function readAttempts(
  client: Pick<PoolClient, 'query'>,
  posts: readonly Pick<PostRow, 'id' | 'workspace_id'>[],
  cipher: Cipher,
  { onlyLatest = false }: { readonly onlyLatest?: boolean } = {},
): Promise<ReadonlyMap<string, readonly Attempt[]>> {
  if (posts.length === 0) return new Map();
  const { rows } = await client.query<AttemptRow>(
    onlyLatest
      ? 'select distinct on (post_id) * from attempt where post_id = any($1::text[]) order by post_id, number desc'
      : 'select * from attempt where post_id = any($1::text[]) order by post_id, number',
    [posts.map(({ id }) => id)],
  );
  const workspaces = new Map(posts.map((post) => [post.id, post.workspace_id]));
  const grouped = Map.groupBy(rows, ({ post_id }) => post_id);
  return new Map(
    Array.from(grouped, ([postId, attempts]) => [
      postId,
      attempts.map((row) => attemptFromRow(row, workspaces.get(postId) ?? '', cipher)),
    ]),
  );
}
