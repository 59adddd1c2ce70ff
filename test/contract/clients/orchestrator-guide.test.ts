import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { realService } from '../../support/service-process.ts';

const path = (relative: string): string => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));
const EXAMPLE = path('clients/typescript/examples/orchestrator.ts');
const surroundings = realService();

const regionsOf = (source: string): ReadonlyMap<string, string> =>
  new Map(
    [...source.matchAll(/^\/\/ #region (\w+)\n([\s\S]*?)^\/\/ #endregion/gm)].map(([, name = '', code = '']) => [
      name,
      code.trimEnd(),
    ]),
  );

describe('docs/orchestrator.md', () => {
  it('shows the code of the example, all of it that is meant to be shown, and no other', async () => {
    const guide = await readFile(path('docs/orchestrator.md'), 'utf8');
    const regions = regionsOf(await readFile(EXAMPLE, 'utf8'));
    const shown = [...guide.matchAll(/<!-- orchestrator\.ts#(\w+) -->\n```ts\n([\s\S]*?)\n?```/g)];
    expect(new Map(shown.map(([, name = '', code = '']) => [name, code]))).toEqual(regions);
    expect(guide.match(/```ts/g)).toHaveLength(regions.size);
  });

  it('works: the job is handed over twice, goes out once, and a bad one is refused with its field', async () => {
    const world = await surroundings();
    const { environment } = await world.start();
    const address = `127.0.0.1:${environment['RPC_PORT']}`;
    const call = ['--conditions=@glowtify/source', EXAMPLE, address, path('test/fixtures/videos/vertical.mp4')];
    const { stdout } = await promisify(execFile)(process.execPath, call);
    const { accepted, again, refused, lines } = JSON.parse(stdout);
    expect(accepted).toEqual({ kind: 'ACCEPTED', postId: expect.stringMatching(/^post_/) });
    expect(again).toEqual(accepted);
    expect(refused).toMatchObject({ kind: 'REFUSED', code: 'CAPTION_TOO_LONG', fields: ['caption'] });
    expect(lines.at(-1)).toBe('On TikTok.');
    const published = world.sandbox.control.ledger().posts.map(({ title }) => title);
    expect(published).toEqual(['From the orchestrator']);
  });
});
