import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { ApiFamily } from '../../domain/connection/connection.ts';
import type { Secret } from '../../domain/secret.ts';
import type { Webhook, WebhookSubject } from '../../domain/webhook.ts';

/** An app of ours, as TikTok signs for it. While its secret is changed there are two. */
export type WebhookApp = {
  readonly apiFamily: ApiFamily;
  readonly clientKey: string;
  readonly clientSecrets: readonly Secret[];
};

/**
 * The app whose secret signed these bytes. `t=…,s=…`: once each, in both families (open-api §9.1, business-api §7.2). Parts that
 * we don't know are TikTok's business.
 */
export function signerOf(
  apps: readonly WebhookApp[],
  header: string | readonly string[] | undefined,
  body: Buffer,
): WebhookApp | undefined {
  const parts = new Map<string, string>();
  for (const part of String(header ?? '').split(',')) {
    const [, name = '', value = ''] = /^([^=]*)=(.*)$/.exec(part) ?? [];
    if (parts.has(name)) return undefined;
    parts.set(name, value);
  }
  const time = parts.get('t') ?? '';
  const signature = parts.get('s') ?? '';
  if (!/^\d{1,15}$/.test(time) || !/^[0-9a-f]{64}$/.test(signature)) return undefined;
  const given = Buffer.from(signature, 'hex');
  return apps.find(({ clientSecrets }) =>
    clientSecrets.some((secret) => {
      const expected = createHmac('sha256', secret.reveal()).update(`${time}.`).update(body).digest();
      return timingSafeEqual(expected, given);
    }),
  );
}

/** The envelope, as far as it can be read. */
export function readWebhook(body: Buffer, app: WebhookApp): Webhook {
  const id = createHash('sha256').update(body).digest('hex');
  const envelope = parsed(body.toString('utf8'));
  if (envelope === undefined) return { id, subject: { kind: 'NOTHING', reason: 'UNREADABLE' } };
  const { event: name, user_openid, create_time } = envelope;
  const event = asName(name);
  const openId = asName(user_openid);
  const createTime = asTime(create_time);
  return {
    id,
    subject: subjectOf(envelope, app),
    ...(event === undefined ? {} : { event }),
    ...(openId === undefined ? {} : { openId }),
    ...(createTime === undefined ? {} : { createTime }),
  };
}

function subjectOf(envelope: Envelope, { clientKey, apiFamily }: WebhookApp): WebhookSubject {
  const event = asName(envelope['event']);
  if (event === undefined) return { kind: 'NOTHING', reason: 'UNREADABLE' };
  // Signed with our secret and about another app: its ids mean nothing here, and to refuse it would only bring it back.
  if (envelope['client_key'] !== clientKey) return { kind: 'NOTHING', reason: 'OTHER_APP' };

  if (event === 'authorization.removed') {
    const openId = asName(envelope['user_openid']);
    return openId === undefined ? { kind: 'NOTHING', reason: 'UNREADABLE' } : { kind: 'GRANT', apiFamily, openId };
  }
  // All of them, known or not yet: a look at the post is the right answer to each.
  if (event.startsWith('post.publish.')) {
    const { content } = envelope;
    const publishId = asName(typeof content === 'string' ? parsed(content)?.['publish_id'] : undefined);
    return publishId === undefined ? { kind: 'NOTHING', reason: 'UNREADABLE' } : { kind: 'POST', publishId };
  }
  return { kind: 'NOTHING', reason: 'UNKNOWN_EVENT' };
}

type Envelope = Readonly<Record<string, unknown>>;

function parsed(text: string): Envelope | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Envelope) : undefined;
  } catch {
    return undefined;
  }
}

/** TikTok's ids and names of events are plain ASCII and short. Nothing else is stored. */
const asName = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value) ? value : undefined;

/** Seconds since 1970, up to the year 9999. */
const asTime = (value: unknown): Date | undefined =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) < 253_402_300_800
    ? new Date(Number(value) * 1000)
    : undefined;
