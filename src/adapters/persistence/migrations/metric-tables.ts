import { Migration } from '@mikro-orm/migrations';

/**
 * What TikTok counts: videos and accounts as they are known, how they grew, and when TikTok is asked next. A video's post is looked
 * up when it is read: TikTok's id may come to a post long after the video was seen.
 */
export class MetricTables extends Migration {
  override up(): void {
    // `due_at` is `infinity` while the connection is not ACTIVE.
    this.addSql(`create table metric_collection (
      connection_id text primary key,
      workspace_id text not null,
      api_family text not null,
      connect_time timestamptz(3) not null,
      due_at timestamptz(3) not null,
      leased_until timestamptz(3),
      fence bigint not null default 0,
      failures integer not null default 0,
      listed_time timestamptz(3),
      list_at timestamptz(3) not null,
      listed_all boolean not null default false,
      list_before timestamptz(3),
      account_at timestamptz(3) not null,
      last_day date
    )`);
    this.addSql('create index metric_collection_due on metric_collection (due_at)');

    this.addSql(`insert into metric_collection
      (connection_id, workspace_id, api_family, connect_time, due_at, list_at, account_at)
      select id, workspace_id, api_family, create_time,
        case when state = 'ACTIVE' then date_trunc('milliseconds', now()) else 'infinity' end, now(), now()
      from connection`);

    // `numbers` hold each number with its time; `details` the same of curves and breakdowns, which lists do without.
    this.addSql(`create table measured_video (
      id bigint generated always as identity primary key,
      workspace_id text not null,
      connection_id text not null,
      tiktok_post_id text not null,
      create_time timestamptz(3) not null,
      caption text not null,
      share_uri text,
      duration_seconds double precision,
      numbers jsonb not null,
      details jsonb not null,
      collect_time timestamptz(3) not null,
      missing_since timestamptz(3),
      activity_time timestamptz(3) not null,
      next_collect_at timestamptz(3),
      thin_at timestamptz(3),
      thinned_until timestamptz(3),
      unique (connection_id, tiktok_post_id)
    )`);
    this.addSql('create index measured_video_list on measured_video (workspace_id, create_time, id)');
    this.addSql('create index measured_video_by_connection on measured_video (connection_id, create_time, id)');
    this.addSql(`create index measured_video_due on measured_video (connection_id, next_collect_at)
      where next_collect_at is not null`);
    this.addSql('create index measured_video_to_thin on measured_video (thin_at) where thin_at is not null');

    // By far the longest table: nothing is in it twice, and what was not told takes no room.
    this.addSql(`create table video_snapshot (
      video_id bigint not null,
      time timestamptz(3) not null,
      views bigint,
      likes bigint,
      comments bigint,
      shares bigint,
      favorites bigint,
      reach bigint,
      total_watch_seconds double precision,
      average_watch_seconds double precision,
      full_watch_rate double precision,
      new_followers bigint,
      profile_views bigint,
      primary key (video_id, time)
    )`);

    this.addSql(`create table measured_account (
      connection_id text primary key,
      numbers jsonb not null,
      breakdowns jsonb not null,
      collect_time timestamptz(3) not null
    )`);
    this.addSql(`create table account_day (
      connection_id text not null,
      date date not null,
      numbers jsonb not null,
      audience_activity jsonb,
      as_of timestamptz(3) not null,
      primary key (connection_id, date)
    )`);

    // Who came out lately is found without looking at every post.
    this.addSql(`create index post_published_lately on post (update_time) where state = 'PUBLISHED'`);
  }
}
