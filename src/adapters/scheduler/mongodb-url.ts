import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

/** What is wrong with an address, in words that hold nothing of its user and password. Undefined: it can be used. */
export function mongodbUrlProblem(url: string): string | undefined {
  // Only who names a MongoDB has its driver loaded: that takes 6 MB, and a tenth of a second of each start.
  const { MongoClient } = load('mongodb') as typeof import('mongodb');
  try {
    new MongoClient(url);
    return undefined;
  } catch (error) {
    const [, secrets = ''] = /^[^/]*\/\/(.*)@/.exec(url) ?? [];
    const said = error instanceof Error ? error.message : '';
    const tells = secrets.split(/[:@]/).some((secret) => secret !== '' && said.includes(secret));
    return said === '' || tells ? 'it can not be read' : said;
  }
}
