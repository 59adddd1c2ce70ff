import { Migration } from '@mikro-orm/migrations';

/** Where TikTok fetches videos, and who fetched what. Tokens are kept as hashes: whoever reads this table can fetch nothing. */
export class MediaAddress extends Migration {
  override up(): void {
    this.addSql(`create table media_address (
      token_sha256 text primary key,
      post_id text not null references post (id) on delete cascade,
      attempt_number integer not null,
      video_id text not null,
      close_time timestamptz(3)
    )`);
    this.addSql('create index media_address_by_attempt on media_address (post_id, attempt_number)');
    this.addSql(`create table media_fetch (
      token_sha256 text not null references media_address (token_sha256) on delete cascade,
      first_byte bigint not null,
      end_exclusive bigint not null,
      fetch_time timestamptz(3) not null,
      primary key (token_sha256, first_byte, end_exclusive)
    )`);
    this.addSql(`create index attempt_pull_unanswered on attempt (post_id)
      where transfer = 'PULL' and publish_id is null and outcome is null`);
  }
}
