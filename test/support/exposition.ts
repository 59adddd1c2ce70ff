export type Sample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};
export type Family = {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
};

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\\\\n]|\\\\[\\\\n"])*)"';
const HEAD = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`);
const SAMPLE = new RegExp(
  `^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? ([+-]?(?:\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?|Inf)|NaN)$`,
  'i',
);
const TYPES = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
};

/**
 * Reads Prometheus's text format 0.0.4, as strictly as its documentation describes it: each family once, its HELP and TYPE before
 * its samples, no series twice, histograms that add up. Throws at the first line that breaks a rule.
 */
export function parseExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let help: readonly [name: string, text: string] | undefined;
  let current: Family | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    const [, kind, name = '', said = ''] = HEAD.exec(line) ?? [];
    if (kind === 'HELP') {
      help = [name, said];
    } else if (kind === 'TYPE') {
      if (help?.[0] !== name) throw new Error(`${name} has no HELP before its TYPE`);
      if (families.has(name)) throw new Error(`${name} comes twice`);
      if (!TYPES.has(said)) throw new Error(`${name} is ${said}, which is no type`);
      current = { name, type: said, help: help[1], samples: [] };
      families.set(name, current);
    } else {
      const sample = parseSample(line);
      const suffixes = SUFFIXES[current?.type ?? ''] ?? [''];
      if (current === undefined || !suffixes.some((suffix) => `${current?.name}${suffix}` === sample.name)) {
        throw new Error(`${sample.name} stands under ${current?.name}`);
      }
      const series = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (seen.has(series)) throw new Error(`${series} comes twice`);
      seen.add(series);
      current.samples.push(sample);
    }
  }
  for (const family of families.values()) if (family.type === 'histogram') addsUp(family);
  return families;
}

function parseSample(line: string): Sample {
  const found = SAMPLE.exec(line);
  if (found === null) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  for (const [, label = '', value = ''] of (found[2] ?? '').matchAll(new RegExp(LABEL, 'g'))) {
    if (label in labels) throw new Error(`the label ${label} comes twice: ${line}`);
    labels[label] = value.replace(/\\([\\n"])/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped));
  }
  const value = (found.at(-1) ?? '').replace(/inf/i, 'Infinity');
  return { name: found[1] ?? '', labels, value: Number(value) };
}

function addsUp({ name, samples }: Family): void {
  const bySeries = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels));
  for (const [series, all] of bySeries) {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(labels['le'] === '+Inf' ? 'Infinity' : labels['le']));
    const grows = (figures: readonly number[], least: number) =>
      figures.every((figure, index) => index === 0 || figure - (figures[index - 1] ?? 0) >= least);
    const count = all.find((sample) => sample.name === `${name}_count`)?.value;
    const good =
      bounds.at(-1) === Number.POSITIVE_INFINITY &&
      grows(bounds, Number.MIN_VALUE) &&
      grows(
        buckets.map(({ value }) => value),
        0,
      ) &&
      buckets.at(-1)?.value === count &&
      all.some((sample) => sample.name === `${name}_sum`);
    if (!good) throw new Error(`${name}${series} does not add up`);
  }
}
