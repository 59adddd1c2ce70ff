import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { everythingExposed } from './everything-exposed.ts';
import { parsePromql } from './promql.ts';

const file = (path: string): Promise<string> => readFile(new URL(`../../../${path}`, import.meta.url), 'utf8');

type Rule = {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook_url: string };
};
type Panel = {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[];
};

const { groups }: { groups: readonly { rules: readonly Rule[] }[] } = parse(await file('ops/prometheus/alerts.yml'));
const rules = groups.flatMap((group) => group.rules);
const { panels }: { panels: readonly Panel[] } = JSON.parse(await file('ops/grafana/dashboard.json'));
const targets = panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })));
/** As Grafana fills them in. */
const filledIn = (query: string): string => query.replaceAll('$__rate_interval', '5m');

/** What Prometheus adds to every series it scrapes. */
const OF_PROMETHEUS = ['job', 'instance'];
const OF_THE_FORMAT = ['le'];

type Exposed = { readonly type: string; readonly labels: ReadonlyMap<string, ReadonlySet<string>> };
/** By the name of the series: of a histogram `_bucket`, `_sum` and `_count`. */
const exposed = new Map<string, Exposed>();
/** What docs/metrics.md says of each metric. */
let documented: readonly string[];

beforeAll(async () => {
  for (const { type, samples } of await everythingExposed()) {
    for (const { name, labels } of samples) {
      const known = new Map(exposed.get(name)?.labels);
      for (const [label, value] of Object.entries(labels))
        known.set(label, new Set([...(known.get(label) ?? []), value]));
      exposed.set(name, { type, labels: known });
    }
  }
  documented = (await file('docs/metrics.md')).split('\n').filter((line) => line.startsWith('| `'));
});

const rowOf = (series: string): string =>
  documented.find((row) => {
    const name = row.split('`')[1] ?? '';
    return [name, `${name}_bucket`].some((each) => series === each || series === `tiktok_connector_${each}`);
  }) ?? '';

/** What the service would never answer to a query. Empty: nothing. */
function problems(query: string): readonly string[] {
  const { selectors, groupings } = parsePromql(filledIn(query));
  const found = selectors.length === 0 ? ['it asks for no metric'] : [];
  for (const { metric, matchers, calledBy } of selectors) {
    const family = exposed.get(metric);
    if (family === undefined) {
      found.push(`there is no ${metric}`);
      continue;
    }
    const counts = family.type !== 'gauge';
    const asRate = calledBy === 'rate' || calledBy === 'increase';
    if (counts !== asRate)
      found.push(`${metric} is a ${family.type}, and is read ${asRate ? 'as a rate' : 'as it is'}`);
    for (const { label, operator, value } of matchers) {
      if (OF_PROMETHEUS.includes(label)) continue;
      if (!family.labels.has(label)) found.push(`${metric} has no label ${label}`);
      else if (operator !== '=' && operator !== '!=') found.push(`${label}${operator}: write the values out`);
      else if (!family.labels.get(label)?.has(value) && !rowOf(metric).includes(`\`${value}\``)) {
        found.push(`${label} of ${metric} is never ${value}, by docs/metrics.md`);
      }
    }
  }
  for (const { labels, selectors: grouped } of groupings) {
    for (const label of labels.filter((each) => !OF_PROMETHEUS.includes(each))) {
      for (const { metric } of grouped) {
        if (!exposed.get(metric)?.labels.has(label)) found.push(`${metric} has no label ${label} to group by`);
      }
    }
  }
  return found;
}

/** Labels that a text names and that no result of the query has. */
const missingLabels = (query: string, named: readonly string[]): readonly string[] => {
  const { resultLabels, selectors } = parsePromql(filledIn(query));
  const there = resultLabels ?? [
    ...OF_PROMETHEUS,
    ...selectors.flatMap(({ metric }) => [...(exposed.get(metric)?.labels.keys() ?? [])]),
  ];
  return named.filter((label) => !there.includes(label) || OF_THE_FORMAT.includes(label));
};
const namesIn = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([, name = '']) => name);

describe('ops/prometheus/alerts.yml', () => {
  it.each(rules)('OPS-07 $alert asks for what the service tells', ({ expr, annotations }) => {
    expect(problems(expr)).toEqual([]);
    expect(missingLabels(expr, namesIn(annotations.summary, /\$labels\.(\w+)/g))).toEqual([]);
  });

  it.each(rules)('OPS-07 $alert says how long, how bad, and what to do', async (rule) => {
    expect(Object.keys(rule).sort()).toEqual(['alert', 'annotations', 'expr', 'for', 'labels']);
    expect(rule.for).toMatch(/^\d+[smh]$/);
    expect(rule.labels).toEqual({ severity: expect.stringMatching(/^(page|ticket)$/) });
    expect(rule.annotations.summary).not.toBe('');
    const [path = '', anchor] = rule.annotations.runbook_url.split('#');
    expect(anchorsOf(await file(path))).toContain(anchor);
    // So that an alarm is found again by its name.
    expect(anchor).toBe(rule.alert.replaceAll(/(?<!^|Tik)(?=[A-Z])/g, '-').toLowerCase());
  });

  it('OPS-07 there is one alert for each runbook, and each says what it means, how to look, what to do and what not', async () => {
    const text = await file('docs/runbooks.md');
    expect(rules.map(({ annotations }) => annotations.runbook_url.split('#')[1])).toEqual(anchorsOf(text));
    for (const section of text.split(/^## /m).slice(1)) {
      expect(namesIn(section, /^\*\*([\w' ]+):?\*\*/gm), section).toEqual(['For users', 'Look', 'Do', "Don't"]);
    }
    for (const [, anchor = ''] of text.matchAll(/\]\(#([\w-]+)\)/g)) expect(anchorsOf(text)).toContain(anchor);
    for (const name of namesIn(text, /\*([A-Z][\w', ]+)\*(?!\*)/g).filter((each) => !text.includes(`**${each}`))) {
      expect(
        panels.map(({ title }) => title),
        'panels that the runbooks name',
      ).toContain(name);
    }
  });
});

const anchorsOf = (text: string): readonly string[] =>
  namesIn(text, /^## (.*)$/gm).map((heading) => heading.toLowerCase().replaceAll(' ', '-'));

describe('ops/grafana/dashboard.json', () => {
  it.each(targets)('OPS-07 $title ($refId) asks for what the service tells', ({ expr, legendFormat }) => {
    expect(problems(expr)).toEqual([]);
    expect(missingLabels(expr, namesIn(legendFormat, /\{\{(\w+)\}\}/g))).toEqual([]);
  });

  it('OPS-07 shows every metric of this service', () => {
    const shown = targets.flatMap(({ expr }) => parsePromql(filledIn(expr)).selectors.map(({ metric }) => metric));
    const names = [...exposed.keys()].filter(
      (name) => name.startsWith('tiktok_connector_') && !/_(sum|count)$/.test(name),
    );
    expect(names.filter((name) => !shown.includes(name))).toEqual([]);
  });

  it('OPS-07 has panels that are told apart and lie side by side', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) =>
      Array.from({ length: h * w }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(cells.filter((cell) => Number(cell.split(',')[0]) >= 24)).toEqual([]);
  });
});

it.each([
  [
    'a name that is not told',
    'max(tiktok_connector_backlog_late_posts)',
    /there is no tiktok_connector_backlog_late_posts/,
  ],
  ['a label it has not', 'max(tiktok_connector_backlog_held_posts{code="LATE"})', /has no label code/],
  ['a value it never has', 'max(tiktok_connector_backlog_held_posts{reason="RECONECT"})', /is never RECONECT/],
  ['a group it has not', 'max by (code) (tiktok_connector_backlog_held_posts)', /no label code to group by/],
  ['a counter as it is', 'sum(tiktok_connector_grants_lost_total)', /is a counter, and is read as it is/],
  ['a gauge as a rate', 'rate(tiktok_connector_backlog_held_posts[5m])', /is a gauge, and is read as a rate/],
])('OPS-07 finds %s', (_, query, problem) => {
  expect(problems(query).join('\n')).toMatch(problem);
});

it('OPS-07 finds what is no PromQL', () => {
  expect(() => problems('sum(rate(tiktok_connector_attempts_total[5m])')).toThrow('no PromQL');
  expect(() => problems('sum(rate(tiktok_connector_attempts_total[5m]))) > $x')).toThrow('no PromQL');
});
