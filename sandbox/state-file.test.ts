import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aFile, aSandbox, aSource, bakery, clientOf, put, refresh, started } from './test-client.ts';

async function aPlace(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tiktok-sandbox-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return join(directory, 'state.json');
}

const chunk = 5_242_880;
const file = aFile(2 * chunk, 9);

describe('a state file', () => {
  it('holds what an answer promised, before the answer is there', async () => {
    const path = await aPlace();
    const sandbox = await aSandbox({ stateFile: path });
    const client = clientOf(sandbox);
    const stored = async () => JSON.parse(await readFile(path, 'utf8'));

    const { publishId, uploadUrl } = started(await client.init());
    expect((await stored()).publishes).toMatchObject([[publishId, { stage: { name: 'UPLOADING' } }]]);
    await put(uploadUrl, aFile(100));
    expect((await stored()).publishes).toMatchObject([[publishId, { stage: { name: 'PROCESSING' } }]]);
    const { body } = await refresh(sandbox, client.tokens.refresh_token);
    expect((await stored()).refreshTokens.map(([token]: [string]) => token)).toContain(body['refresh_token']);
    await fetch(`${sandbox.origin}/_sandbox/app`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: '{"audited":false}',
    });
    expect((await stored()).app.audited).toBe(false);
  });

  it('holds all of many answers at once', async () => {
    const path = await aPlace();
    const sandbox = await aSandbox({ stateFile: path, initPerMinute: 100 });
    const client = clientOf(sandbox);
    await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const { publishId } = started(await client.init({ title: `${n}` }));
        expect(await readFile(path, 'utf8')).toContain(publishId);
      }),
    );
  });

  it('brings everything back after a restart', async () => {
    const path = await aPlace();
    const first = await aSandbox({ stateFile: path });
    const client = clientOf(first);
    first.control.addAccount({ username: 'new.one' });
    first.control.changeAccount(bakery, { displayName: 'Changed' });
    const done = await client.publish({ title: 'done' });
    first.control.finishProcessing(done);
    const processing = await client.publish({ title: 'processing' });
    const before = first.control.ledger();
    await first.close();

    const second = await aSandbox({ stateFile: path });
    expect(second.control.ledger()).toEqual(before);
    expect(second.control.accounts()).toEqual(first.control.accounts());
    second.control.advanceClock(3_600_000);
    expect(second.control.ledger().posts.map(({ publishId }) => publishId)).toEqual([done, processing]);
    expect(second.control.ledger().posts[0]?.publicPostIds).toHaveLength(1);
    expect((await refresh(second, client.tokens.refresh_token)).body).toHaveProperty('access_token');
  });

  it('keeps seeded videos, how they do and when they were hidden', async () => {
    const path = await aPlace();
    const first = await aSandbox({ stateFile: path });
    const { control } = first;
    const createTime = control.now() - 40 * 86_400_000;
    const { postId } = control.addVideo(bakery, { createTime, caption: 'old', model: { finalViews: 90_000 } });
    control.addVideo(bakery, { createTime: createTime - 1_000 });
    control.changeVideoModel(postId, { pauses: [{ fromMs: 86_400_000, untilMs: null }] });
    control.setVideoPublic(postId, false);
    control.setVideoPublic(postId, true);
    const at = control.now();
    const seen = [control.videos(bakery), control.insights(postId, { at }), control.accountInsights(bakery, { at })];
    await first.close();
    const again = (await aSandbox({ stateFile: path })).control;
    expect([again.videos(bakery), again.insights(postId, { at }), again.accountInsights(bakery, { at })]).toEqual(seen);
  });

  it('of an older sandbox lets its videos begin to live', async () => {
    const path = await aPlace();
    const first = await aSandbox({ stateFile: path, processingMs: 0, postIdDelayMs: 0 });
    await clientOf(first).publish({ title: 'old' });
    await clientOf(first).publish({ title: 'secret', privacy_level: 'SELF_ONLY' });
    const [post, secret] = await first.control.waitUntil(
      ({ posts }) => posts.length === 2 && posts[0]?.publicPostIds[0] !== undefined && posts,
    );
    await first.close();
    const stored = JSON.parse(await readFile(path, 'utf8'));
    for (const [, account] of stored.accounts) {
      for (const name of ['createTime', 'analyticsSince', 'registeredBusiness', 'audience']) delete account[name];
    }
    for (const [, video] of stored.videos) {
      for (const name of ['durationSeconds', 'hidden', 'deletedTime', 'model']) delete video[name];
    }
    await writeFile(path, JSON.stringify(stored));

    const { control } = await aSandbox({ stateFile: path });
    control.advanceClock(365 * 86_400_000);
    const { values } = control.insights(post?.postIds[0] ?? '', { family: 'BUSINESS' });
    expect(control.insights(secret?.postIds[0] ?? '').values.views).toBe(0);
    expect(values).toMatchObject({ durationSeconds: 15, views: expect.toSatisfy((views) => views > 100) });
    expect(control.accountInsights(bakery).values.totalLikes).toBe(45_300 + (values.likes ?? 0));
  });

  it('forgets begun uploads: 404; those that had no byte go on', async () => {
    const path = await aPlace();
    const first = await aSandbox({ stateFile: path });
    const client = clientOf(first);
    const begun = started(await client.init({}, aSource(file.length, chunk)));
    const fresh = started(await client.init());
    await put(begun.uploadUrl, file, { last: chunk - 1 });
    await first.close();

    const second = await aSandbox({ stateFile: path });
    const at = (uploadUrl: string) => uploadUrl.replace(first.origin, second.origin);
    expect((await put(at(begun.uploadUrl), file, { first: chunk })).status).toBe(404);
    expect((await put(at(fresh.uploadUrl), aFile(100))).status).toBe(201);
  });

  it('gives way to the options', async () => {
    const path = await aPlace();
    await (await aSandbox({ stateFile: path, tokenRegime: 'legacy', audited: false })).close();
    const second = await aSandbox({ stateFile: path, tokenRegime: 'rotating' });
    expect(second.control.settings().tokenRegime).toBe('rotating');
    expect(second.control.app().audited).toBe(false);
  });

  it('is replaced whole: nothing else stays behind', async () => {
    const path = await aPlace();
    const sandbox = await aSandbox({ stateFile: path });
    await clientOf(sandbox).init();
    await sandbox.close();
    expect(await readdir(join(path, '..'))).toEqual(['state.json']);
  });

  it.each(['{"version":', '{"version":99}', 'null'])('that holds %s stops the start', async (content) => {
    const path = await aPlace();
    await writeFile(path, content);
    await expect(aSandbox({ stateFile: path })).rejects.toThrow(/state.*Name another state file/);
    expect(await readFile(path, 'utf8')).toBe(content);
  });

  it('that can not be written stops the start', async () => {
    await expect(aSandbox({ stateFile: '/proc/nowhere/state.json' })).rejects.toThrow("can't be written");
  });

  it('that can no longer be written fails the calls that change something, and is reported', async () => {
    const path = await aPlace();
    const problems: string[] = [];
    const sandbox = await aSandbox({ stateFile: path, report: (problem) => problems.push(problem) });
    const { tokens } = clientOf(sandbox);
    const init = () =>
      fetch(`${sandbox.origin}/v2/post/publish/inbox/video/init/`, {
        method: 'POST',
        headers: { authorization: `Bearer ${tokens.access_token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ source_info: aSource() }),
      });
    await rm(join(path, '..'), { recursive: true });
    expect((await init()).status).toBe(500);
    expect(problems.join()).toContain('could not be');
    await mkdir(join(path, '..'));
    expect((await init()).status).toBe(200);
    expect(await readFile(path, 'utf8')).toContain('v_inbox_file');
  });
});
