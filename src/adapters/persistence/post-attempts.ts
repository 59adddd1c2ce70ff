import type { PoolClient } from 'pg';
import type { Cipher } from '../../application/ports/cipher.ts';
import type { Attempt } from '../../domain/post/attempt.ts';
import { type AttemptRow, attemptFromRow, type PostRow } from './post-rows.ts';
import { ATTEMPT_COLUMNS } from './post-sql.ts';
import { prepared } from './prepared.ts';

const COLUMNS = ['post_id', ...ATTEMPT_COLUMNS].join(', ');
const ALL = prepared(`select ${COLUMNS} from attempt where post_id = any($1::text[]) order by post_id, number`);
const LATEST = prepared(
  `select distinct on (post_id) ${COLUMNS} from attempt where post_id = any($1::text[]) order by post_id, number desc`,
);

/** The attempts of these posts in order, or only the latest of each. */
export async function readAttempts(
  client: Pick<PoolClient, 'query'>,
  posts: readonly Pick<PostRow, 'id' | 'workspace_id'>[],
  cipher: Cipher,
  { onlyLatest = false }: { readonly onlyLatest?: boolean } = {},
): Promise<ReadonlyMap<string, readonly Attempt[]>> {
  if (posts.length === 0) return new Map();
  const ids = posts.map(({ id }) => id);
  const { rows } = await client.query<AttemptRow>(onlyLatest ? LATEST(ids) : ALL(ids));
  const workspaces = new Map(posts.map((post) => [post.id, post.workspace_id]));
  const grouped = Map.groupBy(rows, ({ post_id }) => post_id);
  return new Map(
    Array.from(grouped, ([postId, attempts]) => [
      postId,
      attempts.map((row) => attemptFromRow(row, workspaces.get(postId) ?? '', cipher)),
    ]),
  );
}
