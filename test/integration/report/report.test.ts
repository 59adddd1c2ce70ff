import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Code, ConnectError, createRouterTransport } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ReportError } from '../../../scripts/report/report-error.ts';
import { writeReport } from '../../../scripts/report/write-report.ts';
import { UnavailableReason } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';
import { AnalyticsService } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_service_pb.js';
import { ApiFamily, ConnectionState } from '../../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_pb.js';
import { type AnalyticsServer, analyticsRoutes, analyticsServer, type Canned } from '../../support/analytics-server.ts';
import {
  aConnection,
  aFullAccount,
  aFullVideo,
  anOpenVideo,
  anUnknownVideo,
  asOf,
  at,
  missing,
  someSnapshots,
  told,
} from '../../support/canned-analytics.ts';
import { chartsOf, scriptsOf, tableAfter, textOf, tilesOf } from '../../support/report-page.ts';

const HOSTILE = `</script><script>alert(1)</script><img src=x onerror=alert(1)> "a" & 'b' <!-- \u202e${'x'.repeat(200)}`;
const NOW = new Date('2026-11-22T10:05:00Z');
const root = fileURLToPath(new URL('../../..', import.meta.url));

let folder: string;
let server: AnalyticsServer | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'report-'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** The script as a process of its own. */
async function report(...args: readonly string[]) {
  const child = spawn(process.execPath, ['scripts/report.ts', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { out, err, code };
}

/** The page that a service with these answers leads to. */
async function pageOf(canned: Canned, subject: { post: string } | { connection: string }): Promise<string> {
  const file = join(folder, `${crypto.randomUUID()}.html`);
  await writeReport({ transport: createRouterTransport(analyticsRoutes(canned)) }, subject, file, NOW);
  return readFile(file, 'utf8');
}

const connections = { conn_bakery: aConnection() };
const ofPost = (metrics: ReturnType<typeof aFullVideo>, snapshots = someSnapshots(3)) =>
  pageOf({ connections, posts: { post_bread: { metrics, snapshots } } }, { post: 'post_bread' });

describe('npm run report', () => {
  it('asks the service with the key and writes one page that says where it is', async () => {
    server = await analyticsServer({
      connections,
      posts: { post_bread: { metrics: aFullVideo(), snapshots: someSnapshots(5) } },
      key: 'let-me-in',
      pageSize: 2,
    });
    const file = join(folder, 'post.html');
    const run = await report('--post', 'post_bread', '--server', server.address, '--key', 'let-me-in', '--out', file);
    expect(run).toEqual({ out: `the report is in ${file}\n`, err: '', code: 0 });
    const page = await readFile(file, 'utf8');
    expect(page).toContain('<h1 dir="auto">Fresh bread, every morning at six #bakery #sourdough</h1>');
    // All pages of the history, and the newest number.
    expect(chartsOf(page)[0]?.series[0]?.points).toHaveLength(6);
  });

  it.each([
    ['no key', [], '--key: the service at 127.', 'does not accept this caller (No such key.)'],
    [
      'another key',
      ['--key', 'other-key'],
      '--key: the service at 127.',
      'Give the key of a caller with the role read.',
    ],
    [
      'an unknown post',
      ['--key', 'let-me-in', '--post', 'post_nobody'],
      '--post: seen "post_nobody"',
      'knows no such id',
    ],
  ])('with %s it says so in one sentence and writes nothing', async (_, args, begins, says) => {
    server = await analyticsServer({ connections, posts: { post_bread: { metrics: aFullVideo() } }, key: 'let-me-in' });
    const file = join(folder, 'none.html');
    const subject = args.includes('--post') ? [] : ['--post', 'post_bread'];
    const { out, err, code } = await report(...subject, ...args, '--server', server.address, '--out', file);
    expect({ out, code }).toEqual({ out: '', code: 1 });
    expect(err).toMatch(/^[^\n]+\n$/);
    expect(err.startsWith(begins)).toBe(true);
    expect(err).toContain(says);
    expect(err).not.toContain('other-key');
    expect(await readdir(folder)).not.toContain('none.html');
  });

  it('says in one sentence that nobody answers, and what to do', async () => {
    server = await analyticsServer({ connections });
    const { address } = server;
    await server.close();
    server = undefined;
    const { err, code } = await report('--post', 'post_bread', '--server', address);
    expect(code).toBe(1);
    expect(err).toMatch(
      /^The service at \S+ can not be reached \(.*ECONNREFUSED.*\): start it with npm start, or say.*\n$/,
    );
  });

  it('says the same where something else than the service answers', async () => {
    const web = createServer((_, response) => response.end('hello'));
    await once(web.listen(0, '127.0.0.1'), 'listening');
    try {
      const { err, code } = await report(
        '--post',
        'post_1',
        '--server',
        `127.0.0.1:${(web.address() as AddressInfo).port}`,
      );
      expect(code).toBe(1);
      expect(err).toMatch(/^The service at \S+ can not be reached .*--server HOST:PORT where its gRPC port is\.\n$/);
    } finally {
      web.closeAllConnections();
      await new Promise((resolve) => web.close(resolve));
    }
  });

  it.each([
    [Code.Unimplemented, '--server: the service has no AnalyticsService. Start a newer version of it.'],
    [Code.PermissionDenied, '--key: this caller may not read here (Nothing for you.).'],
    [Code.DeadlineExceeded, 'The service did not answer within 30 seconds.'],
    [Code.Unavailable, 'The service can not answer now (Nothing for you.). Try again later.'],
    [Code.Internal, 'The service did not answer as it should (Internal: Nothing for you.).'],
  ])('tells a refusal in words (%s)', async (code, words) => {
    const transport = createRouterTransport((router) =>
      router.service(AnalyticsService, {
        getPostMetrics: () => {
          throw new ConnectError('Nothing for you.', code);
        },
      }),
    );
    const written = writeReport({ transport }, { post: 'post_bread' }, join(folder, 'refused.html'));
    await expect(written).rejects.toThrow(ReportError);
    await expect(written).rejects.toThrow(words);
    expect(await readdir(folder)).not.toContain('refused.html');
  });

  it('says that the page can not be written there', async () => {
    server = await analyticsServer({ connections, posts: { post_bread: { metrics: aFullVideo() } } });
    const file = join(folder, 'nowhere', 'page.html');
    const { err, code } = await report('--post', 'post_bread', '--server', server.address, '--out', file);
    expect(code).toBe(1);
    expect(err).toBe(
      `--out: seen "${file}", which can not be written (ENOENT). Name a file in a folder that is there.\n`,
    );
  });

  it('refuses flags that make no sense', async () => {
    const { err, code } = await report('--post', 'bread', '--server', 'here');
    expect(code).toBe(1);
    expect(err).toBe(
      'This can not be reported on:\n' +
        '  --post: seen "bread"; an id that begins with post_ is needed, as the service gave it.\n' +
        '  --server: seen "here"; HOST:PORT is needed, such as 127.0.0.1:50051, or https://HOST:PORT.\n',
    );
  });
});

describe('The page of a post', () => {
  it('has every number with its time', async () => {
    const page = await ofPost(aFullVideo());
    const time = 'As of 22 Nov 2026, 10:00 UTC';
    expect(tilesOf(page)).toEqual({
      Views: ['1,284,903', time],
      Likes: ['61,240', time],
      Comments: ['1,204', time],
      Shares: ['3,311', time],
      Favourites: ['8,042', time],
      Reach: ['1,100,840', time],
      'New followers': ['912', time],
      'Profile views': ['20,481', time],
      'Total watch time': ['2,641 h', time],
      'Average watch time': ['7.4 s of 21.5 s', time],
      'Watched to the end': ['18.3%', time],
    });
    expect(page).not.toContain('class="gaps"');
    expect(page).toContain('href="https://www.tiktok.com/@glow.bakery/video/7570000000000000001"');
    expect(textOf(page)).toContain('Published 12 Nov 2026, 09:30 UTC');
  });

  it('has growth, curves and audience as charts and as tables, to the digit', async () => {
    const snapshots = [
      { time: at('2026-11-12T10:00:00Z'), views: 0n, likes: 0n },
      { time: at('2026-11-13T10:00:00Z'), views: 12_345n, reach: 11_000n },
    ];
    const page = await ofPost(aFullVideo(), snapshots);
    const charts = new Map(chartsOf(page).map((chart) => [chart.id, chart]));
    expect([...charts.keys()]).toEqual([
      'growth-views',
      'growth-likes',
      'growth-reach',
      'retention',
      'likes-by-second',
    ]);
    expect(charts.get('growth-views')?.series[0]?.points).toEqual([
      { x: Date.parse('2026-11-12T10:00:00Z'), y: 0 },
      { x: Date.parse('2026-11-13T10:00:00Z'), y: 12_345 },
      { x: Date.parse('2026-11-22T10:00:00Z'), y: 1_284_903 },
    ]);
    expect(tableAfter(page, 'id="growth-views"')).toEqual([
      ['Time (UTC)', 'Views'],
      ['12 Nov 2026, 10:00 UTC', '0'],
      ['13 Nov 2026, 10:00 UTC', '12,345'],
      ['22 Nov 2026, 10:00 UTC', '1,284,903'],
    ]);
    expect(tableAfter(page, 'id="retention"').slice(0, 3)).toEqual([
      ['Second', 'Still watching'],
      ['0 s', '100%'],
      ['1 s', '90%'],
    ]);
    expect(tableAfter(page, '>Where it was found<').map(([name, , share]) => [name, share])).toEqual([
      ['Part', 'Share'],
      ['For You', '81%'],
      ['Personal Profile', '11%'],
      ['Search', '5%'],
      ['Following feed', '2%'],
      ['Others', '1%'],
    ]);
    expect(tableAfter(page, '>Countries<').map(([name]) => name)).toEqual([
      'Part',
      'Germany',
      'Austria',
      'Switzerland',
      'Netherlands',
      'Others',
    ]);
    for (const { id } of charts.values()) expect(page).toContain(`<canvas id="${id}" role="img" aria-label="`);
  });

  it('of the open family says once what needs the Business API', async () => {
    const page = await ofPost(anOpenVideo());
    expect(Object.keys(tilesOf(page))).toEqual(['Views', 'Likes', 'Comments', 'Shares']);
    expect(tilesOf(page)['Shares']?.[0]).toBe('0');
    expect(page.match(/Needs the Business API/g)).toHaveLength(1);
    const [gap = ''] = /<ul class="gaps">.*?<\/ul>/s.exec(page) ?? [];
    expect(textOf(gap)).toMatch(
      /^Needs the Business API\. .*Connect the account through it\.Missing here: favourites, reach, .*average watch time, .* and viewers by city\.$/,
    );
    expect(page).not.toContain('id="watch-time"');
    expect(page).not.toContain('id="audience"');
  });

  it.each([
    [UnavailableReason.NOT_YET_COLLECTED, 'Not collected yet', 'TikTok was not asked yet.'],
    [UnavailableReason.NOT_PUBLISHED, 'Not published', 'The post is not published'],
    [UnavailableReason.NOT_CONNECTED, 'Not connected', 'Reconnect it to go on.'],
  ])('with nothing to show says why, without a number and without a chart (%s)', async (reason, short, long) => {
    const page = await ofPost(anUnknownVideo(reason), []);
    expect(tilesOf(page)).toEqual({});
    expect(chartsOf(page)).toEqual([]);
    expect(page).not.toContain('class="gaps"');
    expect(page).toContain(`<p class="value">${short}</p>`);
    expect(page).toContain(long);
  });

  it('that is not collected yet in the open family says both: wait for some, and the Business API for others', async () => {
    const wait = missing(UnavailableReason.NOT_YET_COLLECTED);
    const page = await ofPost(anOpenVideo({ views: wait, likes: wait, comments: wait, shares: wait }), []);
    expect(tilesOf(page)).toEqual({});
    expect(page.match(/Not collected yet/g)).toHaveLength(1);
    expect(page.match(/Needs the Business API/g)).toHaveLength(1);
  });

  it('says of one missing number why, and of an old one why it no longer moves', async () => {
    const page = await ofPost(
      aFullVideo({
        newFollowers: missing(UnavailableReason.NOT_PROVIDED),
        reach: { value: 12n, asOf, staleReason: UnavailableReason.IDLE },
        retention: missing(UnavailableReason.IDLE),
      }),
    );
    expect(tilesOf(page)['New followers']).toEqual([
      'Not told by TikTok',
      'TikTok was asked and did not tell. The owner of the account may have to turn Analytics on in the TikTok app.',
    ]);
    expect(tilesOf(page)['Reach']).toEqual([
      '12',
      'As of 22 Nov 2026, 10:00 UTC',
      'No longer updated: Nobody did anything with the video for more than 7 days.',
    ]);
    expect(page).toMatch(/<strong>Idle\.<\/strong>[^<]*<\/p><p class="note">Missing here: retention\.</);
  });

  it('says that growth needs a second reading', async () => {
    const page = await ofPost(aFullVideo(), []);
    expect(page).toContain('There is one reading so far.');
    expect(page).not.toContain('id="growth-views"');
  });

  it('lets no caption, name or address be more than text', async () => {
    const evil = aFullVideo({
      caption: HOSTILE,
      shareUri: 'javascript:alert(1)',
      impressionSources: { shares: [{ name: '<b onclick=x>', fraction: 1 }], asOf },
    });
    const account = { username: '"><script>', displayName: '<i>Glow</i>', profileUri: 'data:text/html,x' };
    const page = await pageOf(
      { connections: { conn_bakery: aConnection({ account }) }, posts: { post_bread: { metrics: evil } } },
      { post: 'post_bread' },
    );
    expect(page.match(/<script/g)).toHaveLength(3);
    expect(page).not.toMatch(/<(img|b |i>)|javascript:|data:text|<!--/);
    expect(textOf(/<details class="caption">.*?<p dir="auto">(.*?)<\/p>/s.exec(page)?.[1] ?? '')).toBe(HOSTILE);
    expect(tableAfter(page, '>Where it was found<')[1]?.[0]).toBe('<b onclick=x>');
  });

  it('runs nothing but what its policy names, and asks for nothing', async () => {
    const page = await ofPost(aFullVideo());
    expect(scriptsOf(page).map(({ allowed }) => allowed)).toEqual([true, true]);
    expect(scriptsOf(page)[0]?.source).toContain('Chart.js v4');
    const policy = textOf(/Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? '');
    expect(policy.replaceAll(/'sha256-[^']+'/g, 'HASH')).toBe(
      "default-src 'none'; script-src HASH HASH; style-src HASH; img-src data:; base-uri 'none'; form-action 'none'",
    );
    const markup = page.replaceAll(/<(script|style)>.*?<\/\1>/gs, '');
    expect(markup).not.toMatch(/\ssrc=|\sstyle=|\son[a-z]+=/);
    expect([...markup.matchAll(/<link[^>]*href="([^"]{5})/g)].map(([, scheme]) => scheme)).toEqual(['data:']);
    expect(page).not.toContain('sourceMappingURL');
  });
});

describe('The page of an account', () => {
  const videos = Array.from({ length: 60 }, (_, index) =>
    aFullVideo({
      caption: index === 1 ? HOSTILE : `Video ${index}`,
      views: told(1000 + ((index * 37) % 60)),
      publishTime: at(new Date(Date.UTC(2026, 10, 20) - index * 86_400_000)),
      ...(index === 2 ? { reach: missing(UnavailableReason.IDLE) } : {}),
    }),
  );

  it('asks for 60 days and the newest 50 videos of this account in its workspace', async () => {
    server = await analyticsServer({ connections, accounts: { conn_bakery: { metrics: aFullAccount(), videos } } });
    const file = join(folder, 'account.html');
    const service = { address: server.address };
    await writeReport(service, { connection: 'conn_bakery' }, file, NOW);
    expect(server.accountRequests).toMatchObject([
      { connectionId: 'conn_bakery', startDate: '2026-09-24', endDate: '2026-11-22' },
    ]);
    expect(server.videoRequests).toMatchObject([
      { workspaceId: 'ws_a', connectionIds: ['conn_bakery'], pageSize: 50, pageToken: '' },
    ]);
    expect(tableAfter(await readFile(file, 'utf8'), 'id="videos"')).toHaveLength(51);
  });

  const full = () =>
    pageOf(
      { connections, accounts: { conn_bakery: { metrics: aFullAccount(), videos } } },
      { connection: 'conn_bakery' },
    );

  it('has the account, its days, its followers and their hours', async () => {
    const page = await full();
    expect(Object.entries(tilesOf(page)).map(([name, [value]]) => [name, value])).toEqual([
      ['Followers', '48,213'],
      ['Following', '112'],
      ['Likes of all videos', '1,904,377'],
      ['Public videos', '214'],
    ]);
    const charts = new Map(chartsOf(page).map((chart) => [chart.id, chart]));
    expect([...charts.keys()]).toEqual(['days-views', 'days-followers', 'days-gained', 'activity']);
    const views = charts.get('days-views')?.series[0]?.points;
    expect(views).toHaveLength(60);
    expect(views?.[19]?.y).toBe(4_000 + ((19 * 7_919) % 3_000));
    expect([views?.[20]?.y, views?.[58]?.y, views?.[59]?.y]).toEqual([null, null, null]);
    const [head, newest, , before] = tableAfter(page, '>All numbers by day<');
    expect(head?.slice(0, 3)).toEqual(['Day (UTC)', 'Followers', 'Video views']);
    expect(newest?.slice(0, 3)).toEqual(['22 Nov 2026', '48,127', '–not known']);
    expect(before?.slice(0, 3)).toEqual([
      '20 Nov 2026',
      '48,021',
      (4_000 + ((57 * 7_919) % 3_000)).toLocaleString('en'),
    ]);
    expect(page).toContain('<span data-hour="18">18:00 UTC</span>');
    expect(tableAfter(page, '>Age<').map(([name]) => name)).toEqual([
      'Part',
      '25-34',
      '18-24',
      '35-44',
      '45-54',
      '55+',
    ]);
  });

  it('has its videos, each number as it can be sorted by, and why one is missing', async () => {
    const page = await full();
    const rows = tableAfter(page, 'id="videos"');
    expect(rows[0]?.slice(0, 4)).toEqual(['Video', 'Published (UTC)', 'Views', 'Likes']);
    expect(rows[1]?.slice(0, 4)).toEqual(['Video 0', '20 Nov 2026, 00:00', '1,000', '61,240']);
    expect(rows[2]?.[0]).toBe(HOSTILE);
    expect(rows[3]?.[rows[0]?.indexOf('Reach') ?? -1]).toBe('–Idle');
    const table = /<table[^>]*id="video-table">.*?<\/table>/s.exec(page)?.[0] ?? '';
    expect(table.match(/ data-sortable/g)).toHaveLength(12);
    expect([...table.matchAll(/<td data-value="(10\d\d)">1,0/g)].map(([, value]) => Number(value)).slice(0, 3)).toEqual(
      [1000, 1037, 1014],
    );
    expect(page.match(/<script/g)).toHaveLength(3);
  });

  it('of the open family says once what needs the Business API', async () => {
    const absent = missing(UnavailableReason.NEEDS_BUSINESS_API);
    const metrics = {
      connectionId: 'conn_bakery',
      apiFamily: ApiFamily.OPEN,
      followers: told(10),
      following: told(0),
      totalLikes: told(3),
      videoCount: missing(UnavailableReason.NEEDS_SCOPE),
      audienceAges: absent,
      audienceGenders: absent,
      audienceCountries: absent,
      audienceCities: absent,
      days: [
        { date: '2026-11-21', followers: 9n, asOf },
        { date: '2026-11-22', followers: 10n, asOf },
      ],
      daysUnavailableReason: UnavailableReason.NEEDS_BUSINESS_API,
    };
    const connection = aConnection({
      apiFamily: ApiFamily.OPEN,
      state: ConnectionState.RECONNECT_REQUIRED,
      sandbox: true,
    });
    const page = await pageOf(
      { connections: { conn_bakery: connection }, accounts: { conn_bakery: { metrics, videos: [anOpenVideo()] } } },
      { connection: 'conn_bakery' },
    );
    expect(tilesOf(page)['Following']?.[0]).toBe('0');
    expect(tilesOf(page)['Public videos']?.[0]).toBe('Permission missing');
    const [gap = ''] = /<ul class="gaps">.*?<\/ul>/s.exec(page) ?? [];
    expect(textOf(gap)).toBe(
      'Needs the Business API. TikTok tells this through TikTok API for Business only. Connect the account through it.' +
        'Missing here: followers by age, followers by gender, followers by country and followers by city. ' +
        'By day: video views, reach, profile views, likes, comments, shares, new followers, lost followers, engaged audience and clicks on the link. ' +
        'Of the newest videos: favourites, reach, total watch time, average watch time, watched to the end, new followers and profile views.',
    );
    expect(chartsOf(page).map(({ id }) => id)).toEqual(['days-followers']);
    expect(tableAfter(page, 'id="videos"')[0]).toEqual([
      'Video',
      'Published (UTC)',
      'Views',
      'Likes',
      'Comments',
      'Shares',
    ]);
    expect(page).toContain('nothing of this is on TikTok');
    expect(page).toContain('reconnect it, or its numbers stay as they are');
  });

  it('that nothing is known of yet says so', async () => {
    const absent = missing(UnavailableReason.NOT_YET_COLLECTED);
    const metrics = {
      connectionId: 'conn_bakery',
      apiFamily: ApiFamily.BUSINESS,
      followers: absent,
      following: absent,
      totalLikes: absent,
      videoCount: absent,
      audienceAges: absent,
      audienceGenders: absent,
      audienceCountries: absent,
      audienceCities: absent,
      daysUnavailableReason: UnavailableReason.NOT_YET_COLLECTED,
    };
    const page = await pageOf({ connections, accounts: { conn_bakery: { metrics } } }, { connection: 'conn_bakery' });
    expect(tilesOf(page)).toEqual({});
    expect(chartsOf(page)).toEqual([]);
    expect(page).toContain('<p class="value">Not collected yet</p>');
    expect(page).toContain('Nothing is known of these days yet.');
    expect(page).toContain('No video of this account is known yet.');
  });
});
