import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('corpus', import.meta.url));

export type Kept = { readonly file: string; readonly input: Buffer };

/** What was found once, and has been in order since. */
export async function corpusOf(target: string): Promise<readonly Kept[]> {
  const folder = join(FOLDER, target);
  const names = await readdir(folder).catch(() => []);
  return Promise.all(names.toSorted().map(async (file) => ({ file, input: await readFile(join(folder, file)) })));
}

/** For `npm test` to try again. Gives the file's name. */
export async function keep(target: string, input: Buffer): Promise<string> {
  const folder = join(FOLDER, target);
  await mkdir(folder, { recursive: true });
  const file = join(folder, createHash('sha256').update(input).digest('hex').slice(0, 16));
  await writeFile(file, input);
  return file;
}
