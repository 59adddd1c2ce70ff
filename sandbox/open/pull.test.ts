import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Sandbox } from '../sandbox.ts';
import { aFile, aSandbox, clientOf, started } from '../test-client.ts';

const file = aFile(100_000, 3);

async function aHost(serve: RequestListener): Promise<string> {
  const server = createServer(serve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/video.mp4`;
}

const pullSource = (video_url: unknown) => ({ source: 'PULL_FROM_URL', video_url });
const fromLoopback = { pullFromLoopback: true, verifiedUrlProperties: ['127.0.0.1'] };
const settled = (sandbox: Sandbox) =>
  sandbox.control.waitUntil(({ inits }) => inits.find(({ stage }) => stage !== 'DOWNLOADING'));

describe('PULL_FROM_URL', () => {
  it.each<[number, string, unknown]>([
    [400, 'invalid_params', undefined],
    [400, 'invalid_params', 'videos/a.mp4'],
    [400, 'invalid_params', 'http://media.example.test/a.mp4'],
    [400, 'invalid_params', 'https://192.0.2.1/a.mp4'],
    [400, 'invalid_params', 'https://[2001:db8::1]/a.mp4'],
    [400, 'invalid_params', 'http://127.0.0.1:9/a.mp4'],
    [403, 'url_ownership_unverified', 'https://example.test/a.mp4'],
    [403, 'url_ownership_unverified', 'https://evilmedia.example.test/a.mp4'],
    [403, 'url_ownership_unverified', 'https://media.example.test.evil.test/a.mp4'],
    [403, 'url_ownership_unverified', 'https://files.example.test/other/a.mp4'],
  ])('answers %i %s for %s', async (status, code, url) => {
    const sandbox = await aSandbox({
      verifiedUrlProperties: ['media.example.test', 'https://files.example.test/videos/'],
    });
    const client = clientOf(sandbox);
    for (const answer of [await client.init({}, pullSource(url)), await client.initDraft(pullSource(url))]) {
      expect([answer.status, answer.body.error.code]).toEqual([status, code]);
    }
    expect(sandbox.control.ledger().inits).toEqual([]);
  });

  it.each([
    'https://media.example.invalid/a.mp4',
    'https://eu.media.example.invalid/deep/a.mp4',
    'https://files.example.invalid/videos/a.mp4',
  ])('accepts %s, and fails later when nothing is there', async (url) => {
    const sandbox = await aSandbox({
      verifiedUrlProperties: ['media.example.invalid', 'https://files.example.invalid/videos/'],
    });
    const answer = await clientOf(sandbox).init({}, pullSource(url));
    expect(answer.body.data).toEqual({ publish_id: expect.stringMatching(/^v_pub_url~v2-1\.\d{19}$/) });
    expect(await settled(sandbox)).toMatchObject({ failReason: 'video_pull_failed', url });
  });

  it('downloads the whole file and posts it', async () => {
    const url = await aHost((_, response) => response.end(file));
    const sandbox = await aSandbox({ ...fromLoopback, processingMs: 0 });
    const client = clientOf(sandbox);
    const { publishId } = started(await client.init({}, pullSource(url)));
    const [post] = await sandbox.control.waitUntil(({ posts }) => posts.length > 0 && posts);
    expect(post?.sha256).toBe(createHash('sha256').update(file).digest('hex'));
    expect((await client.status(publishId)).body.data).toMatchObject({
      status: 'PUBLISH_COMPLETE',
      downloaded_bytes: file.length,
    });
  });

  it('shows the download as such, in direct posts and drafts', async () => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const url = await aHost(() => resolve());
    const client = clientOf(await aSandbox(fromLoopback));
    const { publishId } = started(await client.initDraft(pullSource(url)));
    await asked;
    expect(publishId).toMatch(/^v_inbox_url~v2\.\d{19}$/);
    expect((await client.status(publishId)).body.data).toEqual({ status: 'PROCESSING_DOWNLOAD', downloaded_bytes: 0 });
  });

  it.each<[string, RequestListener]>([
    [
      'a redirect, even to a good file',
      (request, response) => {
        if (request.url === '/good.mp4') response.end(file);
        else response.writeHead(302, { location: '/good.mp4' }).end();
      },
    ],
    ['a missing file', (_, response) => response.writeHead(404).end()],
    [
      'a file that breaks off',
      (_, response) => {
        response.writeHead(200, { 'content-length': file.length });
        response.write(file.subarray(0, 10), () => response.destroy());
      },
    ],
  ])('fails on %s', async (_, serve) => {
    const url = await aHost(serve);
    const sandbox = await aSandbox(fromLoopback);
    started(await clientOf(sandbox).init({}, pullSource(url)));
    expect(await settled(sandbox)).toMatchObject({ failReason: 'video_pull_failed' });
  });

  it('gives up a download after an hour', async () => {
    const url = await aHost(() => undefined);
    const sandbox = await aSandbox(fromLoopback);
    started(await clientOf(sandbox).init({}, pullSource(url)));
    sandbox.control.advanceClock(3_599_000);
    expect(sandbox.control.ledger().inits[0]?.stage).toBe('DOWNLOADING');
    sandbox.control.advanceClock(2_000);
    expect(sandbox.control.ledger().inits[0]?.failReason).toBe('video_pull_failed');
  });

  it('can be cancelled while it downloads, and not after', async () => {
    const url = await aHost(() => undefined);
    const client = clientOf(await aSandbox(fromLoopback));
    const { publishId } = started(await client.init({}, pullSource(url)));
    const answer = await client.cancel(publishId);
    expect(answer.body).toEqual({ error: { code: 'ok', message: '', log_id: expect.any(String) } });
    expect((await client.status(publishId)).body.data).toMatchObject({ fail_reason: 'publish_cancelled' });
    expect((await client.cancel(publishId)).body.error.code).toBe('publish_not_cancellable');
  });
});
