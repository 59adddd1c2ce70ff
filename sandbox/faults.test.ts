import { describe, expect, it } from 'vitest';
import type { FaultSpec } from './faults.ts';
import { aFile, aSandbox, aSource, bakery, clientOf, put, refresh, started } from './test-client.ts';

const chunk = 5_242_880;
const size = 2 * chunk;
const file = aFile(size, 5);

describe('faults', () => {
  it('drop_before: the work is not done', async () => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    sandbox.control.addFault({ endpoint: 'video_init', kind: 'drop_before' });
    await expect(client.init()).rejects.toThrow();
    expect(sandbox.control.ledger().inits).toEqual([]);
    expect((await client.init()).status).toBe(200);
    expect(sandbox.control.ledger().calls.map(({ status, fault }) => [status, fault])).toEqual([
      [null, 'drop_before'],
      [200, null],
    ]);
  });

  it('execute_then_drop: the work is done, the answer is lost', async () => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    sandbox.control.addFault({ endpoint: 'token', kind: 'execute_then_drop', grantType: 'refresh_token' });
    await expect(refresh(sandbox, client.tokens.refresh_token)).rejects.toThrow();
    expect((await refresh(sandbox, client.tokens.refresh_token)).body).toMatchObject({ error: 'invalid_grant' });
    const live = sandbox.control.ledger().tokens.filter(({ kind, state }) => kind === 'refresh' && state === 'LIVE');
    expect(live).toHaveLength(1);
  });

  it('hold before the work, until released', async () => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    const fault = sandbox.control.addFault({ endpoint: 'video_init', kind: 'hold' });
    const answer = client.init();
    const hold = await sandbox.control.waitForHold({ faultId: fault.id });
    expect(hold).toMatchObject({ endpoint: 'video_init', when: 'before' });
    expect(sandbox.control.ledger().inits).toEqual([]);
    expect(sandbox.control.release(hold.id)).toBe(1);
    expect((await answer).status).toBe(200);
    expect(sandbox.control.holds()).toEqual([]);
  });

  it('hold after the work, then drop', async () => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    sandbox.control.addFault({ endpoint: 'video_init', kind: 'hold', when: 'after' });
    const answer = client.init();
    await sandbox.control.waitForHold();
    expect(sandbox.control.ledger().inits).toHaveLength(1);
    sandbox.control.release(undefined, 'drop');
    await expect(answer).rejects.toThrow();
  });

  it('delay: the answer takes its time', async () => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    sandbox.control.addFault({ endpoint: 'status', kind: 'delay', ms: 80, when: 'after' });
    const begin = performance.now();
    await client.status('none');
    expect(performance.now() - begin).toBeGreaterThan(75);
  });

  it('status: another answer, no work', async () => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    const { publishId, uploadUrl } = started(await client.init({}, aSource(100)));
    sandbox.control.addFault({ endpoint: 'upload', kind: 'status', status: 503, body: '<h1>busy</h1>', times: 3 });
    for (let tries = 0; tries < 3; tries += 1) {
      expect(await put(uploadUrl, aFile(100))).toMatchObject({ status: 503, text: '<h1>busy</h1>' });
    }
    expect(sandbox.control.ledger().uploads[0]?.receivedBytes).toBe(0);
    expect((await put(uploadUrl, aFile(100))).status).toBe(201);
    expect(publishId).toBe(sandbox.control.ledger().uploads[0]?.publishId);
  });

  it.each([
    ['video_init', 'spam_risk_too_many_posts', 403],
    ['video_init', 'internal_error', 500],
    ['creator_info', 'spam_risk_too_many_posts', 200],
  ] as const)('error: %s answers %s with HTTP %i', async (endpoint, code, status) => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    sandbox.control.addFault({ endpoint, kind: 'error', code, message: 'as told' });
    const answer = await (endpoint === 'video_init' ? client.init() : client.creatorInfo());
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatchObject({ code, message: 'as told' });
  });

  it('error: OAuth endpoints answer flat', async () => {
    const sandbox = await aSandbox();
    sandbox.control.addFault({ endpoint: 'token', kind: 'error', code: 'temporarily_unavailable' });
    const { tokens } = clientOf(sandbox);
    expect(await refresh(sandbox, tokens.refresh_token)).toMatchObject({
      status: 200,
      body: { error: 'temporarily_unavailable' },
    });
  });

  it.each([
    [true, 1_000],
    [false, 0],
  ])('short_read: takes a part of the chunk (counts: %s), then drops', async (keep, received) => {
    const sandbox = await aSandbox();
    const { uploadUrl } = started(await clientOf(sandbox).init({}, aSource(size, chunk)));
    sandbox.control.addFault({ endpoint: 'upload', kind: 'short_read', bytes: 1_000, keep });
    await expect(put(uploadUrl, file, { last: chunk - 1 })).rejects.toThrow();
    expect(sandbox.control.ledger().uploads[0]?.receivedBytes).toBe(received);
    expect((await put(uploadUrl, file, { first: received, last: chunk - 1 })).status).toBe(206);
  });

  it.each([
    [1, [206, 503, 201]],
    ['last', [206, 503, 201]],
    [0, [503, 206, 201]],
  ] as const)('aim at chunk %s', async (aim, expected) => {
    const sandbox = await aSandbox();
    const { uploadUrl } = started(await clientOf(sandbox).init({}, aSource(size, chunk)));
    sandbox.control.addFault({ endpoint: 'upload', kind: 'status', status: 503, chunk: aim });
    const statuses = [];
    for (let first = 0; first < size; ) {
      const { status } = await put(uploadUrl, file, { first, last: first + chunk - 1 });
      statuses.push(status);
      if (status !== 503) first += chunk;
    }
    expect(statuses).toEqual(expected);
  });

  it('aim at one account', async () => {
    const sandbox = await aSandbox();
    sandbox.control.addFault({ endpoint: 'creator_info', kind: 'status', status: 500, account: 'glow.short' });
    expect((await clientOf(sandbox).creatorInfo()).status).toBe(200);
    await expect(clientOf(sandbox, 'glow.short').creatorInfo()).rejects.toThrow(); // no JSON
  });

  it('strike by chance, the same way for the same seed', async () => {
    const run = async (seed: string) => {
      const sandbox = await aSandbox({ seed, creatorInfoPerMinute: 100 });
      const client = clientOf(sandbox);
      const fault: FaultSpec = { endpoint: 'creator_info', kind: 'error', code: 'internal_error', probability: 0.5 };
      sandbox.control.addFault(fault);
      const statuses = [];
      for (let n = 0; n < 24; n += 1) statuses.push((await client.creatorInfo()).status);
      return statuses.join();
    };
    const first = await run('a');
    expect(first).toContain('200');
    expect(first).toContain('500');
    expect(await run('a')).toBe(first);
    expect(await run('b')).not.toBe(first);
  });

  it('fail_reason: the next posts fail after the upload', async () => {
    const sandbox = await aSandbox({ processingMs: 0 });
    sandbox.control.addFault({ kind: 'fail_reason', reason: 'frame_rate_check_failed', times: 2, account: bakery });
    const client = clientOf(sandbox);
    for (let n = 0; n < 3; n += 1) await client.publish({ title: `${n}` });
    sandbox.control.advanceClock(0);
    expect(sandbox.control.ledger().inits.map(({ failReason }) => failReason)).toEqual([
      'frame_rate_check_failed',
      'frame_rate_check_failed',
      null,
    ]);
  });

  it('stuck: processing never ends, until somebody ends it', async () => {
    const sandbox = await aSandbox({ processingMs: 0 });
    sandbox.control.addFault({ kind: 'stuck' });
    const client = clientOf(sandbox);
    const publishId = await client.publish();
    sandbox.control.advanceClock(7_000_000);
    expect((await client.status(publishId)).body.data).toMatchObject({ status: 'PROCESSING_UPLOAD' });
    sandbox.control.finishProcessing(publishId);
    expect((await client.status(publishId)).body.data).toMatchObject({ status: 'PUBLISH_COMPLETE' });
  });

  it('several_ids: one post with more than one id is no duplicate', async () => {
    const sandbox = await aSandbox({ processingMs: 0 });
    sandbox.control.addFault({ kind: 'several_ids', count: 3 });
    await clientOf(sandbox).publish();
    sandbox.control.advanceClock(0);
    const { posts, duplicates } = sandbox.control.ledger();
    expect(posts[0]?.postIds).toHaveLength(3);
    expect(duplicates).toEqual([]);
  });

  it.each<[string, object]>([
    ['fault.kind', { endpoint: 'token', kind: 'explode' }],
    ['fault.endpoint', { kind: 'drop_before' }],
    ['fault.endpoint', { kind: 'drop_before', endpoint: 'tokens' }],
    ['fault.endpoint', { kind: 'stuck', endpoint: 'token' }],
    ['fault.ms', { kind: 'delay', endpoint: 'token' }],
    ['fault.ms', { kind: 'drop_before', endpoint: 'token', ms: 5 }],
    ['fault.times', { kind: 'drop_before', endpoint: 'token', times: 0 }],
    ['fault.probability', { kind: 'drop_before', endpoint: 'token', probability: 2 }],
    ['fault.account', { kind: 'drop_before', endpoint: 'token', account: 'nobody' }],
    ['fault.chunk', { kind: 'drop_before', endpoint: 'token', chunk: 1 }],
    ['fault.grantType', { kind: 'drop_before', endpoint: 'status', grantType: 'refresh_token' }],
    ['fault.kind', { kind: 'short_read', endpoint: 'token', bytes: 1 }],
    ['fault.code', { kind: 'error', endpoint: 'status', code: 'oops' }],
    ['fault.code', { kind: 'error', endpoint: 'status', code: 'invalid_grant' }],
    ['fault.code', { kind: 'error', endpoint: 'upload', code: 'internal_error' }],
    ['fault.reason', { kind: 'fail_reason', reason: 'bad_mood' }],
  ])('refuses a wrong %s: %o', async (field, fault) => {
    const sandbox = await aSandbox();
    expect(() => sandbox.control.addFault(fault as FaultSpec)).toThrow(expect.objectContaining({ field }));
    expect(sandbox.control.faults()).toEqual([]);
  });
});
