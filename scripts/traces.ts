import { type CollectedSpan, collector } from './traces/collector.ts';

/** `npm run traces`: a collector that prints each trace as a tree, for a look without anything to install. Ctrl-C ends it. */
const QUIET_MILLISECONDS = 1_500;
const PORT = Number(process.env['PORT'] ?? 4318);

const waiting = new Map<string, CollectedSpan[]>();
let quiet: NodeJS.Timeout | undefined;

const { endpoint } = await collector((spans) => {
  for (const span of spans) waiting.set(span.traceId, [...(waiting.get(span.traceId) ?? []), span]);
  // A trace may come in several deliveries.
  clearTimeout(quiet);
  quiet = setTimeout(print, QUIET_MILLISECONDS);
}, PORT);
console.log(`Waiting for traces. In another shell: OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint} npm run demo`);

function print(): void {
  const begin = (spans: readonly CollectedSpan[]): number => Math.min(...spans.map((span) => span.startMilliseconds));
  for (const spans of [...waiting.values()].toSorted((left, right) => begin(left) - begin(right))) {
    const known = new Set(spans.map(({ spanId }) => spanId));
    const roots = spans.filter(({ parentId }) => parentId === undefined || !known.has(parentId));
    console.log(`\n${new Date(begin(spans)).toISOString()}  trace ${spans[0]?.traceId}`);
    for (const root of inOrder(roots)) printSpan(root, spans, '');
  }
  waiting.clear();
}

function printSpan(span: CollectedSpan, all: readonly CollectedSpan[], indent: string): void {
  const facts = Object.entries(span.attributes)
    .filter(([name]) => !/^(rpc\.(method|system)|http\.(request|route)|server\.|url\.)/.test(name))
    .map(([name, value]) => `${name.replace('tiktok_connector.', '')}=${value}`);
  const links = span.links.map(({ traceId }) => `→ trace ${traceId}`);
  const failed = span.failed ? '✗ ' : '';
  console.log(`${indent}${failed}${span.name}  ${span.milliseconds.toFixed(0)} ms  ${[...facts, ...links].join(' ')}`);
  for (const child of inOrder(all.filter(({ parentId }) => parentId === span.spanId))) {
    printSpan(child, all, `${indent}  `);
  }
}

function inOrder(spans: readonly CollectedSpan[]): readonly CollectedSpan[] {
  return spans.toSorted((left, right) => left.startMilliseconds - right.startMilliseconds);
}
