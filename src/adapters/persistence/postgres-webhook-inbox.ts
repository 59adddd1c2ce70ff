import type { WebhookInbox, WebhookLease } from '../../application/ports/webhook-inbox.ts';
import type { WebhookSubject } from '../../domain/webhook.ts';
import type { Database } from './database.ts';
import { date, type Time } from './json.ts';
import { NOW } from './now.ts';

type Row = {
  id: string;
  subject: WebhookSubject;
  received_time: Time;
  lease_owner: string;
  fence: string;
  failures: number;
};

export function postgresWebhookInbox({ pool }: Database): WebhookInbox {
  return {
    async add({ id, subject, event, openId, createTime }, { owner, leaseSeconds }) {
      const { rows } = await pool.query<Row>(
        `insert into webhook_event (id, subject, event, open_id, create_time, received_time, next_action_at, lease_owner,
           fence, failures)
         values ($1, $2, $3, $4, $5, ${NOW}, ${NOW} + make_interval(secs => $7), $6, 1, 0)
         on conflict (id) do nothing
         returning *`,
        [id, subject, event ?? null, openId ?? null, createTime ?? null, owner, leaseSeconds],
      );
      return rows.map(leaseFromRow)[0];
    },
    async claim({ owner, limit, leaseSeconds }) {
      const { rows } = await pool.query<Row>(
        `with due as (
           select id, next_action_at as due_at from webhook_event where next_action_at <= now()
           order by next_action_at for update skip locked limit $1
         ), claimed as (
           update webhook_event set lease_owner = $2, fence = fence + 1,
             next_action_at = ${NOW} + make_interval(secs => $3)
           from due where webhook_event.id = due.id
           returning webhook_event.*, due.due_at
         )
         select * from claimed order by due_at`,
        [limit, owner, leaseSeconds],
      );
      return rows.map(leaseFromRow);
    },
    async finish({ id, owner, fence }, outcome) {
      const { rowCount } = await pool.query(
        `update webhook_event set outcome = $4, handled_time = ${NOW}, next_action_at = null, lease_owner = null
         where id = $1 and lease_owner = $2 and fence = $3`,
        [id, owner, fence, outcome],
      );
      return rowCount === 1;
    },
    async postpone({ id, owner, fence }, seconds) {
      await pool.query(
        `update webhook_event set failures = failures + 1, lease_owner = null,
           next_action_at = ${NOW} + make_interval(secs => $4)
         where id = $1 and lease_owner = $2 and fence = $3`,
        [id, owner, fence, seconds],
      );
    },
    async publishIds(openId, since) {
      const { rows } = await pool.query<{ publish_id: string }>(
        `select distinct subject->>'publishId' as publish_id from webhook_event
         where open_id = $1 and received_time >= $2 and subject->>'kind' = 'POST'`,
        [openId, since],
      );
      return rows.map(({ publish_id }) => publish_id);
    },
    async forgetHandledBefore(time) {
      await pool.query('delete from webhook_event where handled_time < $1', [time]);
    },
  };
}

const leaseFromRow = ({ id, subject, received_time, failures, lease_owner, fence }: Row): WebhookLease => ({
  id,
  subject,
  receivedTime: date(received_time),
  failures,
  owner: lease_owner,
  fence: Number(fence),
});
