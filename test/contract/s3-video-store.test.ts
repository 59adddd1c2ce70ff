import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type S3Limits, type S3Place, s3VideoStore } from '../../src/adapters/video-store/s3-video-store.ts';
import { type SweptVideoStore, VideoStoreDown } from '../../src/application/ports/video-store.ts';
import { readConfig } from '../../src/config.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { collect, inChunks } from '../support/fixture-videos.ts';
import { BUCKET, CREDENTIALS, type Fault, type Operation, type S3Server, s3Server } from '../support/s3-server.ts';
import { videoStoreContract } from './video-store.contract.ts';

const ID = 'vid_01' as VideoId;
const MIB = 2 ** 20;
const PART = 5 * MIB;
const ROOMY = { maxBytes: 100 * MIB };
const BIG = randomBytes(12 * MIB + 345);
const OTHER = randomBytes(9 * MIB);
const DAY = 24 * 3_600_000;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let server: S3Server;
beforeAll(async () => {
  server = await s3Server();
});
afterAll(() => server.close());
beforeEach(() => {
  server.heal();
  for (const [name, value] of Object.entries(CREDENTIALS)) vi.stubEnv(name, value);
});

const place = (): S3Place => ({
  bucket: BUCKET,
  prefix: `${randomUUID()}/`,
  region: 'us-east-1',
  endpoint: server.url,
  pathStyle: true,
});
const PATIENT: S3Limits = { connect: 5_000, idle: 20_000, tries: 3 };
function storeAt(at = place(), limits = PATIENT): SweptVideoStore {
  const store = s3VideoStore(at, limits);
  onTestFinished(() => store.close?.());
  return store;
}

videoStoreContract('S3', async () => storeAt());

/** Such as `s3://bucket?endpoint=http://127.0.0.1:9000&region=us-east-1&path_style=1`, with AWS_… set: a bucket for tests only. */
const realUrl = process.env['S3_TEST_URL'];
if (realUrl === undefined)
  describe.skip('VideoStore, as the S3 of S3_TEST_URL', () => it('is the same', () => undefined));
else {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
  const given = readConfig({ VIDEO_STORE: realUrl }).videoStore;
  if (given.kind !== 'S3') throw new Error('S3_TEST_URL is no s3: address');
  const real = () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', AWS_ACCESS_KEY_ID);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', AWS_SECRET_ACCESS_KEY);
    return storeAt({ ...given, prefix: `${given.prefix}${randomUUID()}/` });
  };
  videoStoreContract('the S3 of S3_TEST_URL', async () => real());
  describe('the S3 of S3_TEST_URL', () => {
    it('takes a video in parts, whole or not at all, and gives its ranges', async () => {
      const store = real();
      await expectWhole(store, BIG);
      expect(await store.put(ID, inChunks(OTHER, MIB), { maxBytes: 8 * MIB })).toMatchObject({ ok: false });
      expect(await store.reading(ID).digest()).toBe(sha256(BIG));
      expect(await store.sweep()).toBe(0);
      await store.delete(ID);
    });
  });
}

async function expectWhole(store: SweptVideoStore, video: Buffer): Promise<void> {
  expect(await store.put(ID, inChunks(video, 700_000), ROOMY)).toEqual({
    ok: true,
    value: { sizeBytes: video.length, sha256: sha256(video) },
  });
  expect((await collect(store.read(ID))).equals(video)).toBe(true);
  expect(await store.reading(ID).digest()).toBe(sha256(video));
  const [start, endExclusive] = [1_234_567, video.length - 1];
  const range = await collect(store.read(ID, { start, endExclusive }));
  expect(range.equals(video.subarray(start, endExclusive))).toBe(true);
  await using file = await store.open(ID);
  for (const [from, to] of [
    [0, 10],
    [5, 300_000],
    [video.length - 10, video.length],
    [video.length - 5, video.length - 1],
    [100, video.length],
  ] as const) {
    expect(Buffer.from((await file?.readAt(from, to)) ?? []).equals(video.subarray(from, to))).toBe(true);
  }
}

/** Leaves an upload behind, as a process that dies does. */
async function leaveAnUpload(store: SweptVideoStore, id = ID): Promise<void> {
  server.fail('AbortMultipartUpload', { status: 403, code: 'AccessDenied' });
  async function* dying() {
    yield BIG;
    throw new Error('the process ended');
  }
  await expect(store.put(id, dying(), ROOMY)).rejects.toThrow('the process ended');
}

describe('a video in S3', () => {
  it.each([
    [1, 0],
    [PART - 1, 0],
    [PART, 0],
    [PART + 1, 2],
    [2 * PART, 2],
    [2 * PART + 1, 3],
    [BIG.length, 3],
  ])('of %i bytes is stored in %i parts, none of them empty', async (size, parts) => {
    const store = storeAt();
    const before = server.asked.length;
    const video = BIG.subarray(0, size);
    expect(await store.put(ID, inChunks(video, MIB), ROOMY)).toMatchObject({ ok: true });
    expect(server.asked.slice(before).filter((each) => each === 'UploadPart')).toHaveLength(parts);
    expect((await collect(store.read(ID))).equals(video)).toBe(true);
  });

  it('is read and judged in pieces', () => expectWhole(storeAt(), BIG));

  it('is asked for no further while a part of it is under way', async () => {
    const before = server.asked.length;
    const parts = () => server.asked.slice(before).filter((each) => each === 'UploadPart').length;
    const seen: number[] = [];
    async function* source() {
      for (let index = 0; index < 16; index += 1) {
        seen.push(parts());
        yield BIG.subarray(0, MIB);
      }
    }
    await storeAt().put(ID, source(), ROOMY);
    expect(seen).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
  });

  it('leaves nothing when it is refused or its source throws in the middle', async () => {
    const store = storeAt();
    const refused = await store.put(ID, inChunks(BIG, MIB), { maxBytes: 11 * MIB });
    expect(refused).toMatchObject({ ok: false, error: { code: 'TOO_LARGE' } });
    const mismatch = await store.put(ID, inChunks(BIG, MIB), { ...ROOMY, expectedSha256: sha256(OTHER) });
    expect(mismatch).toMatchObject({ ok: false, error: { code: 'CHECKSUM_MISMATCH' } });
    async function* breaking() {
      yield BIG;
      throw new Error('hung up');
    }
    await expect(store.put(ID, breaking(), ROOMY)).rejects.toThrow('hung up');
    expect([...server.uploads]).toEqual([]);
    expect(await store.size(ID)).toBeUndefined();
  });

  it('gives no bytes of another one when it is replaced or deleted while it is read', async () => {
    const store = storeAt();
    await store.put(ID, inChunks(BIG, MIB), ROOMY);
    await using file = await store.open(ID);
    const reading = store.read(ID)[Symbol.asyncIterator]();
    await reading.next();
    await store.put(ID, inChunks(OTHER, MIB), ROOMY);
    await expect(reading.next()).rejects.toThrow('replaced');
    await expect(file?.readAt(6 * MIB, 7 * MIB)).rejects.toThrow('replaced');
    await using second = await store.open(ID);
    await store.delete(ID);
    await expect(second?.readAt(6 * MIB, 7 * MIB)).rejects.toThrow();
  });

  it.each(['../escape', 'a/b', '', 'vid.partial', 'vid\0'])('is never named %j', async (id) => {
    const store = storeAt();
    await expect(store.put(id as VideoId, inChunks(Buffer.from('bytes')), ROOMY)).rejects.toThrow('must consist');
    await expect(store.delete(id as VideoId)).rejects.toThrow('must consist');
  });

  it('is listed however many there are, and nothing else that is in the bucket', async () => {
    const at = place();
    const store = storeAt(at);
    const ids = ['vid_1', 'vid_2', 'vid_3', 'vid_4', 'vid_5'] as VideoId[];
    for (const id of ids) await store.put(id, inChunks(Buffer.from(id)), ROOMY);
    await storeAt().put(ID, inChunks(Buffer.from('of another prefix')), ROOMY);
    await storeAt({ ...at, prefix: `${at.prefix}below/` }).put(ID, inChunks(Buffer.from('below')), ROOMY);
    expect((await Array.fromAsync(store.storedBefore(new Date(Date.now() + DAY)))).toSorted()).toEqual(ids);
  });
});

describe('an S3 that fails', () => {
  it('once is asked again', async () => {
    const store = storeAt();
    const once: readonly (readonly [Operation, Fault])[] = [
      ['CreateMultipartUpload', { status: 503, code: 'SlowDown' }],
      ['UploadPart', { status: 500, code: 'InternalError' }],
      ['UploadPart', 'ANSWER_LOST'],
      ['GetObject', 'ANSWER_LOST'],
    ];
    for (const [operation, fault] of once) server.fail(operation, fault);
    await store.put(ID, inChunks(BIG, MIB), ROOMY);
    expect((await collect(store.read(ID))).equals(BIG)).toBe(true);
  });

  it('to say that the video is whole is asked whether it is', async () => {
    const store = storeAt();
    server.fail('CompleteMultipartUpload', 'ANSWER_LOST');
    expect(await store.put(ID, inChunks(BIG, MIB), ROOMY)).toMatchObject({ ok: true });
    expect(await store.reading(ID).digest()).toBe(sha256(BIG));
  });

  it('because the upload is gone has not stored the video, whatever else is there', async () => {
    const store = storeAt();
    await store.put(ID, inChunks(OTHER, MIB), ROOMY);
    server.fail('CompleteMultipartUpload', { status: 404, code: 'NoSuchUpload' });
    await expect(store.put(ID, inChunks(BIG, MIB), ROOMY)).rejects.toThrow('NoSuchUpload');
    expect(await store.reading(ID).digest()).toBe(sha256(OTHER));
  });

  it.each<[string, Fault]>([
    ['breaks off', 'ANSWER_CUT'],
    ['stands still', 'ANSWER_STALLS'],
  ])('in the middle of a video, where it %s, is asked for that piece again', async (_, fault) => {
    const at = place();
    await storeAt(at).put(ID, inChunks(BIG, MIB), ROOMY);
    const store = storeAt(at, { ...PATIENT, idle: 1_500 });
    server.fail('GetObject', fault, 2);
    expect((await collect(store.read(ID))).equals(BIG)).toBe(true);
    server.fail('GetObject', fault, 3);
    await expect(collect(store.read(ID))).rejects.toBeInstanceOf(VideoStoreDown);
  });

  it.each([
    ['once for a short video', 100_000, 1],
    ['once more for one that is too long to be kept', 300_000, 2],
  ])('is asked %s that is summed up and then sent', async (_, length, asked) => {
    const store = storeAt();
    await store.put(ID, inChunks(BIG.subarray(0, length)), ROOMY);
    const before = server.asked.length;
    const reading = store.reading(ID);
    await reading.digest();
    expect((await collect(reading.bytes({ start: 0, endExclusive: length }))).length).toBe(length);
    expect(server.asked.slice(before)).toEqual(Array(asked).fill('GetObject'));
  });

  it('while a video is summed up is asked again only for what was not given away before', async () => {
    const store = storeAt();
    await store.put(ID, inChunks(BIG, MIB), ROOMY);
    const reading = store.reading(ID);
    await collect(reading.bytes({ start: 0, endExclusive: BIG.length - MIB }));
    server.fail('GetObject', 'ANSWER_CUT', 3);
    await expect(reading.digest()).rejects.toBeInstanceOf(VideoStoreDown);
    const before = server.asked.length;
    expect(await reading.digest()).toBe(sha256(BIG));
    expect(server.asked.slice(before)).toEqual(['GetObject']);
  });

  it.each<[string, Operation, (store: SweptVideoStore) => Promise<unknown>]>([
    ['put', 'PutObject', (store) => store.put(ID, inChunks(Buffer.from('bytes')), ROOMY)],
    ['put in parts', 'UploadPart', (store) => store.put(ID, inChunks(BIG, MIB), ROOMY)],
    ['read', 'GetObject', (store) => collect(store.read(ID))],
    ['open', 'GetObject', (store) => store.open(ID)],
    ['digest', 'GetObject', (store) => store.reading(ID).digest()],
    ['size', 'GetObject', (store) => store.size(ID)],
    ['storedBefore', 'ListObjectsV2', (store) => Array.fromAsync(store.storedBefore(new Date()))],
    ['delete', 'DeleteObject', (store) => store.delete(ID)],
    ['sweep', 'ListMultipartUploads', (store) => store.sweep()],
  ])('for good is said to be down, and not that there is no video: %s', async (_, operation, call) => {
    server.fail(operation, { status: 503, code: 'ServiceUnavailable' }, 3);
    await expect(call(storeAt())).rejects.toBeInstanceOf(VideoStoreDown);
    server.fail(operation, 'NO_ANSWER', 3);
    await expect(call(storeAt(place(), { ...PATIENT, idle: 300 }))).rejects.toBeInstanceOf(VideoStoreDown);
    const nowhere = storeAt({ ...place(), endpoint: 'http://127.0.0.1:1' });
    await expect(call(nowhere)).rejects.toBeInstanceOf(VideoStoreDown);
  });

  it.each<[string, Fault]>([
    ['507', { status: 507, code: 'InsufficientStorage' }],
    ['a quota', { status: 403, code: 'QuotaExceeded' }],
    ["MinIO's quota", { status: 400, code: 'XMinioAdminBucketQuotaExceeded' }],
  ])('because it is full says so, by %s, and keeps nothing', async (_, fault) => {
    const store = storeAt();
    for (const operation of ['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'] as const) {
      server.fail(operation, fault);
      expect(await store.put(ID, inChunks(BIG, MIB), ROOMY)).toEqual({ ok: false, error: { code: 'NO_SPACE' } });
    }
    server.fail('PutObject', fault);
    const small = await store.put(ID, inChunks(Buffer.from('bytes')), ROOMY);
    expect(small).toEqual({ ok: false, error: { code: 'NO_SPACE' } });
    expect([...server.uploads]).toEqual([]);
    expect(await store.size(ID)).toBeUndefined();
  });

  it('because of a setting is no passing failure, and no missing video', async () => {
    const elsewhere = storeAt({ ...place(), bucket: 'nowhere' });
    for (const call of [() => elsewhere.size(ID), () => elsewhere.open(ID), () => elsewhere.sweep()]) {
      await expect(call()).rejects.toMatchObject({ name: 'NoSuchBucket' });
    }
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'somebody');
    await expect(storeAt().size(ID)).rejects.toMatchObject({ name: 'AccessDenied' });
  });
});

describe('sweep', () => {
  it('ends the uploads that began a day ago, of this store only', async () => {
    onTestFinished(() => server.setTime(undefined));
    const at = place();
    const store = storeAt(at);
    await leaveAnUpload(store, 'vid_young' as VideoId);
    server.setTime(new Date(Date.now() - DAY - 60_000));
    for (const id of ['vid_1', 'vid_2', 'vid_3'] as VideoId[]) await leaveAnUpload(store, id);
    await leaveAnUpload(storeAt(), 'vid_elsewhere' as VideoId);
    await leaveAnUpload(storeAt({ ...at, prefix: `${at.prefix}below/` }), 'vid_below' as VideoId);

    expect(await store.sweep()).toBe(3);
    const left = [...server.uploads.values()].map(({ key }) => key.split('/').at(-1));
    expect(left.toSorted()).toEqual(['vid_below', 'vid_elsewhere', 'vid_young']);
    expect(await store.sweep()).toBe(0);
  });
});
