import { type PostMetrics, UnavailableReason } from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';
import { bySecond, type ChartData, type Growing, growth, knows } from './charts.ts';
import type { PostReport } from './collect.ts';
import type { PageContent } from './document.ts';
import { type Content, type Html, html } from './html.ts';
import {
  arrange,
  breakdownFact,
  cards,
  countFact,
  curveFact,
  emptyState,
  type Fact,
  figure,
  flow,
  gapList,
  measureFact,
  section,
  shares,
  span,
  tiles,
} from './parts.ts';
import { accountLine, link, sandboxNotice } from './subject.ts';
import { countryName, duration, percent, seconds, time } from './words.ts';

/** The page of one post. */
export function postPage(report: PostReport): PageContent {
  const { metrics, connection } = report;
  const watchTime = watchFacts(metrics);
  const main = [
    countFact('views', metrics.views),
    countFact('likes', metrics.likes),
    countFact('comments', metrics.comments),
    countFact('shares', metrics.shares),
  ];
  const more = [
    countFact('favourites', metrics.favorites),
    countFact('reach', metrics.reach),
    countFact('new followers', metrics.newFollowers),
    countFact('profile views', metrics.profileViews),
  ];
  const { shown, gaps, nothing } = arrange(
    main,
    [...more, ...watchTime],
    [
      curveFact('retention', metrics.retention),
      curveFact('likes by second', metrics.likesBySecond),
      breakdownFact('impression sources', metrics.impressionSources),
      breakdownFact('viewers by type', metrics.audienceTypes),
      breakdownFact('viewers by gender', metrics.audienceGenders),
      breakdownFact('viewers by country', metrics.audienceCountries),
      breakdownFact('viewers by city', metrics.audienceCities),
    ],
  );
  const watch = watchFigures(metrics);
  const growing = growthFigures(report);
  const title = titleOf(metrics);
  return {
    title,
    header: html`${headline(title)}<p class="facts">${accountLine(connection)}${published(metrics)}${length(metrics)}${link('Watch on TikTok', metrics.shareUri)}</p>`,
    main: html`${sandboxNotice(connection)}
${section('Numbers', 'numbers', nothing === undefined ? tiles(main) : emptyState(nothing, metrics.nextCollectTime), tiles(more.filter(shown)), gapList(gaps))}
${section('Growth', 'growth', growing.html)}
${section('Watch time', 'watch-time', tiles(watchTime.filter(shown)), watch.html)}
${section('Audience', 'audience', audience(metrics))}`,
    footer: html`${collected(metrics)}<p>Post ${metrics.postId}${metrics.tiktokPostId === '' ? undefined : ` · TikTok’s id ${metrics.tiktokPostId}`}</p>`,
    charts: [...growing.charts, ...watch.charts],
  };
}

/** A caption is known once TikTok was asked. */
const titleOf = ({ caption, collectTime, postId }: PostMetrics): string =>
  caption !== '' ? caption : collectTime === undefined ? `Post ${postId}` : 'A video without a caption';

const watchFacts = ({
  totalWatchSeconds,
  averageWatchSeconds,
  fullWatchRate,
  durationSeconds,
}: PostMetrics): Fact[] => [
  measureFact('total watch time', totalWatchSeconds, duration),
  measureFact(
    'average watch time',
    averageWatchSeconds,
    seconds,
    durationSeconds === undefined ? undefined : `of ${seconds(durationSeconds)}`,
  ),
  measureFact('watched to the end', fullWatchRate, percent),
];

/** A caption may have 2,200 characters: a long one is cut in the headline and can be opened. */
const HEADLINE = 160;

function headline(title: string): Html {
  const characters = [...title];
  if (characters.length <= HEADLINE) return html`<h1 dir="auto">${title}</h1>`;
  return html`<h1 dir="auto">${characters.slice(0, HEADLINE).join('').trimEnd()}…</h1><details class="caption"><summary>The whole caption</summary><p dir="auto">${title}</p></details>`;
}

function published({ publishTime, views }: PostMetrics): Html {
  if (publishTime !== undefined) return html`<span>Published ${time(publishTime, 'BESIDE')}</span>`;
  const isPublished = views?.unavailableReason !== UnavailableReason.NOT_PUBLISHED;
  return html`<span>${isPublished ? 'TikTok did not tell yet when it was published' : 'Not published'}</span>`;
}

const length = ({ durationSeconds }: PostMetrics): Content =>
  durationSeconds === undefined ? undefined : html`<span>${duration(durationSeconds)} long</span>`;

function collected({ collectTime, nextCollectTime }: PostMetrics): Html {
  if (collectTime === undefined) return html`<p>TikTok was not asked about it yet.</p>`;
  const next = nextCollectTime === undefined ? 'not again' : html`again at ${time(nextCollectTime)}`;
  return html`<p>TikTok was asked about it at ${time(collectTime)}, and is asked ${next}.</p>`;
}

type Drawn = { readonly html: Content; readonly charts: readonly ChartData[] };

function growthFigures({ snapshots, metrics }: PostReport): Drawn {
  const kinds: readonly (readonly [name: Growing, meaning: string])[] = [
    ['views', 'Times it was played, ads included.'],
    ['likes', 'Likes that stand.'],
    ['comments', 'Comments that stand.'],
    ['shares', 'Times it was shared.'],
    ['reach', 'People who saw it at least once.'],
  ];
  const figures = kinds.flatMap(([name, meaning]) => {
    const series = growth(name, snapshots, metrics);
    // One point is no growth.
    if (series.points.length < 2) return [];
    const data: ChartData = { id: `growth-${name}`, shape: 'LINE', axis: 'TIME', unit: 'COUNT', series: [series] };
    return { data, title: series.name, meaning, summary: span('TIME', series) };
  });
  const isCounted = metrics.views?.value !== undefined || snapshots.length > 0;
  const single = isCounted
    ? html`<p class="note">There is one reading so far. Growth shows from the second one on.</p>`
    : undefined;
  return {
    html:
      figures.length === 0
        ? single
        : cards(figures.map((each, index) => figure({ ...each, wide: index === 0 && figures.length % 2 === 1 }))),
    charts: figures.map(({ data }) => data),
  };
}

function watchFigures({ retention, likesBySecond }: PostMetrics): Drawn {
  const figures = (
    [
      ['retention', 'Retention', 'Share of viewers who still watch at each second.', 'Still watching', retention],
      [
        'likes-by-second',
        'Likes by second',
        'When in the video the likes were given.',
        'Share of likes',
        likesBySecond,
      ],
    ] as const
  ).flatMap(([id, title, meaning, name, told]) => {
    const series = bySecond(name, told);
    const [first, last] = [series.points[0], series.points.at(-1)];
    if (!knows(series) || first === undefined || last === undefined) return [];
    const data: ChartData = { id, shape: 'LINE', axis: 'SECOND', unit: 'FRACTION', series: [series] };
    const summary = `${percent(first.y ?? 0)} at second ${first.x}, ${percent(last.y ?? 0)} at second ${last.x}.`;
    return { data, title, meaning, summary, told };
  });
  return {
    html: figures.length === 0 ? undefined : cards(figures.map(figure)),
    charts: figures.map(({ data }) => data),
  };
}

const audience = (metrics: PostMetrics): Content =>
  flow(
    shares('Where it was found', 'Parts of TikTok that showed it.', metrics.impressionSources),
    shares(
      'Kinds of viewers',
      'New or returning, and followers or not: each pair adds up to 100%.',
      metrics.audienceTypes,
    ),
    shares('Gender', 'Of the viewers.', metrics.audienceGenders),
    shares('Countries', 'Of the viewers, at most ten.', metrics.audienceCountries, countryName),
    shares('Cities', 'Of the viewers, at most ten.', metrics.audienceCities),
  );
