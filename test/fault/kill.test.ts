import { beforeAll, describe, expect, it } from 'vitest';
import type { FailPointName } from '../../src/application/ports/fail-point.ts';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { realService, type Surroundings } from '../support/service-process.ts';
import {
  aPost,
  type Connection,
  connectAccount,
  endLeases,
  postThatHurries,
  publish,
  publishedOnce,
  upload,
  uploadBytes,
  type Video,
} from '../support/story.ts';

const surroundings = realService();

let world: Surroundings;
let connection: Connection;
let small: Video;
/** In two chunks. */
let big: Video;

beforeAll(async () => {
  world = await surroundings();
  const service = await world.start();
  connection = await connectAccount({ clients: service.clients, sandbox: world.sandbox });
  world.sandbox.control.changeAccount('glow.bakery', { dailyPostCap: 1_000 });
  small = await upload(service.clients);
  big = await uploadBytes(service.clients, await bigMp4Stream(65_000_000));
  await service.kill();
});

type Case = {
  readonly at: FailPointName;
  readonly is: string;
  readonly chunks: 1 | 2;
  /** What becomes of each attempt. */
  readonly outcomes: readonly string[];
  /** How often TikTok was asked to take the post. */
  readonly inits: number;
  /** How many chunks TikTok got, over both lives. */
  readonly puts: number;
};

const cases: readonly Case[] = [
  { at: 'claimed', is: 'before anything', chunks: 1, outcomes: ['PUBLISHED'], inits: 1, puts: 1 },
  // The record can't tell these two apart, so both begin again. The address of an orphan is known to nobody.
  { at: 'intent-stored', is: 'before the init', chunks: 1, outcomes: ['ORPHANED', 'PUBLISHED'], inits: 1, puts: 1 },
  { at: 'announced', is: 'with ids unstored', chunks: 1, outcomes: ['ORPHANED', 'PUBLISHED'], inits: 2, puts: 1 },
  { at: 'ids-stored', is: 'between init and first byte', chunks: 1, outcomes: ['PUBLISHED'], inits: 1, puts: 1 },
  { at: 'chunk-sent', is: 'between two chunks', chunks: 2, outcomes: ['PUBLISHED'], inits: 1, puts: 2 },
  { at: 'chunk-stored', is: 'between two chunks', chunks: 2, outcomes: ['PUBLISHED'], inits: 1, puts: 2 },
  { at: 'finalizing-stored', is: 'before the last byte', chunks: 1, outcomes: ['PUBLISHED'], inits: 1, puts: 1 },
  { at: 'finalizing-stored', is: 'before the last byte', chunks: 2, outcomes: ['PUBLISHED'], inits: 1, puts: 2 },
  { at: 'last-byte-sent', is: 'after the last byte', chunks: 1, outcomes: ['PUBLISHED'], inits: 1, puts: 1 },
  { at: 'last-byte-sent', is: 'after the last byte', chunks: 2, outcomes: ['PUBLISHED'], inits: 1, puts: 2 },
  { at: 'processing-stored', is: 'before the first poll', chunks: 1, outcomes: ['PUBLISHED'], inits: 1, puts: 1 },
  { at: 'verdict-read', is: 'while polling', chunks: 1, outcomes: ['PUBLISHED'], inits: 1, puts: 1 },
];

describe('A service killed and started again posts once', () => {
  it.each(cases)('killed at $at, $is, in $chunks chunk(s)', async ({ at, chunks, outcomes, inits, puts }) => {
    const video = chunks === 1 ? small : big;
    const request = aPost(connection, video);
    const doomed = await world.start({ haltAt: at });
    const { post_id } = await publish(doomed.clients, request);
    await doomed.halted(at);
    await doomed.kill();
    await endLeases(world);

    const next = await world.start();
    const post = await postThatHurries({ clients: next.clients, sql: world.sql }, post_id, 'PUBLISHED');

    publishedOnce(world.sandbox, post, video);
    expect(post.attempts.map(({ outcome }) => outcome)).toEqual(outcomes.map((each) => `ATTEMPT_OUTCOME_${each}`));
    const ledger = world.sandbox.control.ledger();
    const announced = ledger.inits.filter(({ title }) => title === request.caption).map(({ publishId }) => publishId);
    expect(announced).toHaveLength(inits);
    const sent = ledger.calls.filter(
      ({ endpoint, publishId }) => endpoint === 'upload' && announced.includes(publishId ?? ''),
    );
    expect(sent).toHaveLength(puts);

    // The caller asks again, because the answer of the killed process was lost: nothing new.
    const again = await next.clients.posts.PublishPost<{ post: { post_id: string }; replayed: boolean }>(request);
    expect(again).toMatchObject({ replayed: true, post: { post_id } });
    await next.kill();
  });
});
