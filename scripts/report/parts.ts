import type { Timestamp } from '@bufbuild/protobuf/wkt';
import {
  type Breakdown,
  type Count,
  type Curve,
  type Measure,
  UnavailableReason,
} from '../../src/adapters/rpc/gen/glowtify/tiktok/v1/analytics_pb.js';
import { type ChartData, exact, knows, type Point } from './charts.ts';
import { type Content, type Html, html } from './html.ts';
import { count, day, explained, listed, partName, percent, seconds, sentence, time, why } from './words.ts';

/** Something that TikTok tells, or does not tell: a number, a curve or a breakdown. */
export type Fact = {
  /** As in the middle of a sentence. */
  readonly label: string;
  /** Undefined: it is missing, for the reason `missing`. */
  readonly value: string | undefined;
  readonly asOf: Timestamp | undefined;
  readonly missing: UnavailableReason;
  /** Why it no longer moves; UNSPECIFIED while it is collected. */
  readonly stale: UnavailableReason;
  /** A word beside the value, such as what it is a part of. */
  readonly beside?: string;
};

type Told = Pick<Count, 'asOf' | 'unavailableReason' | 'staleReason'> | undefined;

const fact = (label: string, told: Told, value: string | undefined, beside?: string): Fact => ({
  label,
  value,
  asOf: told?.asOf,
  missing: told?.unavailableReason ?? UnavailableReason.UNSPECIFIED,
  stale: told?.staleReason ?? UnavailableReason.UNSPECIFIED,
  ...(beside === undefined ? {} : { beside }),
});

export const countFact = (label: string, told: Count | undefined): Fact =>
  fact(label, told, told?.value === undefined ? undefined : count(exact(told.value)));

export const measureFact = (
  label: string,
  told: Measure | undefined,
  shown: (value: number) => string,
  beside?: string,
): Fact => fact(label, told, told?.value === undefined ? undefined : shown(told.value), beside);

export const curveFact = (label: string, told: Curve | undefined): Fact =>
  fact(label, told, told === undefined || told.points.length === 0 ? undefined : 'a curve');

export const breakdownFact = (label: string, told: Breakdown | undefined): Fact =>
  fact(label, told, told === undefined || told.shares.length === 0 ? undefined : 'shares');

const asOf = (at: Timestamp | undefined): Content => (at === undefined ? undefined : html`As of ${time(at)}`);

function tile({ label, value, asOf: at, missing, stale, beside }: Fact): Html {
  const name = sentence(label);
  if (value === undefined) {
    return html`<div class="tile missing"><dt>${name}</dt><dd class="value">${why(missing).short}</dd><dd class="note">${explained(missing)}</dd></div>`;
  }
  const old =
    stale === UnavailableReason.UNSPECIFIED
      ? undefined
      : html`<dd class="note stale">No longer updated: ${why(stale).because}</dd>`;
  const part = beside === undefined ? undefined : html` <small>${beside}</small>`;
  return html`<div class="tile"><dt>${name}</dt><dd class="value">${value}${part}</dd><dd class="note">${asOf(at)}</dd>${old}</div>`;
}

export const tiles = (facts: readonly Fact[]): Content =>
  facts.length === 0 ? undefined : html`<dl class="tiles">${facts.map(tile)}</dl>`;

/** So many facts with one reason say it in one sentence instead of a tile for each. */
const CROWD = 3;

/** What is missing for one reason. */
export type Gap = {
  readonly reason: UnavailableReason;
  readonly names: readonly string[];
  /** Where they are missing, as at the beginning of a sentence. */
  readonly where: string;
};

export type Arrangement = {
  /** Whether a fact has a tile of its own. */
  readonly shown: (fact: Fact) => boolean;
  /** What has none, and why. */
  readonly gaps: readonly Gap[];
  /** Why none of the first facts is known; undefined when one of them is, or when they have several reasons. */
  readonly nothing: UnavailableReason | undefined;
};

/** Tells what goes where. `first` has tiles, or is missing as a whole; `second` has tiles; of `others` only the gaps are of interest. */
export function arrange(first: readonly Fact[], second: readonly Fact[], others: readonly Fact[]): Arrangement {
  const isMissing = ({ value }: Fact): boolean => value === undefined;
  const missing = [...first, ...second, ...others].filter(isMissing);
  const isCrowd = (of: Fact): boolean => missing.filter((each) => each.missing === of.missing).length >= CROWD;
  const [main] = first;
  const nothing =
    main !== undefined && first.every((each) => isMissing(each) && each.missing === main.missing)
      ? main.missing
      : undefined;
  const hidden = [...second.filter((each) => isMissing(each) && isCrowd(each)), ...others.filter(isMissing)];
  return {
    shown: (each) => !hidden.includes(each),
    gaps: hidden
      .filter((each) => each.missing !== nothing)
      .map((each) => ({ reason: each.missing, names: [each.label], where: 'Missing here' })),
    nothing,
  };
}

/** In place of the first tiles. */
export const emptyState = (reason: UnavailableReason, nextTime: Timestamp | undefined): Html =>
  html`<div class="empty"><p class="value">${why(reason).short}</p><p>${explained(reason)}</p>${nextTime === undefined ? undefined : html`<p class="note">TikTok is asked next at ${time(nextTime, 'BESIDE')}.</p>`}</div>`;

/** Each reason once, with everything that is missing for it. */
export function gapList(gaps: readonly Gap[]): Content {
  if (gaps.length === 0) return undefined;
  const items = [...Map.groupBy(gaps, ({ reason }) => reason)].map(([reason, ofReason]) => {
    const places = [...Map.groupBy(ofReason, ({ where }) => where)].map(
      ([where, there]) => `${where}: ${listed(there.flatMap(({ names }) => names))}.`,
    );
    return html`<li><p><strong>${why(reason).short}.</strong> ${explained(reason)}</p><p class="note">${places.join(' ')}</p></li>`;
  });
  return html`<ul class="gaps">${items}</ul>`;
}

export const section = (title: string, id: string, ...content: readonly Content[]): Content =>
  content.every((each) => each === undefined || (Array.isArray(each) && each.length === 0))
    ? undefined
    : html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>${content}</section>`;

export const cards = (...content: readonly Content[]): Content =>
  content.every((each) => each === undefined) ? undefined : html`<div class="cards">${content}</div>`;

/** Cards of their own height and any number, as many in a row as fit. */
export const flow = (...content: readonly Content[]): Content =>
  content.every((each) => each === undefined) ? undefined : html`<div class="cards flow">${content}</div>`;

/** What one needs to know of a card: how old it is, and whether it still moves. */
function footnote(told: Told): Content {
  if (told === undefined) return undefined;
  const stale = told.staleReason === UnavailableReason.UNSPECIFIED ? undefined : why(told.staleReason).because;
  if (told.asOf === undefined && stale === undefined) return undefined;
  return html`<p class="note">${asOf(told.asOf)}${stale === undefined ? undefined : ` · No longer updated: ${stale}`}</p>`;
}

type Figure = {
  readonly title: string;
  /** A sentence below the title: what the figure means. */
  readonly meaning: Content;
  /** What a listener hears in place of the drawing. */
  readonly summary: string;
  readonly data: ChartData;
  readonly told?: Told;
  readonly wide?: boolean;
};

const X_NAMES = { TIME: 'Time (UTC)', DAY: 'Day (UTC)', SECOND: 'Second', HOUR: 'Hour (UTC)' } as const;

const hour = (of: number): string => `${String(of).padStart(2, '0')}:00`;

function xShown(axis: ChartData['axis'], x: number): Content {
  switch (axis) {
    case 'TIME':
      return time(new Date(x));
    case 'DAY':
      return day(new Date(x).toISOString().slice(0, 10));
    case 'SECOND':
      return seconds(x);
    case 'HOUR':
      return hour(x);
  }
}

const NOT_KNOWN = html`<span class="unknown">not known</span>`;

/** A chart, and the same as a table for those who do not see it. Each series of `data` has known points. */
export function figure({ title, meaning, summary, data, told, wide }: Figure): Html {
  const { id, axis, unit, series } = data;
  const values = series.map(({ points }) => new Map(points.map(({ x, y }: Point) => [x, y])));
  const moments = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const shown = (y: number | null | undefined): Content =>
    y === null || y === undefined ? NOT_KNOWN : unit === 'COUNT' ? count(Math.round(y)) : percent(y);
  const rows = moments.map(
    (x) =>
      html`<tr><th scope="row">${xShown(axis, x)}</th>${values.map((of) => html`<td>${shown(of.get(x))}</td>`)}</tr>`,
  );
  const heads = series.map(({ name }) => html`<th scope="col">${name}</th>`);
  return html`<figure class="card${wide ? ' wide' : ''}">
<figcaption><h3>${title}</h3><p class="note">${meaning}</p></figcaption>
<div class="chart"><canvas id="${id}" role="img" aria-label="${`${title}. ${summary} The table below has every value.`}"></canvas></div>
${footnote(told)}
<details><summary>${title} as a table</summary><div class="scroll" role="region" aria-label="${`${title}, table`}" tabindex="0"><table class="values"><thead><tr><th scope="col">${X_NAMES[axis]}</th>${heads}</tr></thead><tbody>${rows}</tbody></table></div></details>
</figure>`;
}

/** From where to where a series goes, in words. Of one without known points: nothing. */
export function span(axis: ChartData['axis'], { name, points }: ChartData['series'][number]): string {
  const known = points.filter((point): point is { x: number; y: number } => point.y !== null);
  const [first, last] = [known[0], known.at(-1)];
  if (first === undefined || last === undefined) return '';
  const where = (x: number): string => {
    switch (axis) {
      case 'TIME':
      case 'DAY':
        return day(new Date(x).toISOString().slice(0, 10));
      case 'SECOND':
        return `second ${x}`;
      case 'HOUR':
        return hour(x);
    }
  };
  return `${name}: ${count(first.y)} (${where(first.x)}) to ${count(last.y)} (${where(last.x)}).`;
}

/** Only series that something is known of can be drawn. */
export const drawable = (series: readonly ChartData['series'][number][]) => series.filter(knows);

/** Parts of a whole: the bars are the table. */
export function shares(
  title: string,
  meaning: string,
  told: Breakdown | undefined,
  nameOf: (name: string) => string = partName,
): Content {
  if (told === undefined || told.shares.length === 0) return undefined;
  const rows = told.shares.map(
    ({ name, fraction }) =>
      html`<tr><th scope="row"><bdi>${nameOf(name)}</bdi></th><td class="bar">${bar(fraction)}</td><td>${percent(fraction)}</td></tr>`,
  );
  return html`<div class="card"><h3>${title}</h3><p class="note">${meaning}</p><table class="shares"><colgroup><col class="part"><col><col class="share"></colgroup><thead class="quiet"><tr><th scope="col">Part</th><td></td><th scope="col">Share</th></tr></thead><tbody>${rows}</tbody></table>${footnote(told)}</div>`;
}

const bar = (fraction: number): Html => {
  const width = `${Math.min(Math.max(fraction, 0), 1) * 100}%`;
  return html`<svg aria-hidden="true" width="100%" height="10"><rect class="track" width="100%" height="10" rx="5"/><rect class="fill" width="${width}" height="10" rx="5"/></svg>`;
};
