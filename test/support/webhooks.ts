import { createHmac } from 'node:crypto';
import type { Webhook } from '../../src/domain/webhook.ts';
import { NOW } from './builders.ts';

let serial = 0;

/** Each is another one. */
export const aWebhook = (parts: Partial<Webhook> = {}): Webhook => {
  serial += 1;
  return {
    id: serial.toString(16).padStart(64, '0'),
    subject: { kind: 'POST', publishId: 'v_pub_file~1' },
    event: 'post.publish.complete',
    openId: 'open-1',
    createTime: NOW,
    ...parts,
  };
};

/** The body of a webhook as TikTok writes it: `content` is JSON within JSON. Each is another one, unless `create_time` is given. */
export const webhookBody = (
  envelope: { readonly event: string } & Readonly<Record<string, unknown>>,
  content: object = {},
) => {
  serial += 1;
  const create_time = 1_790_000_000 + serial;
  return JSON.stringify({ client_key: 'key', create_time, content: JSON.stringify(content), ...envelope });
};

/** `TikTok-Signature` over these bytes. */
export function signatureOf(body: string | Uint8Array, secret: string, time: number | string = 1_790_000_000): string {
  return `t=${time},s=${createHmac('sha256', secret).update(`${time}.`).update(body).digest('hex')}`;
}
