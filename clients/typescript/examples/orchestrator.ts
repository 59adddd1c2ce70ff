/**
 * The TikTok part of an orchestrator, as docs/orchestrator.md explains it. Runs against a service with a sandbox:
 * node --conditions=@glowtify/source clients/typescript/examples/orchestrator.ts HOST:PORT VIDEO
 */
// #region imports
import { type ConnectorClient, connectorClient, requestId } from '@glowtify/tiktok-connector-client';
import { ConnectorError } from '@glowtify/tiktok-connector-client/errors';
import { type Post, PostState, PrivacyLevel } from '@glowtify/tiktok-connector-client/proto/post_pb';

// #endregion

// #region connect
/** Where to send the person's browser. TikTok sends it back to the connector, and the connector to `returnUri`. */
export async function startConnecting(client: ConnectorClient, workspaceId: string, returnUri: string): Promise<URL> {
  const { authorizeUri } = await client.connections.startConnection({ workspaceId, returnUri });
  return new URL(authorizeUri);
}
// #endregion

// #region publish
/** What the orchestrator keeps of a post that is to go out on TikTok. */
export type Job = {
  readonly id: string;
  readonly workspaceId: string;
  readonly connectionId: string;
  readonly videoId: string;
  readonly caption: string;
  readonly privacyLevel: PrivacyLevel;
};

export type Outcome =
  | { readonly kind: 'ACCEPTED'; readonly postId: string }
  /** Nobody will publish this as it is: show `text` to the person. */
  | { readonly kind: 'REFUSED'; readonly code: string; readonly text: string; readonly fields: readonly string[] }
  /** Call again later, with the same job. */
  | { readonly kind: 'LATER'; readonly afterMilliseconds: number };

/** Hands the job over. May be called again for the same job at any time: it makes one post. */
export async function handOver(client: ConnectorClient, job: Job): Promise<Outcome> {
  try {
    const { post } = await client.posts.publishPost({
      workspaceId: job.workspaceId,
      connectionId: job.connectionId,
      requestId: requestId(job.id),
      destination: 'tiktok',
      caption: job.caption,
      video: { case: 'videoId', value: job.videoId },
      settings: { privacyLevel: job.privacyLevel },
      externalRef: job.id,
    });
    if (post === undefined) throw new Error('an answer without a post');
    return { kind: 'ACCEPTED', postId: post.postId };
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    if (error.retryable) return { kind: 'LATER', afterMilliseconds: error.retryDelayMilliseconds ?? 60_000 };
    if (error.reason === undefined) throw error; // no answer of the connector: a wrong address or certificate, say
    const fields = error.fieldViolations.map(({ field }) => field);
    return { kind: 'REFUSED', code: error.reason, text: error.userMessage, fields };
  }
}
// #endregion

// #region follow
/** What the orchestrator stores for each workspace: how its jobs stand, and up to where it has read. */
export interface Progress {
  /** Empty at first. */
  readonly resumeToken: string;
  /** Stores both at once. The same change may come twice. */
  store(post: Post, resumeToken: string): Promise<void>;
}

/** Follows every post of a workspace, through broken connections and restarts of either side, until `signal` is aborted. */
export async function follow(
  client: ConnectorClient,
  workspaceId: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { resumeToken } = progress;
  for await (const step of client.watchPosts({ workspaceId, resumeToken }, { signal })) {
    if (step.kind === 'EVENT') {
      const { post, resumeToken: token } = step.event;
      if (post !== undefined) await progress.store(post, token);
      continue;
    }
    // Nothing was read before: how things stand now. What changes from here on comes as events.
    for (let pageToken = ''; ; ) {
      const page = await client.posts.listPosts({ workspaceId, pageSize: 500, pageToken });
      for (const post of page.posts) await progress.store(post, '');
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
    }
  }
}
// #endregion

// #region tell
/** One line for the person whose job it is. */
export function lineFor({ state, hold, error, shareUri }: Post): string {
  switch (state) {
    case PostState.PREPARING:
    case PostState.SCHEDULED:
    case PostState.PUBLISHING:
      return 'On its way.';
    case PostState.PUBLISHED:
      return shareUri === '' ? 'On TikTok.' : `On TikTok: ${shareUri}`;
    case PostState.IN_CREATOR_INBOX:
      return 'In the TikTok inbox: finish it in the app.';
    case PostState.HELD:
      return `It waits${hold?.releaseTime === undefined ? '' : ' and goes on by itself'}. ${error?.message ?? ''} ${error?.remedy ?? ''}`.trim();
    case PostState.FAILED:
      return `${error?.message ?? 'It failed.'} ${error?.remedy ?? ''}`.trim();
    case PostState.UNCONFIRMED:
      return 'TikTok did not say whether it is there. Look at the account before you try again.';
    case PostState.CANCELLED:
      return 'Cancelled.';
    case PostState.UNSPECIFIED:
      return 'Unknown.';
  }
}
// #endregion

const [address, video] = process.argv.slice(2);
if (address === undefined || video === undefined) throw new Error('HOST:PORT and the path of a video are missing');
const workspaceId = 'ws_orchestrator';

// #region client
const credential = process.env['CONNECTOR_CREDENTIAL'];
const client = connectorClient({
  address,
  ...(credential === undefined ? {} : { credential }), // with tls: { ca } where the connector is on another machine
});
// #endregion

// In the sandbox a script agrees in place of the person.
const authorizeUri = await startConnecting(client, workspaceId, 'http://127.0.0.1:9/done');
authorizeUri.searchParams.set('auto_consent', 'glow.bakery');
for (let at = authorizeUri.href; !at.startsWith('http://127.0.0.1:9/'); ) {
  const { headers, status } = await fetch(at, { redirect: 'manual' });
  at = headers.get('location') ?? (await Promise.reject(new Error(`${new URL(at).pathname} answered ${status}`)));
}
const { connections } = await client.connections.listConnections({ workspaceId });
const connectionId = connections[0]?.connectionId;
if (connectionId === undefined) throw new Error('no account is connected');

// #region upload
const { videoId } = await client.uploadVideo(video, { workspaceId });
// #endregion

const job = {
  id: 'job-1',
  workspaceId,
  connectionId,
  videoId,
  caption: 'From the orchestrator',
  privacyLevel: PrivacyLevel.SELF_ONLY,
};
const lines: string[] = [];
const ended = new AbortController();
const following = follow(
  client,
  workspaceId,
  {
    resumeToken: '',
    async store(post) {
      const line = lineFor(post);
      if (lines.at(-1) !== line) lines.push(line);
      if (post.state === PostState.PUBLISHED || post.state === PostState.FAILED) ended.abort();
    },
  },
  ended.signal,
);
const accepted = await handOver(client, job);
const again = await handOver(client, job);
const refused = await handOver(client, { ...job, id: 'job-2', caption: 'x'.repeat(2_201) });
await following;
console.log(JSON.stringify({ accepted, again, refused, lines }));
client.close();
