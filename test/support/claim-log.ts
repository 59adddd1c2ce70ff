import type { Surroundings } from './service-process.ts';

export type Claim = {
  readonly post_id: string;
  readonly fence: string;
  readonly owner: string;
  /** Who held it at that moment, and until when. Null when it was free. */
  readonly owner_before: string | null;
  readonly held_until: Date;
  /** By the database's clock. */
  readonly claim_time: Date;
};

/** From now on the database itself notes each claim of a post; no event tells of them. */
export async function noteClaims(sql: Surroundings['sql']): Promise<() => Promise<readonly Claim[]>> {
  await sql(`create table claim_log (post_id text, fence bigint, owner text, owner_before text, held_until timestamptz,
    claim_time timestamptz)`);
  await sql(`create function note_claim() returns trigger language plpgsql as $$
    begin
      insert into claim_log values
        (new.id, new.fence, new.lease_owner, old.lease_owner, old.next_action_at, clock_timestamp());
      return null;
    end $$`);
  await sql(`create trigger note_claim after update on post for each row
    when (new.lease_owner is not null and new.fence > old.fence) execute function note_claim()`);
  return async () => (await sql('select * from claim_log order by claim_time')) as readonly Claim[];
}
