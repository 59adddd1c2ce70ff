import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Sandbox, SandboxOptions } from '../sandbox.ts';
import { aFile, aSandbox, aSource, clientOf, put, started } from '../test-client.ts';

const chunk = 5_242_880;
const size = 2 * chunk + 1_000; // two chunks, the last one with the remainder
const file = aFile(size, 7);

async function anUpload(options: SandboxOptions = {}) {
  const sandbox = await aSandbox(options);
  const client = clientOf(sandbox);
  const { publishId, uploadUrl } = started(await client.init({}, aSource(size, chunk)));
  return { sandbox, client, publishId, uploadUrl };
}

const uploadOf = (sandbox: Sandbox) => sandbox.control.ledger().uploads[0];
const part = { first: 0, last: chunk - 1 };
const rest = { first: chunk, last: size - 1 };

describe('an upload', () => {
  it('takes the chunks in order: 206, then 201, with the progress', async () => {
    const { sandbox, client, publishId, uploadUrl } = await anUpload();
    expect(await put(uploadUrl, file, part)).toMatchObject({ status: 206, progress: `bytes 0-${chunk}/${size}` });
    expect((await client.status(publishId)).body.data).toMatchObject({ uploaded_bytes: chunk });
    expect(await put(uploadUrl, file, rest)).toMatchObject({ status: 201, progress: `bytes 0-${size}/${size}` });
    expect(uploadOf(sandbox)).toMatchObject({
      receivedBytes: size,
      sha256: createHash('sha256').update(file).digest('hex'),
      ranges: [part, rest],
    });
  });

  it('can tell the progress as the index of the last byte', async () => {
    const { uploadUrl } = await anUpload({ progressHeader: 'last_index' });
    expect((await put(uploadUrl, file, rest)).progress).toBe(`bytes */${size}`);
    expect((await put(uploadUrl, file, part)).progress).toBe(`bytes 0-${chunk - 1}/${size}`);
  });

  it.each<[number, string, Parameters<typeof put>[2]]>([
    [400, 'another media type', { ...part, headers: { 'content-type': 'application/octet-stream' } }],
    [400, 'no Content-Range', { ...part, headers: { 'content-range': '' } }],
    [400, 'an open Content-Range', { ...part, headers: { 'content-range': `bytes 0-/${size}` } }],
    [400, 'a reversed Content-Range', { ...part, headers: { 'content-range': `bytes 5-4/${size}` } }],
    [400, 'an unknown total', { ...part, headers: { 'content-range': `bytes 0-${chunk - 1}/*` } }],
    [400, 'another total', { ...part, headers: { 'content-range': `bytes 0-${chunk - 1}/${size + 1}` } }],
    [400, 'a range past the end', { ...part, headers: { 'content-range': `bytes 0-${size}/${size}` } }],
    [400, 'a length that does not match', { ...part, headers: { 'content-range': `bytes 0-${chunk}/${size}` } }],
    [
      400,
      'fewer bytes than the range says',
      { last: chunk - 2, headers: { 'content-range': `bytes 0-${chunk - 1}/${size}` } },
    ],
    [400, 'a chunk of another size', { first: 0, last: chunk }],
    [400, 'all bytes at once, when two chunks were announced', {}],
    [416, 'the second chunk first', rest],
  ])('answers %i to %s', async (status, _, request) => {
    const { sandbox, uploadUrl } = await anUpload();
    expect((await put(uploadUrl, file, request)).status).toBe(status);
    expect(uploadOf(sandbox)?.receivedBytes).toBe(0);
    expect((await put(uploadUrl, file, part)).status).toBe(206);
  });

  it('answers 400 without a Content-Length', async () => {
    const { uploadUrl } = await anUpload();
    const { hostname, port, pathname, search } = new URL(uploadUrl);
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.on('data', (bytes) => {
      answer += bytes;
    });
    socket.on('close', () => resolve(answer));
    socket.write(
      [
        `PUT ${pathname}${search} HTTP/1.1`,
        'Host: sandbox',
        'Connection: close',
        'Content-Type: video/mp4',
        `Content-Range: bytes 0-4/${size}`,
        'Transfer-Encoding: chunked',
        '',
        '5\r\nhello\r\n0\r\n\r\n',
      ].join('\r\n'),
    );
    expect(await promise).toMatch(/^HTTP\/1.1 400 .*Content-Length is required/s);
  });

  it('answers 416 with the progress to a chunk that it has', async () => {
    const { sandbox, uploadUrl } = await anUpload();
    await put(uploadUrl, file, part);
    expect(await put(uploadUrl, file, part)).toMatchObject({ status: 416, progress: `bytes 0-${chunk}/${size}` });
    await put(uploadUrl, file, rest);
    expect(await put(uploadUrl, file, rest)).toMatchObject({ status: 416, progress: `bytes 0-${size}/${size}` });
    expect(uploadOf(sandbox)?.ranges).toHaveLength(2);
  });

  it('answers 403 from one hour after the init', async () => {
    const { sandbox, client, publishId, uploadUrl } = await anUpload();
    sandbox.control.advanceClock(3_599_000);
    expect((await put(uploadUrl, file, part)).status).toBe(206);
    sandbox.control.advanceClock(1_000);
    expect((await put(uploadUrl, file, rest)).status).toBe(403);
    expect((await client.status(publishId)).body.data).toEqual({ status: 'PROCESSING_UPLOAD', uploaded_bytes: chunk });
  });

  it('answers 403 when the url was made to expire', async () => {
    const { sandbox, publishId, uploadUrl } = await anUpload();
    sandbox.control.expireUploadUrl(publishId);
    expect((await put(uploadUrl, file, part)).status).toBe(403);
  });

  it.each([
    ['404', 404],
    ['405_html', 405],
  ] as const)('answers an unknown upload with %s', async (unknownUpload, status) => {
    const { uploadUrl } = await anUpload({ unknownUpload });
    expect((await put(`${uploadUrl}x`, file, part)).status).toBe(status);
  });

  it('lets one of two senders of the same chunk win, and takes its bytes once', async () => {
    const { sandbox, uploadUrl } = await anUpload();
    const both = await Promise.all([put(uploadUrl, file, part), put(uploadUrl, file, part)]);
    expect(both.map(({ status }) => status).sort()).toEqual([206, 416]);
    await put(uploadUrl, file, rest);
    expect(uploadOf(sandbox)?.sha256).toBe(createHash('sha256').update(file).digest('hex'));
  });

  /** Sends the head of the first chunk and half its bytes, then breaks off. */
  async function breakOff(uploadUrl: string, half: number, sandbox: Sandbox): Promise<void> {
    const { hostname, port, pathname, search } = new URL(uploadUrl);
    const socket = connect(Number(port), hostname);
    socket.write(
      `PUT ${pathname}${search} HTTP/1.1\r\nHost: sandbox\r\nContent-Type: video/mp4\r\nContent-Length: ${chunk}\r\nContent-Range: bytes 0-${chunk - 1}/${size}\r\n\r\n`,
    );
    socket.write(new Uint8Array(file.subarray(0, half)), () => socket.end());
    await sandbox.control.waitUntil(({ calls }) => calls.some((call) => call.endpoint === 'upload'));
  }

  it('forgets the part of a chunk whose connection broke', async () => {
    const { sandbox, uploadUrl } = await anUpload();
    await breakOff(uploadUrl, 100_000, sandbox);
    expect(uploadOf(sandbox)?.receivedBytes).toBe(0);
    expect((await put(uploadUrl, file, part)).status).toBe(206);
  });

  it('or keeps it, when told so; then the chunk goes on from there', async () => {
    const { sandbox, uploadUrl } = await anUpload({ partialChunks: 'kept' });
    await breakOff(uploadUrl, 100_000, sandbox);
    expect((await put(uploadUrl, file, part)).progress).toBe(`bytes 0-100000/${size}`);
    expect((await put(uploadUrl, file, { first: 100_000, last: chunk - 1 })).status).toBe(206);
    await put(uploadUrl, file, rest);
    expect(uploadOf(sandbox)?.sha256).toBe(createHash('sha256').update(file).digest('hex'));
  });
});
