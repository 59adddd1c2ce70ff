import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/application/ports/clock.ts';
import type { Posts } from '../../../src/application/ports/posts.ts';
import type { ImportLease, Videos } from '../../../src/application/ports/videos.ts';
import type { VideoId, WorkspaceId } from '../../../src/domain/ids.ts';
import type { Post } from '../../../src/domain/post/post.ts';
import { err, ok } from '../../../src/domain/result.ts';
import { reject, type Video } from '../../../src/domain/video/video.ts';
import {
  aCancelledPost,
  aFailedPost,
  aFinalizingPost,
  aFinding,
  aHeldPost,
  anImportingVideo,
  anInitializingPost,
  anUnconfirmedPost,
  anUploadingPost,
  aPostInTheInbox,
  aPreparingPost,
  aProcessingPost,
  aPublishedPost,
  aReadyVideo,
  aRejectedVideo,
  aRequest,
  aScheduledPost,
  aSpec,
  ids,
  later,
  OTHER_WORKSPACE,
  WORKSPACE,
} from '../../support/builders.ts';

export type VideoStores = {
  readonly videos: Videos;
  /** Of the same store: a video that a post needs stays. */
  readonly posts: Posts;
  /** The store's own time, roughly: leases and due times are measured in it. */
  readonly clock: Clock;
};

/** What every store of videos does. `make` gives an empty one. */
export function videosContract(name: string, make: () => Promise<VideoStores>): void {
  const claim = { owner: 'worker', limit: 10, leaseSeconds: 60 };

  async function claimOne(videos: Videos, leaseSeconds = 60, owner = 'worker'): Promise<ImportLease> {
    const [lease] = await videos.claimImports({ owner, limit: 1, leaseSeconds });
    if (lease === undefined) throw new Error('no import was due');
    return lease;
  }

  describe(`Videos, as ${name}`, () => {
    const noSound = (): Video => {
      const { audioCodec: _, ...spec } = aSpec();
      return aRejectedVideo({ spec, sizeBytes: 1, sha256: '00'.repeat(32) });
    };

    it.each<[string, () => Video]>([
      ['ready', () => aReadyVideo()],
      [
        'ready, with warnings, a name and a size beyond 32 bits',
        () =>
          aReadyVideo({
            fileName: 'Sömmer 🌞 "1".mp4',
            sizeBytes: 4_294_967_296,
            spec: aSpec({ rotation: 270, frameRate: 30_000 / 1001, container: 'mov' }),
            findings: [aFinding({ severity: 'WARNING' }), aFinding({ code: 'VIDEO_NOT_VERTICAL' })],
            createTime: new Date('2026-11-22T10:00:00.789Z'),
          }),
      ],
      ['rejected before a byte came', () => aRejectedVideo({ sourceUri: 'https://media.example/?token=a' })],
      ['rejected for its sound', noSound],
    ])('stores one that is %s and gives it back', async (_, build) => {
      const { videos } = await make();
      const video = build();
      await videos.add(video);
      expect(await videos.find(video.id)).toEqual(video);
    });

    it('gives out copies: nobody changes what is stored by accident', async () => {
      const { videos } = await make();
      const video = aReadyVideo();
      await videos.add(video);
      (await videos.find(video.id))?.createTime.setTime(0);
      expect(await videos.find(video.id)).toEqual(video);
    });

    it.each(['', 'nonsense', 'vid_1', 'vid_\0'])('finds nothing under %j', async (id) => {
      const { videos } = await make();
      expect(await videos.find(id as VideoId)).toBeUndefined();
      expect(await videos.find(id as VideoId, WORKSPACE)).toBeUndefined();
    });

    it('finds it in its own workspace only', async () => {
      const { videos } = await make();
      const video = aReadyVideo();
      await videos.add(video);
      expect(await videos.find(video.id, WORKSPACE)).toEqual(video);
      expect(await videos.find(video.id, OTHER_WORKSPACE)).toBeUndefined();
    });

    it('lists the newest first, in pages, of the wanted states and one workspace', async () => {
      const { videos } = await make();
      const stored = [aReadyVideo(), aRejectedVideo(), aReadyVideo(), aRejectedVideo(), aReadyVideo()];
      for (const video of stored) await videos.add(video);
      await videos.add(aReadyVideo({ workspaceId: OTHER_WORKSPACE }));
      const importing = anImportingVideo();
      await videos.addImport(importing, aRequest());
      const newestFirst: readonly Video[] = [importing, ...stored.toReversed()];

      expect(await pages(videos, WORKSPACE, [], 4)).toEqual([newestFirst.slice(0, 4), newestFirst.slice(4)]);
      expect(await pages(videos, WORKSPACE, [], 6)).toEqual([newestFirst]);
      expect(await pages(videos, WORKSPACE, ['READY'], 2)).toEqual([[stored[4], stored[2]], [stored[0]]]);
      expect(await pages(videos, WORKSPACE, ['IMPORTING', 'REJECTED'], 9)).toEqual([[importing, stored[3], stored[1]]]);
      expect(await pages(videos, 'ws_none' as WorkspaceId, [], 1)).toEqual([[]]);
    });

    describe('room in a workspace (MED-02)', () => {
      const ofBytes = (sizeBytes: number) => aReadyVideo({ sizeBytes });

      it('is what its ready videos leave of it', async () => {
        const { videos } = await make();
        expect(await videos.usedBytes(WORKSPACE)).toBe(0);
        const first = ofBytes(4_294_967_296);
        await videos.add(first);
        await videos.add(aRejectedVideo({ sizeBytes: 7 }));
        await videos.add(aReadyVideo({ workspaceId: OTHER_WORKSPACE, sizeBytes: 5 }));
        expect(await videos.usedBytes(WORKSPACE)).toBe(4_294_967_296);
        await videos.remove(first.id);
        expect(await videos.usedBytes(WORKSPACE)).toBe(0);
      });

      it('is used up to the last byte, and not one more', async () => {
        const { videos } = await make();
        expect(await videos.add(ofBytes(60), 100)).toEqual(ok(undefined));
        const tooMuch = ofBytes(41);
        expect(await videos.add(tooMuch, 100)).toEqual(
          err({ code: 'WORKSPACE_QUOTA_EXCEEDED', usedBytes: 60, limitBytes: 100 }),
        );
        expect(await videos.find(tooMuch.id)).toBeUndefined();
        expect(await videos.add(ofBytes(40), 100)).toEqual(ok(undefined));
        expect(await videos.add(aReadyVideo({ workspaceId: OTHER_WORKSPACE, sizeBytes: 100 }), 100)).toEqual(
          ok(undefined),
        );
      });

      it('is not given twice when twenty come at once', async () => {
        const { videos } = await make();
        const outcomes = await Promise.all(Array.from({ length: 20 }, () => videos.add(ofBytes(30), 100)));
        expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(3);
        expect(await videos.usedBytes(WORKSPACE)).toBe(90);
      });

      it('counts for an import when it ends, and it is held on to when it does not fit', async () => {
        const { videos } = await make();
        await videos.add(ofBytes(60));
        const video = anImportingVideo();
        await videos.addImport(video, aRequest());
        const lease = await claimOne(videos);
        const full = { code: 'WORKSPACE_QUOTA_EXCEEDED', usedBytes: 60, limitBytes: 100 };
        expect(await videos.finishImport(lease, aReadyVideo({ id: video.id, sizeBytes: 41 }), 100)).toEqual(full);
        expect(await videos.find(video.id)).toEqual(video);
        expect(await videos.finishImport(lease, aReadyVideo({ id: video.id, sizeBytes: 40 }), 100)).toBe(true);
      });
    });

    describe('an import', () => {
      it('is stored, and given back for the same request', async () => {
        const { videos } = await make();
        const key = aRequest();
        const first = anImportingVideo();
        expect(await videos.addImport(first, key)).toEqual(ok({ video: first, replayed: false }));
        expect(await videos.find(first.id)).toEqual(first);
        const again = anImportingVideo();
        expect(await videos.addImport(again, key)).toEqual(ok({ video: first, replayed: true }));
        expect(await videos.find(again.id)).toBeUndefined();
      });

      it('is refused for the same request id with another payload', async () => {
        const { videos } = await make();
        const key = aRequest();
        await videos.addImport(anImportingVideo(), key);
        const other = anImportingVideo();
        const outcome = await videos.addImport(other, { ...key, payloadHash: 'other' });
        expect(outcome).toEqual(err({ code: 'REQUEST_ID_REUSED', requestId: key.requestId }));
        expect(await videos.find(other.id)).toBeUndefined();
      });

      it('knows requests by workspace', async () => {
        const { videos } = await make();
        const key = aRequest();
        await videos.addImport(anImportingVideo(), key);
        const elsewhere = anImportingVideo({ workspaceId: OTHER_WORKSPACE });
        expect(await videos.addImport(elsewhere, key)).toEqual(ok({ video: elsewhere, replayed: false }));
      });

      it('is one when twenty ask at once', async () => {
        const { videos } = await make();
        const key = aRequest();
        const outcomes = await Promise.all(Array.from({ length: 20 }, () => videos.addImport(anImportingVideo(), key)));
        const made = outcomes.map((outcome) => (outcome.ok ? outcome.value : undefined));
        expect(made.filter((one) => one?.replayed === false)).toHaveLength(1);
        expect(new Set(made.map((one) => one?.video.id)).size).toBe(1);
      });

      it('is due at once, and claimed by one', async () => {
        const { videos, clock } = await make();
        expect(await videos.earliestImport()).toBeUndefined();
        const video = anImportingVideo();
        await videos.addImport(video, aRequest());
        expect(await videos.earliestImport()).toSatisfy((time: Date) => time <= later(1, clock.now()));
        const claims = await Promise.all(
          Array.from({ length: 10 }, (_, index) => videos.claimImports({ ...claim, owner: `w${index}` })),
        );
        expect(claims.flat()).toEqual([
          { video, owner: expect.any(String), fence: expect.any(Number), failures: 0, lapses: 0, lapsed: false },
        ]);
        expect(await videos.earliestImport()).toSatisfy((time: Date) => time > later(30, clock.now()));
      });

      it('is claimed up to the limit', async () => {
        const { videos } = await make();
        for (let index = 0; index < 3; index += 1) await videos.addImport(anImportingVideo(), aRequest());
        expect(await videos.claimImports({ ...claim, limit: 2 })).toHaveLength(2);
        expect(await videos.claimImports({ ...claim, limit: 2 })).toHaveLength(1);
      });

      it('comes due again when its worker died, and the dead one stores nothing more', async () => {
        const { videos } = await make();
        const video = anImportingVideo();
        await videos.addImport(video, aRequest());
        const dead = await claimOne(videos, 0, 'dead');
        const alive = await claimOne(videos, 60, 'alive');
        expect(alive.fence).toBeGreaterThan(dead.fence);

        expect(await videos.finishImport(dead, reject(video, aFinding()))).toBe(false);
        expect(await videos.renewImport(dead, 60)).toBe(false);
        await videos.postponeImport(dead, 0);
        expect(await videos.find(video.id)).toEqual(video);
        expect(await videos.claimImports(claim)).toEqual([]);
        expect(await videos.renewImport(alive, 60)).toBe(true);
      });

      it('is held as long as it is renewed', async () => {
        const { videos } = await make();
        await videos.addImport(anImportingVideo(), aRequest());
        const lease = await claimOne(videos, 0);
        expect(await videos.renewImport(lease, 60)).toBe(true);
        expect(await videos.claimImports(claim)).toEqual([]);
      });

      it.each<[string, (video: Video) => Video]>([
        ['ready', ({ id, sourceUri = '' }) => aReadyVideo({ id, sourceUri, sizeBytes: 4_294_967_296 })],
        ['rejected', ({ id, sourceUri = '' }) => aRejectedVideo({ id, sourceUri, spec: aSpec(), sizeBytes: 5 })],
        ['rejected before a byte came', ({ id, sourceUri = '' }) => aRejectedVideo({ id, sourceUri })],
      ])('ends as %s, and is never due again', async (_, end) => {
        const { videos } = await make();
        const video = anImportingVideo();
        await videos.addImport(video, aRequest());
        const lease = await claimOne(videos, 0);
        const ended = end(video);
        expect(await videos.finishImport(lease, ended)).toBe(true);
        expect(await videos.find(video.id)).toEqual(ended);
        expect(await videos.earliestImport()).toBeUndefined();
        expect(await videos.claimImports(claim)).toEqual([]);
        expect(await videos.finishImport(lease, video)).toBe(false);
      });

      it('is tried again after a pause, with one failure more on its count', async () => {
        const { videos, clock } = await make();
        await videos.addImport(anImportingVideo(), aRequest());
        await videos.postponeImport(await claimOne(videos), 0);
        const second = await claimOne(videos);
        expect(second.failures).toBe(1);
        await videos.postponeImport(second, 3600);
        expect(await videos.claimImports(claim)).toEqual([]);
        expect(await videos.earliestImport()).toSatisfy((time: Date) => time > later(3000, clock.now()));
        expect(await videos.renewImport(second, 60)).toBe(false);
      });

      it('that ends its workers is told from one that fails, and a failure ends the count', async () => {
        const { videos } = await make();
        await videos.addImport(anImportingVideo(), aRequest());
        for (const lapses of [0, 1, 2, 3]) {
          expect(await claimOne(videos, 0, `dead ${lapses}`)).toMatchObject({
            failures: 0,
            lapses,
            lapsed: lapses > 0,
          });
        }
        const lease = await claimOne(videos);
        expect(lease).toMatchObject({ failures: 0, lapses: 4, lapsed: true });
        await videos.postponeImport(lease, 0);
        expect(await claimOne(videos)).toMatchObject({ failures: 1, lapses: 0, lapsed: false });
      });

      it('rests, and is as suspect as before', async () => {
        const { videos, clock } = await make();
        await videos.addImport(anImportingVideo(), aRequest());
        for (let lapses = 0; lapses < 3; lapses += 1) await claimOne(videos, 0);
        const lease = await claimOne(videos);
        await videos.restImport(lease, 3600);
        expect(await videos.claimImports(claim)).toEqual([]);
        expect(await videos.earliestImport()).toSatisfy((time: Date) => time > later(3000, clock.now()));
        expect(await videos.renewImport(lease, 60)).toBe(false);
      });

      it('is tried after its rest as if nothing had ended just now', async () => {
        const { videos } = await make();
        await videos.addImport(anImportingVideo(), aRequest());
        for (let lapses = 0; lapses < 3; lapses += 1) await claimOne(videos, 0);
        await videos.restImport(await claimOne(videos), 0);
        expect(await claimOne(videos)).toMatchObject({ lapses: 3, lapsed: false });
      });

      it('that was cut off is due at once, and no suspect', async () => {
        const { videos } = await make();
        await videos.addImport(anImportingVideo(), aRequest());
        for (let lapses = 0; lapses < 3; lapses += 1) await claimOne(videos, 0);
        await videos.releaseImport(await claimOne(videos));
        expect(await claimOne(videos)).toMatchObject({ failures: 0, lapses: 0, lapsed: false });
      });

      it('that is suspect is held by a worker one at a time, while others are taken', async () => {
        const { videos } = await make();
        for (let index = 0; index < 2; index += 1) await videos.addImport(anImportingVideo(), aRequest());
        for (let lapses = 0; lapses < 3; lapses += 1) await videos.claimImports({ ...claim, leaseSeconds: 0 });
        // One of the two suspects at a time since the third of them.
        await videos.claimImports({ ...claim, leaseSeconds: 0 });
        const innocent = anImportingVideo();
        await videos.addImport(innocent, aRequest());
        const taken = await videos.claimImports(claim);
        expect(taken.map(({ lapses }) => lapses >= 2).toSorted()).toEqual([false, true]);
        expect(taken.map(({ video }) => video)).toContainEqual(innocent);
        expect(await videos.claimImports(claim)).toEqual([]);
        expect(await videos.earliestImport()).toBeDefined();
        expect(await videos.claimImports({ ...claim, owner: 'another' })).toHaveLength(1);
      });

      it('is given back, as it is now, for the same request', async () => {
        const { videos } = await make();
        const key = aRequest();
        const video = anImportingVideo();
        await videos.addImport(video, key);
        const ready = aReadyVideo({ id: video.id });
        await videos.finishImport(await claimOne(videos), ready);
        expect(await videos.addImport(anImportingVideo(), key)).toMatchObject(
          ok({ video: { id: video.id, state: 'READY' }, replayed: true }),
        );
      });

      it('ends without a trace when its video was removed', async () => {
        const { videos } = await make();
        const video = anImportingVideo();
        await videos.addImport(video, aRequest());
        const lease = await claimOne(videos, 0);
        expect(await videos.remove(video.id)).toBe('REMOVED');
        expect(await videos.finishImport(lease, aReadyVideo({ id: video.id }))).toBe(false);
        expect(await videos.find(video.id)).toBeUndefined();
        expect(await videos.claimImports(claim)).toEqual([]);
      });
    });

    describe('removing', () => {
      it('removes the record', async () => {
        const { videos } = await make();
        const video = aReadyVideo();
        await videos.add(video);
        expect(await videos.remove(video.id, WORKSPACE)).toBe('REMOVED');
        expect(await videos.find(video.id)).toBeUndefined();
        expect(await videos.remove(video.id, WORKSPACE)).toBe('NOT_FOUND');
      });

      it('does not find one of another workspace, and leaves it there', async () => {
        const { videos } = await make();
        const video = aReadyVideo();
        await videos.add(video);
        expect(await videos.remove(video.id, OTHER_WORKSPACE)).toBe('NOT_FOUND');
        expect(await videos.remove(ids.videoId())).toBe('NOT_FOUND');
        expect(await videos.find(video.id)).toEqual(video);
      });

      const needing: readonly ((parts: { videoId: VideoId }) => Post)[] = [
        aPreparingPost,
        aScheduledPost,
        anInitializingPost,
        anUploadingPost,
        aFinalizingPost,
        aProcessingPost,
        aHeldPost,
      ];
      const done: readonly ((parts: { videoId: VideoId }) => Post)[] = [
        aPublishedPost,
        aPostInTheInbox,
        aFailedPost,
        anUnconfirmedPost,
        aCancelledPost,
      ];
      const named = (builders: typeof needing) =>
        builders.map((build) => {
          const post = build({ videoId: ids.videoId() });
          return [post.state === 'PUBLISHING' ? post.phase : post.state, build] as const;
        });

      it.each(named(needing))('keeps a video that a post needs which is %s', async (_, build) => {
        const { videos, posts } = await make();
        const video = aReadyVideo();
        await videos.add(video);
        await posts.add({ post: build({ videoId: video.id }) }, aRequest());
        expect(await videos.remove(video.id)).toBe('IN_USE');
        expect(await videos.find(video.id)).toEqual(video);
      });

      it.each(named(done))('removes a video when the only post with it is %s', async (_, build) => {
        const { videos, posts } = await make();
        const video = aReadyVideo();
        await videos.add(video);
        const post = build({ videoId: video.id });
        await posts.add({ post }, aRequest());
        expect(await videos.remove(video.id)).toBe('REMOVED');
        expect((await posts.find(post.id))?.post.id).toBe(post.id);
      });

      it('never leaves a post without its video, when both come at once', async () => {
        const { videos, posts } = await make();
        for (let round = 0; round < 10; round += 1) {
          const video = aReadyVideo();
          await videos.add(video);
          const [added, removed] = await Promise.all([
            posts.add({ post: aScheduledPost({ videoId: video.id }) }, aRequest()),
            videos.remove(video.id),
          ]);
          expect(removed).toBe(added.ok ? 'IN_USE' : 'REMOVED');
        }
      });
    });
  });
}

async function pages(
  videos: Videos,
  workspaceId: WorkspaceId,
  states: readonly Video['state'][],
  size: number,
): Promise<readonly (readonly Video[])[]> {
  const all: (readonly Video[])[] = [];
  let after: string | undefined;
  do {
    const page = await videos.list({ workspaceId, states }, after === undefined ? { size } : { size, after });
    all.push(page.items);
    after = page.next;
  } while (after !== undefined);
  return all;
}
