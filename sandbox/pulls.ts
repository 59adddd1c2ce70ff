import { createHash } from 'node:crypto';
import { headLength, looksLikeVideo } from './file-check.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Family, Publish } from './state.ts';
import type { World } from './world.ts';

const downloadLimitMs = 3_600_000;
/** 4 GB and 1 GB; whether GB are powers of two is not documented. */
const largestVideo: Record<Family, number> = { OPEN: 4 * 2 ** 30, BUSINESS: 2 ** 30 };

export type Pulls = {
  /** Downloads in the background; the verdict shows in the publish. */
  start(publish: Publish): void;
  cancel(publish: Publish): void;
  /** Of an address that TikTok may not fetch from: the task fails as if nothing were there. */
  refuse(publish: Publish): void;
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
        if (publish.receivedBytes > largestVideo[publish.family]) throw new Error('The file is too large.');
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
    refuse: (publish) => lifecycle.fail(publish, 'video_pull_failed'),
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
