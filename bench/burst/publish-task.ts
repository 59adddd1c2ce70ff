import { fileURLToPath } from 'node:url';
import { DEFAULT_CAPACITY } from '../../src/application/run-engine.ts';
import type { SandboxProcess } from '../support/sandbox-process.ts';
import type { PublishTask } from './publishing.ts';
import { captionOf, VIDEO } from './sample.ts';

/** So many posts of so many new accounts, as many at once as the service takes. */
export async function publishTask(needs: {
  readonly sandbox: SandboxProcess;
  readonly posts: number;
  readonly accounts: number;
}): Promise<PublishTask> {
  const accounts = await needs.sandbox.addAccounts(needs.accounts);
  return {
    origin: needs.sandbox.origin,
    posts: Array.from({ length: needs.posts }, (_, index) => ({
      accessToken: accounts[index % accounts.length]?.tokens.access_token ?? '',
      caption: captionOf(index),
    })),
    videoFile: fileURLToPath(VIDEO),
    postsAtOnce: DEFAULT_CAPACITY.posts,
    uploadsAtOnce: DEFAULT_CAPACITY.smallUploads,
  };
}
