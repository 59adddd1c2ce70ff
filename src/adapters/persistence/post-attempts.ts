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

/**
 * The attempts of these posts in order, or only the latest of each. What can't be read of one post is thrown when that one is asked
 * for: it keeps no other from being read.
 */
export async function readAttempts(
  client: Pick<PoolClient, 'query'>,
  posts: readonly Pick<PostRow, 'id'>[],
  cipher: Cipher,
  { onlyLatest = false }: { readonly onlyLatest?: boolean } = {},
): Promise<(post: Pick<PostRow, 'id' | 'workspace_id'>) => readonly Attempt[]> {
  if (posts.length === 0) return () => [];
  const ids = posts.map(({ id }) => id);
  const { rows } = await client.query<AttemptRow>(onlyLatest ? LATEST(ids) : ALL(ids));
  const grouped = Map.groupBy(rows, ({ post_id }) => post_id);
  return ({ id, workspace_id }) => (grouped.get(id) ?? []).map((row) => attemptFromRow(row, workspace_id, cipher));
}
