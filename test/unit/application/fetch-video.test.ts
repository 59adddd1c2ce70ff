import { describe, expect, it } from 'vitest';
import { fetchVideo } from '../../../src/application/fetch-video.ts';
import {
  FetchInterrupted,
  type FetchRefusal,
  type VideoFetcher,
} from '../../../src/application/ports/video-fetcher.ts';
import { VideoStoreDown } from '../../../src/application/ports/video-store.ts';
import type { TakeInVideo } from '../../../src/application/take-in-video.ts';
import { MAX_LAPSES, restSeconds } from '../../../src/domain/post/pacing.ts';
import { err, ok } from '../../../src/domain/result.ts';
import {
  aFinding,
  anImportingVideo,
  aPreparingPost,
  aReadyVideo,
  aRejectedVideo,
  aRequest,
  later,
} from '../../support/builders.ts';
import { World } from './world.ts';

const finding = aFinding({ code: 'VIDEO_FETCH_FAILED', field: 'video_uri' });
const passing: FetchRefusal = { code: 'FETCH_FAILED', finding, status: 503, retryable: true };
const bytes = (async function* () {})();

type Parts = { readonly fetch?: VideoFetcher['fetch']; readonly takeIn?: TakeInVideo };

/** A post that waits for a video, and what fetches it. */
async function given({
  fetch = async () => ok({ bytes }),
  takeIn = async (video) => ok(aReadyVideo({ id: video.id })),
}: Parts = {}) {
  const world = new World();
  const video = anImportingVideo();
  await world.videos.addImport(video, aRequest());
  const post = await world.givenPost(aPreparingPost, { video });
  const fetcher = { ...world.fetcher, fetch };
  const run = fetchVideo({ ...world, fetcher, takeIn, maxBytes: 1000, workspaceBytes: 100_000_000, leaseSeconds: 60 });
  const shift = new AbortController();
  const { signal } = shift;
  async function attempt(): Promise<boolean> {
    const [lease] = await world.videos.claimImports({ owner: 'worker', limit: 1, leaseSeconds: 60 });
    if (lease !== undefined) await run(lease, signal);
    return lease !== undefined;
  }
  return { world, video, post, attempt, shift };
}

describe('fetching a video', () => {
  it('stores what it is, and the post that waited goes out', async () => {
    const { world, video, post, attempt } = await given();
    await attempt();
    expect(await world.videos.find(video.id)).toMatchObject({ state: 'READY' });
    expect(world.traces.spans).toMatchObject([
      { name: 'import video', facts: { videoId: video.id, outcome: 'READY' } },
    ]);
    expect(world.doorbell.rings).toBe(1);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'PUBLISHED' });
  });

  it('waits for a video store that is away, and counts no try and no lapse', async () => {
    let away = true;
    const { world, video, attempt } = await given({
      takeIn: async ({ id }) => {
        if (away) throw new VideoStoreDown('away');
        return ok(aReadyVideo({ id }));
      },
    });
    for (let looks = 0; looks < 2 * MAX_LAPSES; looks += 1) {
      expect(await attempt()).toBe(true);
      expect(await attempt()).toBe(false);
      world.clock.advance(30);
    }
    expect(await world.videos.find(video.id)).toMatchObject({ state: 'IMPORTING' });
    away = false;
    await attempt();
    expect(await world.videos.find(video.id)).toMatchObject({ state: 'READY' });
  });

  it('asks for no more than a video may have, and passes the announced length on', async () => {
    const seen: unknown[] = [];
    const { attempt } = await given({
      fetch: async (uri, { maxBytes }) => {
        seen.push([uri, maxBytes]);
        return ok({ bytes, sizeBytes: 77 });
      },
      takeIn: async (video, _, announced) => {
        seen.push(announced);
        return ok(aReadyVideo({ id: video.id }));
      },
    });
    await attempt();
    expect(seen).toEqual([['https://media.example/summer.mp4', 1000], { expectedSize: 77 }]);
  });

  it.each<[string, Parts, string]>([
    [
      'its address is not allowed',
      { fetch: async () => err({ code: 'URI_NOT_ALLOWED', finding: { ...finding, code: 'URI_NOT_ALLOWED' } }) },
      'URI_NOT_ALLOWED',
    ],
    [
      'it is not there',
      { fetch: async () => err({ ...passing, status: 404, retryable: false }) },
      'VIDEO_FETCH_FAILED',
    ],
    [
      'it is too large',
      { fetch: async () => err({ code: 'TOO_LARGE', seenBytes: 2000, limitBytes: 1000 }) },
      'VIDEO_TOO_LARGE',
    ],
    [
      'it turns out too large on the way',
      {
        takeIn: async () => {
          throw new FetchInterrupted({ code: 'TOO_LARGE', seenBytes: 1001, limitBytes: 1000 });
        },
      },
      'VIDEO_TOO_LARGE',
    ],
    [
      'it has another length than announced',
      { takeIn: async () => err({ code: 'NOT_STORED', finding: aFinding({ code: 'VIDEO_SIZE_MISMATCH' }) }) },
      'VIDEO_SIZE_MISMATCH',
    ],
    [
      'its workspace has no room left',
      { takeIn: async () => err({ code: 'WORKSPACE_QUOTA_EXCEEDED', usedBytes: 9, limitBytes: 10 }) },
      'WORKSPACE_QUOTA_EXCEEDED',
    ],
    [
      'its workspace has no room left when it is there',
      { takeIn: async (video) => ok(aReadyVideo({ id: video.id, sizeBytes: 100_000_001 })) },
      'WORKSPACE_QUOTA_EXCEEDED',
    ],
    [
      'it is no video',
      { takeIn: async (video) => ok(aRejectedVideo({ id: video.id, findings: [aFinding({ code: 'NOT_A_VIDEO' })] })) },
      'NOT_A_VIDEO',
    ],
  ])('rejects it at once when %s, and its post fails for that reason', async (_, parts, code) => {
    const { world, video, post, attempt } = await given(parts);
    await attempt();
    expect(await world.videos.find(video.id)).toMatchObject({ state: 'REJECTED', findings: [{ code }] });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({
      state: 'FAILED',
      error: { code: 'CHECK_FAILED', finding: { code } },
    });
  });

  it.each<[string, Parts]>([
    ['its host is busy', { fetch: async () => err(passing) }],
    [
      'the bytes stop coming',
      {
        takeIn: async () => {
          throw new FetchInterrupted(passing);
        },
      },
    ],
    ['our disk is full', { takeIn: async () => err({ code: 'STORAGE_FULL' }) }],
  ])('is tried five times when %s, each time later, and then given up', async (_, parts) => {
    const { world, video, post, attempt } = await given(parts);
    const waits: number[] = [];
    for (let tries = 0; tries < 5; tries += 1) {
      expect(await world.videos.find(video.id)).toMatchObject({ state: 'IMPORTING' });
      await attempt();
      const next = await world.videos.earliestImport();
      if (next === undefined) break;
      waits.push((next.getTime() - world.clock.now().getTime()) / 1000);
      expect(await attempt()).toBe(false);
      world.clock.set(next);
    }
    expect(waits).toEqual([5, 20, 80, 320]);
    expect(await world.videos.find(video.id)).toMatchObject({
      state: 'REJECTED',
      findings: [{ code: 'VIDEO_FETCH_FAILED' }],
    });
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'FAILED' });
  });

  it('stores nothing when another worker has taken over', async () => {
    const { world, video, attempt } = await given({
      takeIn: async (importing) => {
        world.clock.advance(61);
        await world.videos.claimImports({ owner: 'other', limit: 1, leaseSeconds: 60 });
        return ok(aReadyVideo({ id: importing.id }));
      },
    });
    await attempt();
    expect(await world.videos.find(video.id)).toMatchObject({ state: 'IMPORTING' });
    expect(world.doorbell.rings).toBe(0);
  });

  it('leaves a failure of ours to the end of the lease', async () => {
    const { world, video, attempt } = await given({
      takeIn: async () => {
        throw new Error('a bug');
      },
    });
    await expect(attempt()).rejects.toThrow('a bug');
    expect(await world.videos.find(video.id)).toMatchObject({ state: 'IMPORTING' });
    expect(await world.videos.earliestImport()).toEqual(later(60));
  });

  it('that ends its worker again and again rests longer each time, and is set aside', async () => {
    const { world, video, post, attempt } = await given();
    const waits: number[] = [];
    let workers = 0;
    /** The worker that takes it next ends over it. */
    const die = async () => {
      workers += 1;
      await world.videos.claimImports({ owner: `dead ${workers}`, limit: 1, leaseSeconds: 60 });
      world.clock.advance(61);
    };
    await die();
    await die();
    for (let lapses = 3; lapses < MAX_LAPSES; lapses += 1) {
      await die();
      expect(await attempt()).toBe(true);
      const next = await world.videos.earliestImport();
      if (next === undefined) throw new Error('nothing is due any more');
      waits.push((next.getTime() - world.clock.now().getTime()) / 1000);
      world.clock.set(next);
    }
    expect(waits).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11].map((lapses) => restSeconds(lapses, 60)));
    expect(waits.toSorted((left, right) => left - right)).toEqual(waits);
    expect(await world.videos.find(video.id)).toMatchObject({ state: 'IMPORTING' });

    await die();
    await attempt();
    expect(await world.videos.find(video.id)).toMatchObject({
      state: 'REJECTED',
      findings: [{ code: 'VIDEO_FETCH_FAILED', observed: '12 tries in a row that did not end' }],
    });
    expect(world.metrics.reports).toContainEqual(['setAside', 'VIDEO']);
    await world.workUntilQuiet();
    expect(await world.post(post.id)).toMatchObject({ state: 'FAILED' });
  });

  it('that was cut off because the process stops is due at once for the next one', async () => {
    const { world, video, attempt, shift } = await given({
      takeIn: async () => {
        shift.abort(new Error('the process stops'));
        throw new Error('the process stops');
      },
    });
    await attempt();
    expect(await world.videos.find(video.id)).toMatchObject({ state: 'IMPORTING' });
    expect(await world.videos.claimImports({ owner: 'next', limit: 1, leaseSeconds: 60 })).toMatchObject([
      { failures: 0, lapses: 0 },
    ]);
  });

  it('logs no address: it may hold secrets', async () => {
    const { world, attempt } = await given({ fetch: async () => err(passing) });
    await attempt();
    expect(world.log.lines).toHaveLength(1);
    expect(JSON.stringify(world.log.lines)).not.toContain('media.example');
  });
});
