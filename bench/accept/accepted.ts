/** What the baselines keep of a call: as much as one insert can. */
export const TABLE = `create table if not exists accepted (
  id text primary key, workspace_id text not null, request_id text not null, caption text not null,
  settings jsonb not null, schedule_time timestamptz not null, unique (workspace_id, request_id))`;

/** Prepared once on each connection. */
export const INSERT = {
  name: 'accept',
  text: 'insert into accepted (id, workspace_id, request_id, caption, settings, schedule_time) values ($1, $2, $3, $4, $5, $6)',
};

/** As many connections as the service has. */
export const POOL_SIZE = 16;
