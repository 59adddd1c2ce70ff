import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createRouterTransport } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '../../../scripts/report/write-report.ts';
import { UnavailableReason } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';
import { analyticsRoutes } from '../../support/analytics-server.ts';
import {
  aConnection,
  aFullAccount,
  aFullVideo,
  anUnknownVideo,
  at,
  missing,
  someSnapshots,
  told,
} from '../../support/canned-analytics.ts';
import { type Browser, browser, chromium, type Look } from '../../support/chromium.ts';

const HOSTILE = `</script><script>document.title='broken'</script><img src="https://tracker.example/x" onerror="alert(1)">`;
const WIDE: Look = { width: 1280, height: 800, scheme: 'light', timeZone: 'Europe/Berlin' };
const PHONE: Look = { width: 360, height: 740, scheme: 'dark', timeZone: 'America/New_York' };

// Needs chromium on this machine; `apt-get install chromium` brings it.
describe.skipIf(chromium === undefined)('The page of a report, in a browser', () => {
  let folder: string;
  let opened: Browser;
  const pages = new Map<string, string>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'report-'));
    const videos = [3, 1, 2].map((views, index) =>
      aFullVideo({
        caption: index === 0 ? HOSTILE : `Video ${views}`,
        views: index === 1 ? missing(UnavailableReason.NOT_PUBLIC) : told(views),
        publishTime: at(new Date(Date.UTC(2026, 10, 20 - index))),
        // In the last column, which begins beyond the edge of the page.
        ...(index === 2 ? { profileViews: missing(UnavailableReason.NEEDS_BUSINESS_ACCOUNT) } : {}),
      }),
    );
    const transport = createRouterTransport(
      analyticsRoutes({
        connections: { conn_bakery: aConnection() },
        posts: {
          post_bread: { metrics: aFullVideo({ caption: HOSTILE }), snapshots: someSnapshots(200) },
          post_new: { metrics: anUnknownVideo(UnavailableReason.NOT_YET_COLLECTED) },
        },
        accounts: { conn_bakery: { metrics: aFullAccount(), videos } },
      }),
    );
    for (const [name, subject] of [
      ['post', { post: 'post_bread' }],
      ['new post', { post: 'post_new' }],
      ['account', { connection: 'conn_bakery' }],
    ] as const) {
      const file = join(folder, `${name}.html`);
      await writeReport({ transport }, subject, file, new Date('2026-11-22T10:05:00Z'));
      pages.set(name, pathToFileURL(file).href);
    }
    opened = await browser(chromium ?? '');
  });

  afterAll(async () => {
    await opened?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const open = async (name: string, look: Look) => {
    const url = pages.get(name) ?? '';
    await opened.tab.open(url, look);
    return url;
  };

  it.each([
    ['post', WIDE],
    ['post', PHONE],
    ['new post', PHONE],
    ['account', WIDE],
    ['account', PHONE],
  ] as const)('asks for nothing, complains of nothing and fits its width: %s, %o', async (name, look) => {
    const url = await open(name, look);
    const { tab } = opened;
    expect(await tab.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0);
    expect(await tab.evaluate('document.title')).toMatch(/TikTok report$/);
    expect(tab.requests).toEqual([url]);
    expect(tab.complaints).toEqual([]);
  });

  it('draws every chart', async () => {
    await open('post', WIDE);
    const drawn = `[...document.querySelectorAll('canvas')].map((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value) => value !== 0);
    })`;
    expect(await opened.tab.evaluate(drawn)).toEqual(Array(7).fill(true));
  });

  it("adds the reader's own time", async () => {
    await open('post', WIDE);
    expect(await opened.tab.evaluate(`document.querySelector('.facts time').textContent`)).toMatch(
      /^12 Nov 2026, 09:30 UTC \(10:30.AM GMT\+1\)$/,
    );
    await open('account', PHONE);
    expect(await opened.tab.evaluate(`document.querySelector('[data-hour]').textContent`)).toMatch(
      /^18:00 UTC \(1:00.PM EST\)$/,
    );
  });

  it('sorts its videos by keyboard: largest first, then smallest, what is not known last', async () => {
    await open('account', WIDE);
    const { tab } = opened;
    const views = `[...document.querySelectorAll('#video-table tbody tr')].map((row) => row.cells[2].dataset.value ?? '-')`;
    const sorting = `[...document.querySelectorAll('#video-table [aria-sort]')].map((head) => [head.cellIndex, head.ariaSort])`;
    expect(await tab.evaluate(views)).toEqual(['3', '-', '2']);
    expect(await tab.evaluate(sorting)).toEqual([[1, 'descending']]);
    await tab.evaluate(`document.querySelectorAll('#video-table button')[1].focus()`);
    await tab.press('Enter', 13);
    expect(await tab.evaluate(views)).toEqual(['3', '2', '-']);
    expect(await tab.evaluate(sorting)).toEqual([[2, 'descending']]);
    await tab.press('Enter', 13);
    expect(await tab.evaluate(views)).toEqual(['2', '3', '-']);
    expect(await tab.evaluate(sorting)).toEqual([[2, 'ascending']]);
  });

  it('is stopped by its policy from loading anything', async () => {
    await open('post', WIDE);
    const refused = await opened.tab.evaluate(`new Promise((resolve) => {
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => resolve(effectiveDirective));
      const image = new Image();
      image.src = 'https://tracker.example/x';
      document.body.append(image);
    })`);
    expect(refused).toBe('img-src');
  });
});
