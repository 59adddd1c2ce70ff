import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aSandbox, bakery, bakeryId, clientOf } from './test-client.ts';
import { signature } from './webhooks.ts';

type Received = { signature: string; type: string; body: string };

/** Keeps what it gets and answers with these, then 200. */
async function aReceiver(...answers: number[]) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { 'tiktok-signature': signed, 'content-type': type } = request.headers;
    received.push({ signature: String(signed), type: String(type), body: Buffer.concat(parts).toString() });
    response.writeHead(answers.shift() ?? 200).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks` };
}

describe('webhooks', () => {
  it('are signed as documented (test vector)', () => {
    const body =
      '{"client_key":"awexampleclientkey","event":"post.publish.publicly_available","create_time":1789999990,"user_openid":"-000ExampleOpenId_AAAA-bbbb1111","content":"{\\"publish_id\\":\\"v_pub_file~v2-1.7611111111111111111\\",\\"publish_type\\":\\"DIRECT_PUBLISH\\",\\"post_id\\":\\"7611111122222222222\\"}"}';
    expect(signature('test_client_secret_0001', 1790000000, body)).toBe(
      't=1790000000,s=526340c1947b823851d17ca18fad8187736072043241a966f9a937c7b0ff972a',
    );
  });

  it('tell of a post that completes and becomes public', async () => {
    const { received, url } = await aReceiver();
    const sandbox = await aSandbox({ webhookUrl: url, webhookMode: 'automatic', processingMs: 0, postIdDelayMs: 0 });
    const publishId = await clientOf(sandbox).publish();
    await sandbox.control.waitUntil(
      ({ webhooks }) => webhooks.filter(({ state }) => state === 'DELIVERED').length === 2,
    );
    const bodies = received.map(({ body }) => JSON.parse(body));
    expect(bodies.map(({ event }) => event).sort()).toEqual([
      'post.publish.complete',
      'post.publish.publicly_available',
    ]);
    const complete = bodies.find(({ event }) => event === 'post.publish.complete');
    expect(complete).toEqual({
      client_key: sandbox.clientKey,
      event: 'post.publish.complete',
      create_time: expect.any(Number),
      user_openid: bakeryId,
      content: JSON.stringify({ publish_id: publishId, publish_type: 'DIRECT_PUBLISH' }),
    });
    for (const { signature: signed, body, type } of received) {
      const [, t, s] = /^t=(\d+),s=([0-9a-f]{64})$/.exec(signed) ?? [];
      expect(s).toBe(createHmac('sha256', sandbox.clientSecret).update(`${t}.${body}`).digest('hex'));
      expect(type).toBe('application/json');
    }
  });

  it('tell of a failure with its reason, and of drafts in the inbox', async () => {
    const sandbox = await aSandbox({ processingMs: 0 });
    sandbox.control.addFault({ kind: 'fail_reason', reason: 'spam_risk_text' });
    await clientOf(sandbox).publish();
    sandbox.control.advanceClock(0);
    const [failed] = sandbox.control.ledger().webhooks;
    expect(JSON.parse(JSON.parse(failed?.body ?? '').content)).toMatchObject({ reason: 'spam_risk_text' });
  });

  it.each([
    ['first', true],
    ['fresh', false],
  ] as const)('are sent again until the answer is 200 (signed with the %s time)', async (webhookTimestamp, same) => {
    const { received, url } = await aReceiver(500, 204);
    const sandbox = await aSandbox({
      webhookUrl: url,
      webhookMode: 'automatic',
      webhookRetryMs: 60_000,
      webhookTimestamp,
    });
    sandbox.control.disconnectAccount(bakery);
    for (const tries of [1, 2]) {
      await sandbox.control.waitUntil(({ webhooks: [webhook] }) => webhook?.attempts.at(tries - 1)?.status);
      sandbox.control.advanceClock(60_000 * 2 ** (tries - 1) + 1_000);
    }
    const webhook = await sandbox.control.waitUntil(({ webhooks: [only] }) => only?.state === 'DELIVERED' && only);
    expect(webhook.attempts.map(({ status }) => status)).toEqual([500, 204, 200]);
    expect(new Set(received.map(({ body }) => body)).size).toBe(1);
    expect(new Set(received.map(({ signature: signed }) => signed)).size).toBe(same ? 1 : 3);
  });

  it('are given up after 72 hours', async () => {
    const { url } = await aReceiver(...Array.from({ length: 30 }, () => 500));
    const sandbox = await aSandbox({ webhookUrl: url, webhookMode: 'automatic', webhookRetryMs: 3_600_000 });
    sandbox.control.disconnectAccount(bakery);
    for (let tries = 1; tries <= 7; tries += 1) {
      await sandbox.control.waitUntil(({ webhooks: [webhook] }) => webhook?.attempts.at(tries - 1)?.status);
      sandbox.control.advanceClock(3_600_000 * 2 ** (tries - 1));
    }
    const webhook = await sandbox.control.waitUntil(({ webhooks: [only] }) => only?.state === 'GIVEN_UP' && only);
    const first = webhook.attempts[0]?.time ?? 0;
    expect((webhook.attempts.at(-1)?.time ?? 0) - first).toBeLessThanOrEqual(72 * 3_600_000);
  });

  it('come more than once, when told so', async () => {
    const { received, url } = await aReceiver();
    const sandbox = await aSandbox({ webhookUrl: url, webhookMode: 'automatic', webhookCopies: 3 });
    sandbox.control.disconnectAccount(bakery);
    await sandbox.control.waitUntil(
      ({ webhooks: [webhook] }) => webhook?.attempts.filter(({ status }) => status === 200).length === 3,
    );
    expect(received).toHaveLength(3);
  });

  it('come in any order, when delivered by hand', async () => {
    const { received, url } = await aReceiver();
    const sandbox = await aSandbox({ webhookUrl: url, processingMs: 0, postIdDelayMs: 0 });
    await clientOf(sandbox).publish();
    sandbox.control.advanceClock(0);
    const [complete, available] = sandbox.control.ledger().webhooks;
    expect(received).toEqual([]);
    for (const webhook of [available, complete, available]) {
      expect(await sandbox.control.deliverWebhook(webhook?.id ?? '')).toBe(200);
    }
    expect(received.map(({ body }) => body)).toEqual([available?.body, complete?.body, available?.body]);
  });
});
