import { describe, expect, it } from 'vitest';
import { prometheusMetrics } from '../../../src/adapters/metrics/prometheus-metrics.ts';
import type { Backlog, BacklogFigures } from '../../../src/application/ports/backlog.ts';
import { type Family, parseExposition } from '../../support/exposition.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { reportEverything } from './report-everything.ts';

const FIGURES: BacklogFigures = {
  overdue: 3,
  oldestOverdueSeconds: 12.5,
  held: { RECONNECT: 1, QUOTA: 2, PLATFORM_OUTAGE: 0, LATE: 4 },
  unconfirmed: 5,
  setAside: 6,
  shutGates: [
    { code: 'PLATFORM_UNAVAILABLE', tried: true, gates: 1 },
    { code: 'ACCOUNT_DAILY_POST_CAP', tried: false, gates: 7 },
  ],
};

const make = (backlog: Backlog['read'] = async () => FIGURES, log = recordingLog()) =>
  prometheusMetrics({ backlog: { read: backlog }, tiktokCodes: ['ok', 'spam_risk'], log, backlogMilliseconds: 20 });

async function seen(metrics: ReturnType<typeof make>): Promise<(name: string) => Family> {
  const families = parseExposition((await metrics.expose()).text);
  return (name) => {
    const family = families.get(`tiktok_connector_${name}`);
    if (family === undefined) throw new Error(`there is no ${name}`);
    return family;
  };
}

/** `{label="value"}` and the figure, for each series. */
const series = ({ samples }: Family) =>
  Object.fromEntries(samples.map(({ labels, value }) => [Object.values(labels).join(' '), value]));

const figureOf = ({ samples }: Family, suffix = '') => samples.find(({ name }) => name.endsWith(suffix))?.value;

describe('prometheusMetrics', () => {
  it('speaks the text format to the letter, with everything reported', async () => {
    const metrics = make();
    reportEverything(metrics);
    const { contentType, text } = await metrics.expose();
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    const families = parseExposition(text);
    expect(families.size).toBeGreaterThan(30);
    for (const { name, type, help } of families.values()) {
      if (!name.startsWith('tiktok_connector_')) continue;
      expect(help, name).toMatch(/^[A-Z0-9].*\.$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    }
    expect(families.has('process_cpu_seconds_total')).toBe(true);
  });

  it('counts lateness in seconds, in buckets at the goals', async () => {
    const metrics = make();
    for (const seconds of [0.2, 0.9, 8, 70, 4_000, 200_000]) metrics.dispatched(seconds);
    const lateness = (await seen(metrics))('dispatch_lateness_seconds');
    const upTo = Object.fromEntries(
      lateness.samples.filter(({ name }) => name.endsWith('_bucket')).map(({ labels, value }) => [labels['le'], value]),
    );
    expect(upTo).toMatchObject({ 0.1: 0, 0.25: 1, 1: 2, 10: 3, 90: 4, 3600: 4, 86400: 5, '+Inf': 6 });
    expect(figureOf(lateness, '_sum')).toBeCloseTo(204_079.1);
  });

  it('takes a figure that is none for no report, and one before its time for 0', async () => {
    const metrics = make();
    for (const seconds of [Number.NaN, Number.POSITIVE_INFINITY, -3]) metrics.dispatched(seconds);
    const lateness = (await seen(metrics))('dispatch_lateness_seconds');
    expect([figureOf(lateness, '_count'), figureOf(lateness, '_sum')]).toEqual([1, 0]);
  });

  it('counts attempts by outcome and code', async () => {
    const metrics = make();
    metrics.attemptEnded('PUBLISHED');
    metrics.attemptEnded('FAILED', 'CONTENT_FLAGGED');
    metrics.attemptEnded('FAILED', 'CONTENT_FLAGGED');
    expect(series((await seen(metrics))('attempts_total'))).toEqual({
      'PUBLISHED none': 1,
      'FAILED CONTENT_FLAGGED': 2,
    });
  });

  it('tells calls to TikTok apart by endpoint, status and code', async () => {
    const metrics = make();
    metrics.tiktokAnswered({ endpoint: '/v2/a/', status: 200, code: 'ok', seconds: 0.2 });
    metrics.tiktokAnswered({ endpoint: '/v2/a/', status: 500, seconds: 0.3 });
    metrics.tiktokAnswered({ endpoint: 'upload', code: 'ECONNRESET', seconds: 70 });
    const look = await seen(metrics);
    expect(series(look('tiktok_calls_total'))).toEqual({
      '/v2/a/ 200 ok': 1,
      '/v2/a/ 500 none': 1,
      'upload none ECONNRESET': 1,
    });
    const durations = look('tiktok_call_duration_seconds').samples.filter(({ name }) => name.endsWith('_count'));
    expect(durations.map(({ labels, value }) => [labels, value])).toEqual([
      [{ endpoint: '/v2/a/' }, 2],
      [{ endpoint: 'upload' }, 1],
    ]);
  });

  it('keeps the number of series small, whatever TikTok or a stranger answers', async () => {
    const metrics = make();
    for (let index = 0; index < 1_000; index += 1) {
      metrics.tiktokAnswered({ endpoint: `/p/${index}`, status: index, code: `code_${index}`, seconds: 1 });
      metrics.webhook('ACCEPTED', `event.${index}`);
    }
    metrics.tiktokAnswered({ endpoint: '/p/1', status: 1, code: 'spam_risk', seconds: 1 });
    const look = await seen(metrics);
    const distinct = (name: string, label: string) =>
      new Set(look(name).samples.map(({ labels }) => labels[label])).size;
    expect(distinct('tiktok_calls_total', 'endpoint')).toBe(31);
    expect(distinct('tiktok_calls_total', 'status')).toBe(31);
    expect(distinct('tiktok_calls_total', 'code')).toBe(22);
    expect(distinct('webhooks_total', 'event')).toBe(21);
    expect(series(look('tiktok_calls_total'))['/p/1 1 spam_risk']).toBe(1);
  });

  it('counts calls refused for their caller', async () => {
    const metrics = make();
    metrics.callerRefused('CREDENTIALS_INVALID');
    metrics.callerRefused('ROLE_MISSING');
    expect(series((await seen(metrics))('callers_refused_total'))).toMatchObject({
      CREDENTIALS_INVALID: 1,
      ROLE_MISSING: 1,
    });
  });

  it('begins with a 0 where the first event must not be missed', async () => {
    const look = await seen(make());
    expect(series(look('set_aside_total'))).toEqual({ POST: 0, VIDEO: 0 });
    expect(series(look('token_refreshes_total'))).toEqual({
      RENEWED: 0,
      INVALID_GRANT: 0,
      NOT_ANSWERED: 0,
      FAILED: 0,
    });
    expect(series(look('reconnect_warnings_total'))).toEqual({ 14: 0, 7: 0, 1: 0 });
    for (const name of ['grants_lost_total', 'secrets_resealed_total']) expect(figureOf(look(name))).toBe(0);
    expect(series(look('callers_refused_total'))).toEqual({
      CREDENTIALS_INVALID: 0,
      ISSUER_UNREACHABLE: 0,
      RPC_WITHOUT_RULE: 0,
    });
  });

  it('tells when the engine last looked', async () => {
    const metrics = make();
    expect(figureOf((await seen(metrics))('engine_last_look_timestamp_seconds'))).toBe(0);
    const before = Date.now() / 1000;
    metrics.looked(0.01);
    expect(figureOf((await seen(metrics))('engine_last_look_timestamp_seconds'))).toBeGreaterThanOrEqual(before);
  });
});

describe('the backlog among the metrics', () => {
  it('is read anew for each scrape', async () => {
    const readings = [FIGURES, { ...FIGURES, overdue: 0, shutGates: FIGURES.shutGates.slice(1) }];
    const metrics = make(async () => readings.shift() ?? FIGURES);
    const look = await seen(metrics);
    expect(figureOf(look('backlog_overdue_posts'))).toBe(3);
    expect(figureOf(look('backlog_oldest_overdue_seconds'))).toBe(12.5);
    expect(series(look('backlog_held_posts'))).toEqual({ RECONNECT: 1, QUOTA: 2, PLATFORM_OUTAGE: 0, LATE: 4 });
    expect(figureOf(look('backlog_unconfirmed_posts'))).toBe(5);
    expect(figureOf(look('backlog_set_aside_posts'))).toBe(6);
    expect(series(look('backlog_shut_gates'))).toEqual({
      'PLATFORM_UNAVAILABLE TRIED': 1,
      'ACCOUNT_DAILY_POST_CAP SHUT': 7,
    });
    expect(figureOf(look('backlog_readable'))).toBe(1);
    const later = await seen(metrics);
    expect(figureOf(later('backlog_overdue_posts'))).toBe(0);
    expect(series(later('backlog_shut_gates'))).toEqual({ 'ACCOUNT_DAILY_POST_CAP SHUT': 7 });
  });

  it('is absent, not old and not 0, when it cannot be read', async () => {
    const readings = [async () => FIGURES, () => Promise.reject(new Error('down')), async () => FIGURES];
    const log = recordingLog();
    const metrics = make(() => (readings.shift() ?? (async () => FIGURES))(), log);
    await metrics.expose();
    const look = await seen(metrics);
    for (const name of [
      'overdue_posts',
      'oldest_overdue_seconds',
      'held_posts',
      'unconfirmed_posts',
      'set_aside_posts',
      'shut_gates',
    ])
      expect(look(`backlog_${name}`).samples, name).toEqual([]);
    expect(figureOf(look('backlog_readable'))).toBe(0);
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { error: { message: 'down' } } }]);
    expect(figureOf((await seen(metrics))('backlog_overdue_posts'))).toBe(3);
  });

  it('holds up no scrape when the database hangs, and is not asked again meanwhile', async () => {
    const hanging = Promise.withResolvers<BacklogFigures>();
    let readings = 0;
    const metrics = make(() => {
      readings += 1;
      return hanging.promise;
    });
    metrics.attemptEnded('PUBLISHED');
    const look = await seen(metrics);
    expect(figureOf(look('backlog_readable'))).toBe(0);
    expect(figureOf(look('attempts_total'))).toBe(1);
    const joined = metrics.expose();
    hanging.resolve(FIGURES);
    expect((await joined).text).toContain('tiktok_connector_backlog_readable 1');
    expect(readings).toBe(1);
    await metrics.expose();
    expect(readings).toBe(2);
  });
});
