import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/**
 * The tables as MikroORM sees them. Keys are spelled like the columns, so that a row is the same whether the ORM or plain SQL
 * read it. Nothing outside of this folder knows them.
 */
export const ConnectionRows = defineEntity({
  name: 'ConnectionRow',
  tableName: 'connection',
  properties: {
    id: p.string().primary(),
    workspace_id: p.string(),
    api_family: p.string(),
    open_id: p.string(),
    state: p.string(),
    account: p.json<object>(),
    granted_scopes: p.json<readonly string[]>(),
    reconnect_reason: p.json<object | null>().nullable(),
    access_expire_time: p.datetime(3).nullable(),
    refresh_expire_time: p.datetime(3).nullable(),
    reconnect_warning: p.integer().nullable(),
    grant_lost: p.boolean(),
    create_time: p.datetime(3),
    update_time: p.datetime(3),
    version: p.integer(),
  },
});
export type ConnectionRow = InferEntity<typeof ConnectionRows>;

export const PendingAuthorizationRows = defineEntity({
  name: 'PendingAuthorizationRow',
  tableName: 'pending_authorization',
  properties: {
    state_sha256: p.string().primary(),
    workspace_id: p.string(),
    api_family: p.string(),
    return_uri: p.string().nullable(),
    reconnects: p.string().nullable(),
    expire_time: p.datetime(3),
  },
});

export const VideoRows = defineEntity({
  name: 'VideoRow',
  tableName: 'video',
  properties: {
    id: p.string().primary(),
    workspace_id: p.string(),
    state: p.string(),
    file_name: p.string().nullable(),
    request_id: p.string().nullable(),
    source_uri: p.string().nullable(),
    size_bytes: p.bigint('number').nullable(),
    sha256: p.string().nullable(),
    spec: p.json<object | null>().nullable(),
    findings: p.json<readonly object[]>(),
    create_time: p.datetime(3),
    next_action_at: p.datetime(3).nullable(),
    lease_owner: p.string().nullable(),
    fence: p.bigint('number').default(0),
    failures: p.integer().default(0),
    lapses: p.integer().default(0),
  },
});
export type VideoRow = InferEntity<typeof VideoRows>;
