import { Migration } from '@mikro-orm/migrations';

/** Everything of the first release. Times are `timestamptz(3)`: what JavaScript's `Date` can hold, so that nothing changes on the way. */
export class FirstSchema extends Migration {
  override up(): void {
    this.addSql(`create table connection (
      id text primary key,
      workspace_id text not null,
      api_family text not null,
      open_id text not null,
      state text not null,
      account jsonb not null,
      granted_scopes jsonb not null,
      reconnect_reason jsonb,
      access_expire_time timestamptz(3),
      refresh_expire_time timestamptz(3),
      create_time timestamptz(3) not null,
      update_time timestamptz(3) not null,
      version integer not null,
      unique (workspace_id, api_family, open_id)
    )`);
    this.addSql('create index connection_list on connection (workspace_id, id)');
    this.addSql('create index connection_by_account on connection (open_id, api_family)');

    this.addSql(`create table credential (
      connection_id text primary key,
      workspace_id text not null,
      access_token bytea,
      refresh_token bytea,
      access_expire_time timestamptz(3),
      refresh_expire_time timestamptz(3),
      version integer not null,
      refreshing_by text,
      refreshing_until timestamptz(3)
    )`);

    this.addSql(`create table pending_authorization (
      state_sha256 text primary key,
      workspace_id text not null,
      api_family text not null,
      return_uri text,
      reconnects text,
      expire_time timestamptz(3) not null
    )`);
    this.addSql('create index pending_authorization_expired on pending_authorization (expire_time)');

    this.addSql(`create table request_key (
      workspace_id text not null,
      request_id text not null,
      payload_hash text not null,
      resource_id text not null,
      create_time timestamptz(3) not null default now(),
      primary key (workspace_id, request_id)
    )`);

    this.addSql(`create table video (
      id text primary key,
      workspace_id text not null,
      state text not null,
      file_name text,
      request_id text,
      source_uri text,
      size_bytes bigint,
      sha256 text,
      spec jsonb,
      findings jsonb not null default '[]',
      create_time timestamptz(3) not null,
      next_action_at timestamptz(3),
      lease_owner text,
      fence bigint not null default 0,
      failures integer not null default 0
    )`);
    this.addSql('create index video_list on video (workspace_id, id)');
    this.addSql('create index video_due on video (next_action_at) where next_action_at is not null');

    this.addSql(`create table post (
      id text primary key,
      workspace_id text not null,
      connection_id text not null,
      video_id text not null,
      state text not null,
      phase text,
      caption text not null,
      settings jsonb not null,
      schedule_time timestamptz(3) not null,
      late_policy jsonb not null,
      external_ref text,
      labels jsonb not null,
      hold jsonb,
      error jsonb,
      edited boolean,
      publish_time timestamptz(3),
      tiktok_post_ids text[],
      dispatch_lateness_seconds double precision,
      setbacks integer not null,
      create_time timestamptz(3) not null,
      update_time timestamptz(3) not null,
      version integer not null,
      next_action_at timestamptz(3),
      lease_owner text,
      fence bigint not null default 0
    )`);
    this.addSql('create index post_due on post (next_action_at) where next_action_at is not null');
    this.addSql('create index post_list on post (workspace_id, id)');
    this.addSql('create index post_by_connection on post (connection_id, state)');
    this.addSql('create index post_by_video on post (video_id)');
    this.addSql('create index post_by_reference on post (workspace_id, external_ref) where external_ref is not null');
    this.addSql('create index post_by_tiktok_id on post using gin (tiktok_post_ids) where tiktok_post_ids is not null');

    this.addSql(`create table attempt (
      post_id text not null references post (id) on delete cascade,
      number integer not null,
      transfer text not null,
      size_bytes bigint not null,
      chunk_bytes bigint not null,
      chunk_count integer not null,
      start_time timestamptz(3) not null,
      publish_id text,
      upload_url bytea,
      upload_expire_time timestamptz(3),
      bytes_sent bigint not null,
      polls integer not null,
      finalize_time timestamptz(3),
      end_time timestamptz(3),
      outcome text,
      error jsonb,
      primary key (post_id, number)
    )`);
    this.addSql('create unique index attempt_alive on attempt (post_id) where outcome is null');
    this.addSql('create index attempt_by_publish_id on attempt (publish_id) where publish_id is not null');

    this.addSql(`create table post_event (
      seq bigint generated always as identity,
      txid xid8 not null default pg_current_xact_id(),
      workspace_id text not null,
      connection_id text not null,
      post_id text not null,
      previous_state text,
      post jsonb not null,
      attempt jsonb,
      event_time timestamptz(3) not null default now(),
      primary key (txid, seq)
    )`);
    this.addSql('create index post_event_by_workspace on post_event (workspace_id, txid, seq)');
  }
}
