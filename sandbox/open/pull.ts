import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { isLoopback } from '../http.ts';
import { type Check, refuse } from '../input.ts';
import type { Publish } from '../state.ts';
import type { World } from '../world.ts';
import { type Checked, invalid, refused, valid } from './answers.ts';
import { largestVideo } from './chunk-plan.ts';
import { headLength, looksLikeVideo } from './file-check.ts';
import type { Lifecycle } from './lifecycle.ts';

const downloadLimitMs = 3_600_000;

export const urlProperty: Check<string> = (value, field) => {
  const remedy = 'Use a name such as example.com, or a prefix such as https://example.com/videos/.';
  if (typeof value !== 'string' || value.length > 512) return refuse(field, value, 'must be text', remedy);
  if (value.includes('://')) {
    const url = URL.parse(value);
    const ok =
      url && (url.protocol === 'https:' || isLoopback(url.hostname)) && url.href === value && value.endsWith('/');
    return ok ? value : refuse(field, value, 'must be an https prefix that ends with /', remedy);
  }
  return URL.parse(`https://${value}/`)?.hostname === value
    ? value
    : refuse(field, value, 'must be a domain name', remedy);
};

function isVerified(url: URL, properties: readonly string[]): boolean {
  return properties.some((property) =>
    property.includes('://')
      ? url.href.startsWith(property)
      : url.hostname === property || (isIP(url.hostname) === 0 && url.hostname.endsWith(`.${property}`)),
  );
}

export function checkPullUrl(world: World, videoUrl: unknown): Checked<string> {
  const { app, settings } = world.state;
  const url = typeof videoUrl === 'string' ? URL.parse(videoUrl) : null;
  if (!url) return invalid('The video_url is not an absolute URL');
  const loopbackAllowed = settings.pullFromLoopback && isLoopback(url.hostname);
  if (url.protocol !== 'https:' && !(loopbackAllowed && url.protocol === 'http:')) {
    return invalid('The video_url must be https');
  }
  if (isIP(url.hostname.replaceAll(/[[\]]/g, '')) !== 0 && !loopbackAllowed) {
    return invalid('The host of the video_url must be a domain name');
  }
  if (!isVerified(url, app.verifiedUrlProperties)) return refused('url_ownership_unverified');
  return valid(url.href);
}

export type Pulls = {
  /** Downloads in the background; the verdict shows in the publish. */
  start(publish: Publish): void;
  cancel(publish: Publish): void;
  resume(): void;
  /** Breaks off all downloads and resolves when they are over. */
  close(): Promise<void>;
};

export function pullDownloads(world: World, lifecycle: Lifecycle): Pulls {
  const { state, clock, timeline } = world;
  const underWay = new Map<Publish, { abort: AbortController; done: Promise<void> }>();

  const isCurrent = (publish: Publish, signal: AbortSignal) =>
    !signal.aborted && publish.stage.name === 'DOWNLOADING' && state.publishes.get(publish.publishId) === publish;

  async function download(publish: Publish, url: string, signal: AbortSignal): Promise<void> {
    const hash = createHash('sha256');
    let head = Buffer.alloc(0);
    publish.receivedBytes = 0;
    try {
      const response = await fetch(url, { redirect: 'manual', signal });
      if (response.status !== 200 || !response.body) throw new Error(`The host answered ${response.status}.`);
      for await (const part of response.body) {
        if (!isCurrent(publish, signal)) return; // for instance because the user withdrew the consent
        hash.update(part);
        if (head.length < headLength) head = Buffer.concat([head, part.subarray(0, headLength - head.length)]);
        publish.receivedBytes += part.length;
        if (publish.receivedBytes > largestVideo) throw new Error('The file is larger than 4 GB.');
      }
    } catch {
      // Whatever went wrong, TikTok tells the app no more than this.
      if (isCurrent(publish, signal)) lifecycle.fail(publish, 'video_pull_failed');
      return;
    }
    if (!isCurrent(publish, signal)) return;
    lifecycle.receivedAll(publish, { sha256: hash.digest('hex'), looksLikeVideo: looksLikeVideo(head) });
  }

  function stop(publish: Publish): void {
    underWay.get(publish)?.abort.abort();
  }

  function start(publish: Publish): void {
    if (publish.source.kind !== 'PULL_FROM_URL') return;
    const abort = new AbortController();
    const done = download(publish, publish.source.url, abort.signal)
      .catch((error: unknown) => world.report(`The download for ${publish.publishId} broke.`, error))
      .finally(() => underWay.delete(publish));
    underWay.set(publish, { abort, done });
    timeline.at(clock.now() + downloadLimitMs, () => {
      if (!isCurrent(publish, abort.signal)) return;
      lifecycle.fail(publish, 'video_pull_failed');
      stop(publish);
    });
  }

  return {
    start,
    cancel(publish) {
      lifecycle.fail(publish, 'publish_cancelled');
      stop(publish);
    },
    resume() {
      for (const publish of state.publishes.values()) if (publish.stage.name === 'DOWNLOADING') start(publish);
    },
    async close() {
      const running = [...underWay.values()];
      for (const { abort } of running) abort.abort();
      await Promise.all(running.map(({ done }) => done));
    },
  };
}
