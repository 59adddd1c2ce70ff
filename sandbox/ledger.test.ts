import { describe, expect, it } from 'vitest';
import { aFile, aSandbox, bakery, bakeryId, clientOf, put, started } from './test-client.ts';

describe('the ledger', () => {
  it('calls it a duplicate when account, title and bytes are the same', async () => {
    const sandbox = await aSandbox({ processingMs: 60_000 });
    const client = clientOf(sandbox);
    const first = await client.publish({ title: 'bread' });
    await client.publish({ title: 'cake' });
    await client.publish({ title: 'bread' }, aFile(100, 1));
    await clientOf(sandbox, 'glow.short').publish({ title: 'bread' });
    sandbox.control.advanceClock(60_000);
    expect(sandbox.control.ledger().posts).toHaveLength(4);
    expect(sandbox.control.ledger().duplicates).toEqual([]);

    const second = await client.publish({ title: 'bread' });
    expect(sandbox.control.ledger().duplicates).toEqual([]); // not a post yet
    sandbox.control.advanceClock(60_000);
    expect(sandbox.control.ledger().duplicates).toEqual([
      { marker: expect.any(String), account: bakeryId, title: 'bread', publishIds: [first, second] },
    ]);
  });

  it('knows inits without bytes', async () => {
    const sandbox = await aSandbox();
    const { publishId } = started(await clientOf(sandbox).init({ title: 'orphan' }));
    const ledger = sandbox.control.ledger();
    expect(ledger.inits).toEqual([
      {
        publishId,
        family: 'OPEN',
        account: bakeryId,
        kind: 'DIRECT',
        title: 'orphan',
        source: 'FILE_UPLOAD',
        size: 100,
        url: null,
        initTime: expect.any(Number),
        stage: 'UPLOADING',
        failReason: null,
        marker: null,
      },
    ]);
    expect(ledger.uploads).toEqual([{ publishId, account: bakeryId, receivedBytes: 0, ranges: [], sha256: null }]);
  });

  it('lists and counts calls, with account, status and error', async () => {
    const sandbox = await aSandbox();
    const client = clientOf(sandbox);
    const { publishId, uploadUrl } = started(await client.init());
    await put(uploadUrl, aFile(100), { headers: { 'content-type': 'text/plain' } });
    await client.status('none');
    const { calls, callCounts, callCount } = sandbox.control.ledger();
    expect(callCount).toBe(3);
    expect(callCounts).toEqual({ video_init: 1, upload: 1, status: 1 });
    expect(calls).toMatchObject([
      { sequence: 1, endpoint: 'video_init', account: bakeryId, status: 200, errorCode: null },
      { sequence: 2, endpoint: 'upload', account: bakeryId, publishId, status: 400, range: 'bytes 0-99/100' },
      { sequence: 3, endpoint: 'status', publishId: 'none', status: 400, errorCode: 'invalid_publish_id' },
    ]);
  });

  it('tells the state of every token', async () => {
    const sandbox = await aSandbox();
    clientOf(sandbox);
    const states = () => sandbox.control.ledger().tokens.map(({ kind, state }) => `${kind} ${state}`);
    expect(states()).toEqual(['access LIVE', 'refresh LIVE']);
    sandbox.control.advanceClock(7_200_000);
    expect(states()).toEqual(['access EXPIRED', 'refresh LIVE']);
    sandbox.control.disconnectAccount(bakery);
    expect(states()).toEqual(['access REVOKED', 'refresh REVOKED']);
  });
});
