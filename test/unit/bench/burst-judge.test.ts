import { expect, it } from 'vitest';
import { judge } from '../../../bench/burst/judge.ts';
import { captionOf } from '../../../bench/burst/sample.ts';
import type { Ledger } from '../../../sandbox/ledger.ts';
import { aSandbox, clientOf } from '../../../sandbox/test-client.ts';

const POSTS = 3;

/** What a sandbox saw when these titles were posted to it. */
async function ledgerOf(titles: readonly string[]): Promise<Ledger> {
  const sandbox = await aSandbox({ processingMs: 0 });
  const client = clientOf(sandbox);
  for (const title of titles) await client.publish({ title });
  return sandbox.control.waitUntil((ledger) => ledger.posts.length === titles.length && ledger);
}

const all = Array.from({ length: POSTS }, (_, index) => captionOf(index));

it('finds nothing wrong with each post once, and tells when they were announced', async () => {
  const before = Date.now();
  const seen = judge(await ledgerOf(all), POSTS);
  expect(seen).toMatchObject({ calls: 6, failures: [] });
  expect(seen.firstInitTime).toBeGreaterThanOrEqual(before);
  expect(seen.lastInitTime).toBeGreaterThanOrEqual(seen.firstInitTime);
});

it.each([
  [
    'a post that is missing',
    all.slice(1),
    ['1 posts never came to be, such as "Burst 0"', '2 posts were announced instead of 3'],
  ],
  [
    'a post that came twice',
    [...all, captionOf(1)],
    [
      '1 posts came to be twice, such as "Burst 1"',
      'the sandbox counts 1 duplicates',
      '4 posts were announced instead of 3',
    ],
  ],
  [
    'a post that nobody asked for',
    [...all, 'else'],
    ['1 posts are there that nobody asked for', '4 posts were announced instead of 3'],
  ],
])('finds %s', async (_, titles, failures) => {
  expect(judge(await ledgerOf(titles), POSTS).failures).toEqual(failures);
});

it('finds an announcement that never became a post', async () => {
  const ledger = await ledgerOf(all);
  const [first] = ledger.inits;
  if (first === undefined) throw new Error('no init');
  expect(judge({ ...ledger, inits: [...ledger.inits, first] }, POSTS).failures).toEqual([
    '4 posts were announced instead of 3',
  ]);
});

it('finds calls that were refused or broken off', async () => {
  const sandbox = await aSandbox({ processingMs: 0 });
  const client = clientOf(sandbox);
  for (const title of all) await client.publish({ title });
  sandbox.control.addFault({ endpoint: 'status', kind: 'error', code: 'internal_error' });
  await client.status('none');
  sandbox.control.addFault({ endpoint: 'creator_info', kind: 'drop_before' });
  await client.creatorInfo().catch(() => undefined);
  const ledger = await sandbox.control.waitUntil((seen) => seen.posts.length === POSTS && seen.callCount === 8 && seen);
  expect(judge(ledger, POSTS).failures).toEqual([
    '1 calls of status: 500 internal_error',
    '1 calls of creator_info: null null',
  ]);
});
