import {
  type AccountDay,
  type AccountMetrics,
  type Count,
  type Measure,
  type PostMetrics,
  UnavailableReason,
} from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';
import { ApiFamily } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/connection_pb.js';
import { byDay, byHour, type ChartData, exact } from './charts.ts';
import { type AccountReport, DAYS, VIDEOS } from './collect.ts';
import type { PageContent } from './document.ts';
import { type Content, type Html, html } from './html.ts';
import {
  arrange,
  breakdownFact,
  cards,
  countFact,
  drawable,
  emptyState,
  figure,
  flow,
  type Gap,
  gapList,
  section,
  shares,
  span,
  tiles,
} from './parts.ts';
import { accountName, handle, link, sandboxNotice, stateNotice } from './subject.ts';
import { count, countryName, day, duration, percent, seconds, time, why } from './words.ts';

/** The page of one account. */
export function accountPage(report: AccountReport): PageContent {
  const { metrics, connection, videos } = report;
  const main = [
    countFact('followers', metrics.followers),
    countFact('following', metrics.following),
    countFact('likes of all videos', metrics.totalLikes),
    countFact('public videos', metrics.videoCount),
  ];
  const { gaps, nothing } = arrange(
    main,
    [],
    [
      breakdownFact('followers by age', metrics.audienceAges),
      breakdownFact('followers by gender', metrics.audienceGenders),
      breakdownFact('followers by country', metrics.audienceCountries),
      breakdownFact('followers by city', metrics.audienceCities),
    ],
  );
  const days = dayFigures(metrics.days);
  const active = activityFigure(metrics.days);
  const title = accountName(connection);
  return {
    title,
    header: html`<h1 dir="auto">${title}</h1><p class="facts">${handle(connection)}<span>${FAMILIES[metrics.apiFamily]}</span>${link('Profile on TikTok', connection.account?.profileUri ?? '')}</p>`,
    main: html`${sandboxNotice(connection)}${stateNotice(connection)}
${section('The account now', 'numbers', nothing === undefined ? tiles(main) : emptyState(nothing, metrics.nextCollectTime), gapList([...gaps, ...dayGaps(metrics), ...videoGaps(videos)]))}
${section(`The last ${DAYS} days`, 'days', days.html, dayTable(metrics.days))}
${section('Followers', 'audience', active.html, flow(...audience(metrics)))}
${section('Newest videos', 'videos', videoTable(videos))}`,
    footer: html`${collected(metrics)}<p>Connection ${metrics.connectionId}</p>`,
    charts: [...days.charts, ...active.charts],
  };
}

const FAMILIES: Readonly<Record<ApiFamily, string>> = {
  [ApiFamily.UNSPECIFIED]: 'TikTok',
  [ApiFamily.OPEN]: 'TikTok for Developers',
  [ApiFamily.BUSINESS]: 'TikTok API for Business',
};

function collected({ collectTime, nextCollectTime }: AccountMetrics): Html {
  if (collectTime === undefined) return html`<p>TikTok was not asked about the account yet.</p>`;
  const next = nextCollectTime === undefined ? 'not again' : html`again at ${time(nextCollectTime)}`;
  return html`<p>TikTok was asked about the account at ${time(collectTime)}, and is asked ${next}.</p>`;
}

type Drawn = { readonly html: Content; readonly charts: readonly ChartData[] };

function dayFigures(days: readonly AccountDay[]): Drawn {
  const kinds = [
    {
      id: 'days-views',
      shape: 'BAR',
      title: 'Video views by day',
      meaning: 'Plays of all videos, ads included. TikTok tells the last day or two later.',
      series: [byDay('Video views', days, ({ videoViews }) => videoViews)],
    },
    {
      id: 'days-followers',
      shape: 'LINE',
      title: 'Followers by day',
      meaning: 'At the end of each day.',
      series: [byDay('Followers', days, ({ followers }) => followers)],
    },
    {
      id: 'days-gained',
      shape: 'BAR',
      title: 'Followers won and lost by day',
      meaning: 'Who began to follow, and who stopped.',
      series: [
        byDay('New', days, ({ newFollowers }) => newFollowers),
        { ...byDay('Lost', days, ({ lostFollowers }) => lostFollowers), below: true } as const,
      ],
    },
  ] as const;
  const figures = kinds.flatMap(({ id, shape, title, meaning, series }) => {
    const drawn = drawable(series);
    if (drawn.length === 0) return [];
    const data: ChartData = { id, shape, axis: 'DAY', unit: 'COUNT', series: drawn };
    return { data, title, meaning, summary: drawn.map((each) => span('DAY', each)).join(' ') };
  });
  return {
    html:
      figures.length === 0
        ? undefined
        : cards(figures.map((each, index) => figure({ ...each, wide: index === 0 && figures.length % 2 === 1 }))),
    charts: figures.map(({ data }) => data),
  };
}

function activityFigure(days: readonly AccountDay[]): Drawn {
  const series = byHour('Active followers', days);
  const [best] = series.points.filter(({ y }) => y !== null).sort((a, b) => (b.y ?? 0) - (a.y ?? 0));
  if (best === undefined) return { html: undefined, charts: [] };
  const data: ChartData = { id: 'activity', shape: 'BAR', axis: 'HOUR', unit: 'COUNT', series: [series] };
  const peak = `Most of them at ${String(best.x).padStart(2, '0')}:00 UTC: ${count(Math.round(best.y ?? 0))}.`;
  const meaning = html`On an average day, by hour in UTC. Most at <span data-hour="${best.x}">${String(best.x).padStart(2, '0')}:00 UTC</span>.`;
  return {
    html: figure({ title: 'When followers are active', meaning, summary: peak, data, wide: true }),
    charts: [data],
  };
}

const audience = (metrics: AccountMetrics): readonly Content[] => [
  shares('Age', 'Of the followers.', metrics.audienceAges),
  shares('Gender', 'Of the followers.', metrics.audienceGenders),
  shares('Countries', 'Of the followers.', metrics.audienceCountries, countryName),
  shares('Cities', 'Of the followers.', metrics.audienceCities),
];

/** A column that nothing is known of is left out, and said. */
type Column<Row> = {
  readonly name: string;
  readonly numberOf: (row: Row) => number | undefined;
  readonly shown: (value: number) => string;
  readonly missing?: (row: Row) => UnavailableReason;
};

const whole = (value: bigint | undefined): number | undefined => (value === undefined ? undefined : exact(value));

const ofDay = (name: string, numberOf: (day: AccountDay) => bigint | undefined): Column<AccountDay> => ({
  name,
  numberOf: (each) => whole(numberOf(each)),
  shown: count,
});

/** What TikTok counts of a day, for those accounts that it does so for. */
const COUNTED: readonly Column<AccountDay>[] = [
  ofDay('Video views', (each) => each.videoViews),
  ofDay('Reach', (each) => each.reach),
  ofDay('Profile views', (each) => each.profileViews),
  ofDay('Likes', (each) => each.likes),
  ofDay('Comments', (each) => each.comments),
  ofDay('Shares', (each) => each.shares),
  ofDay('New followers', (each) => each.newFollowers),
  ofDay('Lost followers', (each) => each.lostFollowers),
  ofDay('Engaged audience', (each) => each.engagedAudience),
  ofDay('Clicks on the link', (each) => each.bioLinkClicks),
];

const DAY_COLUMNS: readonly Column<AccountDay>[] = [
  ofDay('Followers', (each) => each.followers),
  ...COUNTED,
  ofDay('Likes of all videos', (each) => each.totalLikes),
  ofDay('Public videos', (each) => each.videoCount),
];

const known = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): readonly Column<Row>[] =>
  columns.filter(({ numberOf }) => rows.some((row) => numberOf(row) !== undefined));

function cell<Row>({ numberOf, shown, missing }: Column<Row>, row: Row): Html {
  const value = numberOf(row);
  if (value !== undefined) return html`<td data-value="${value}">${shown(value)}</td>`;
  const reason = missing === undefined ? 'not known' : why(missing(row)).short;
  return html`<td><span class="unknown" title="${reason}"><span aria-hidden="true">–</span><span class="quiet">${reason}</span></span></td>`;
}

function dayTable(days: readonly AccountDay[]): Content {
  const columns = known(DAY_COLUMNS, days);
  if (columns.length === 0) return html`<p class="note">Nothing is known of these days yet.</p>`;
  const rows = days
    .toReversed()
    .map((each) => html`<tr><th scope="row">${day(each.date)}</th>${columns.map((column) => cell(column, each))}</tr>`);
  return html`<details class="card"><summary>All numbers by day</summary>${scroll('All numbers by day', html`<table class="values"><thead><tr><th scope="col">Day (UTC)</th>${columns.map(({ name }) => html`<th scope="col">${name}</th>`)}</tr></thead><tbody>${rows}</tbody></table>`)}</details>`;
}

const scroll = (name: string, table: Html): Html =>
  html`<div class="scroll" role="region" aria-label="${`${name}, table`}" tabindex="0">${table}</div>`;

/** What TikTok counts of no day. */
function dayGaps({ days, daysUnavailableReason: reason }: AccountMetrics): readonly Gap[] {
  if (reason === UnavailableReason.UNSPECIFIED) return [];
  const columns = known(COUNTED, days);
  const absent = COUNTED.filter((column) => !columns.includes(column));
  return absent.length === 0 ? [] : [{ reason, names: absent.map(({ name }) => name.toLowerCase()), where: 'By day' }];
}

const ofVideo = (
  name: string,
  told: (video: PostMetrics) => Count | Measure | undefined,
  shown: (value: number) => string = count,
): Column<PostMetrics> => ({
  name,
  numberOf: (video) => {
    const value = told(video)?.value;
    return typeof value === 'bigint' ? exact(value) : value;
  },
  shown,
  missing: (video) => told(video)?.unavailableReason ?? UnavailableReason.UNSPECIFIED,
});

const VIDEO_COLUMNS: readonly Column<PostMetrics>[] = [
  ofVideo('Views', ({ views }) => views),
  ofVideo('Likes', ({ likes }) => likes),
  ofVideo('Comments', ({ comments }) => comments),
  ofVideo('Shares', ({ shares: told }) => told),
  ofVideo('Favourites', ({ favorites }) => favorites),
  ofVideo('Reach', ({ reach }) => reach),
  ofVideo('Total watch time', ({ totalWatchSeconds }) => totalWatchSeconds, duration),
  ofVideo('Average watch time', ({ averageWatchSeconds }) => averageWatchSeconds, seconds),
  ofVideo('Watched to the end', ({ fullWatchRate }) => fullWatchRate, percent),
  ofVideo('New followers', ({ newFollowers }) => newFollowers),
  ofVideo('Profile views', ({ profileViews }) => profileViews),
];

function videoTable(videos: readonly PostMetrics[]): Content {
  if (videos.length === 0) return html`<p class="note">No video of this account is known yet.</p>`;
  const columns = known(VIDEO_COLUMNS, videos);
  const heads = [
    html`<th scope="col" class="moment" data-sortable aria-sort="descending">Published (UTC)</th>`,
    ...columns.map(({ name }) => html`<th scope="col" data-sortable>${name}</th>`),
  ];
  const rows = videos.map((video) => {
    const { publishTime } = video;
    const published =
      publishTime === undefined
        ? html`<td><span class="unknown">not known</span></td>`
        : html`<td class="moment" data-value="${String(publishTime.seconds)}">${time(publishTime, 'BARE')}</td>`;
    return html`<tr><th scope="row"><div class="title" dir="auto">${videoTitle(video)}</div></th>${published}${columns.map((column) => cell(column, video))}</tr>`;
  });
  const many = videos.length === VIDEOS ? `The newest ${VIDEOS}.` : `All ${count(videos.length)}.`;
  return html`<p class="note">${many} <span class="sortable">A click on a heading sorts by it.</span></p>
<div class="card flush">${scroll('Newest videos', html`<table class="values" id="video-table"><thead><tr><th scope="col">Video</th>${heads}</tr></thead><tbody>${rows}</tbody></table>`)}</div>`;
}

const videoTitle = ({ caption, shareUri, tiktokPostId, postId }: PostMetrics): Content => {
  const name = caption === '' ? `No caption (${tiktokPostId || postId})` : caption;
  return link(name, shareUri) ?? name;
};

/** Columns that no video has a number for. */
function videoGaps(videos: readonly PostMetrics[]): readonly Gap[] {
  const columns = known(VIDEO_COLUMNS, videos);
  return VIDEO_COLUMNS.filter((column) => !columns.includes(column)).flatMap(({ name, missing }) => {
    const reasons = new Set(videos.map((video) => missing?.(video) ?? UnavailableReason.UNSPECIFIED));
    return [...reasons].map((reason) => ({ reason, names: [name.toLowerCase()], where: 'Of the newest videos' }));
  });
}
