import { execFile } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { expect, it, onTestFinished, vi } from 'vitest';
import { type CollectedSpan, collector } from '../../scripts/traces/collector.ts';
import { type OtlpTracing, otlpTraces } from '../../src/adapters/traces/otlp-traces.ts';
import type { Traces } from '../../src/application/ports/traces.ts';
import { Secret } from '../../src/domain/secret.ts';
import { recordingLog } from '../support/recording-log.ts';

/** Delivered at once when they are so many. */
const DELIVERY = 512;

const tracingTo = (endpoint: string): OtlpTracing => ({
  endpoint,
  headers: { authorization: new Secret('Bearer hush') },
  serviceName: 'under test',
  sampler: 'parentbased_always_on',
  ratio: 1,
});

async function work(traces: Traces, spans: number): Promise<void> {
  for (let span = 0; span < spans; span += 1) await traces.span({ name: 'work' }, async () => undefined);
}

/** A collector that answers as it is told. */
async function answering(answer: (response: ServerResponse, request: IncomingMessage) => void) {
  const server = createServer((request, response) => {
    request.resume().once('end', () => answer(response, request));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}

it('delivers spans with the login, the service and the process they are of', async () => {
  const spans: CollectedSpan[] = [];
  const logins: unknown[] = [];
  const { endpoint, close } = await collector((given, request) => {
    spans.push(...given);
    logins.push(request.headers.authorization);
  });
  onTestFinished(close);
  const log = recordingLog();
  const traces = otlpTraces(tracingTo(endpoint), { owner: 'host:1:a', log });
  await traces.span({ name: 'work', facts: { sizeBytes: 4_294_967_297 } }, async () =>
    traces.called({
      method: 'GET',
      server: 'https://tiktok.example',
      endpoint: '/v2/x/',
      milliseconds: 3,
      status: 200,
    }),
  );
  // Work that goes on after its span has ended, such as a refresh that nobody waits for any more.
  const left = Promise.withResolvers<void>();
  const over = await traces.span({ name: 'left early' }, async () => ({
    told: left.promise.then(() => traces.tell({ outcome: 'LATE' })),
  }));
  left.resolve();
  await over.told;
  await traces.close();
  expect(logins).toEqual(['Bearer hush']);
  const [call, root] = spans;
  expect(root).toMatchObject({
    name: 'work',
    attributes: { 'tiktok_connector.video.size_bytes': 4_294_967_297 },
    resource: { 'service.name': 'under test', 'service.instance.id': 'host:1:a' },
  });
  expect(call).toMatchObject({ name: 'GET /v2/x/', kind: 'CLIENT', traceId: root?.traceId, parentId: root?.spanId });
  expect(log.lines).toEqual([]);
});

it('says once that the collector takes nothing, and once that it does again, with what was lost', async () => {
  let status = 400;
  let answers = 0;
  const endpoint = await answering((response) => {
    answers += 1;
    response.writeHead(status).end();
  });
  const log = recordingLog();
  const traces = otlpTraces(tracingTo(endpoint), { owner: 'host', log });
  onTestFinished(() => traces.close());
  for (let delivery = 1; delivery <= 3; delivery += 1) {
    await work(traces, DELIVERY);
    await vi.waitUntil(() => answers === delivery);
  }
  status = 200;
  await vi.waitUntil(() => log.lines.length > 0);
  await work(traces, DELIVERY);
  await vi.waitUntil(() => log.lines.length > 1);
  expect(log.lines).toMatchObject([
    { level: 'warn', message: 'traces are not delivered: they are lost until the collector answers' },
    { level: 'info', message: 'traces are delivered again; so many spans were lost', fields: { spans: 3 * DELIVERY } },
  ]);
  expect(JSON.stringify(log.lines)).not.toContain('hush');
});

it('keeps no more than 4096 spans for a collector that is slow, loses the others and says so', async () => {
  const held: (() => void)[] = [];
  // Holds what it is given until it is let go.
  const slow = await answering((response) => {
    held.push(() => response.writeHead(200).end());
  });
  const log = recordingLog();
  const traces = otlpTraces(tracingTo(slow), { owner: 'host', log });
  await work(traces, DELIVERY);
  await vi.waitUntil(() => held.length === 1);
  await work(traces, 10_000);
  expect(held).toHaveLength(1);
  // One delivery is under way and eight wait: what came beside them is gone.
  for (let deliveries = 1; deliveries <= 9; deliveries += 1) {
    await vi.waitUntil(() => held.length === deliveries);
    held[deliveries - 1]?.();
  }
  await work(traces, 1);
  const closing = traces.close();
  await vi.waitUntil(() => held.length === 10);
  held[9]?.();
  await closing;
  expect(held).toHaveLength(10);
  expect(log.lines).toMatchObject([
    {
      level: 'warn',
      message: 'traces are incomplete',
      fields: { complaint: expect.stringContaining('Dropped 5904 ') },
    },
  ]);
});

it('ends within seconds although the collector never answers, and before the delivery is given up', async () => {
  const asked = Promise.withResolvers<void>();
  let givenUp = false;
  const endpoint = await answering((response) => {
    response.once('close', () => {
      givenUp = true;
    });
    asked.resolve();
  });
  const traces = otlpTraces(tracingTo(endpoint), { owner: 'host', log: recordingLog() });
  await work(traces, 1);
  const closing = traces.close();
  await asked.promise;
  await closing;
  expect(givenUp).toBe(false);
});

/** How many modules a program loads that begins here: of OpenTelemetry's, and in all. */
async function modulesOf(entry: string): Promise<readonly number[]> {
  const program = `
    import { registerHooks } from 'node:module';
    const loaded = new Set();
    registerHooks({ load: (url, context, next) => (loaded.add(url), next(url, context)) });
    await import('./${entry}');
    console.log([...loaded].filter((url) => /@opentelemetry\\/(sdk|exporter|otlp)/.test(url)).length, loaded.size);`;
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program]);
  return stdout.trim().split(' ').map(Number);
}

it('nothing of OpenTelemetry’s SDK is loaded where nobody wants traces', async () => {
  const [ofService, ofTracing] = await Promise.all(
    ['src/service.ts', 'src/adapters/traces/otlp-traces.ts'].map(modulesOf),
  );
  expect(ofService?.[0]).toBe(0);
  // The counting is good: it sees what is there.
  expect(ofService?.[1]).toBeGreaterThan(100);
  expect(ofTracing?.[0]).toBeGreaterThan(10);
});
