import { status } from '@grpc/grpc-js';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { errorDetails, type GrpcClients } from './grpc-client.ts';
import {
  aPost,
  type Connection,
  connectNewAccount,
  type Post,
  type PostEvent,
  publish,
  refused,
  timestamp,
  unique,
  upload,
  type Video,
} from './story.ts';

/** What a test asks with, made while all was well. */
export type Things = {
  readonly connection: Connection;
  readonly video: Video;
  readonly post: Post;
  /** Of a watch: something came after it. */
  readonly resumeToken: string;
  /** Brings an authorization that a person agreed to, once. `through`: a process other than the first one. */
  consent(through?: GrpcClients): Promise<Consent>;
};

type Consent = { readonly state: string; readonly code: string };
type Story = { readonly clients: GrpcClients; readonly sandbox: Sandbox };

/** Due in no test. */
export const MUCH_LATER = timestamp(new Date(Date.now() + 300 * 86_400_000));

export async function thingsToAskFor({ clients, sandbox }: Story): Promise<Things> {
  const connection = await connectNewAccount({ clients, sandbox });
  const video = await upload(clients);
  const post = await publish(clients, { ...aPost(connection, video), schedule_time: MUCH_LATER });
  const watch = await clients.watch({ workspace_id: connection.workspace_id });
  for (let changes = 0; changes < 2; changes += 1)
    await publish(clients, { ...aPost(connection, video), schedule_time: MUCH_LATER });
  const { event } = await watch.next<{ event: PostEvent }>();
  watch.cancel();
  return {
    connection,
    video,
    post,
    resumeToken: event.resume_token,
    async consent(through = clients) {
      const username = unique('consent').replaceAll('-', '.');
      sandbox.control.addAccount({ username });
      const { authorize_uri } = await through.connections.StartConnection<{ authorize_uri: string }>({
        workspace_id: connection.workspace_id,
      });
      return sandbox.control.consent({ authorizeUri: authorize_uri, account: username });
    },
  };
}

/** How a call of each kind is answered: `OK`, or the name of gRPC's code and the reason. */
export type Answers = Readonly<Record<Kind, string>>;
export type Kind = 'read' | 'publish' | 'upload' | 'begin' | 'connect' | 'ask TikTok' | 'watch' | 'numbers';

export const EACH_KIND: readonly Kind[] = [
  'read',
  'publish',
  'upload',
  'begin',
  'connect',
  'ask TikTok',
  'watch',
  'numbers',
];

/** Nobody waits longer: a call that its caller's deadline ends has no reason, and fails the test. */
const DEADLINE = { deadlineMilliseconds: 25_000 };

/** All at once. What a refusal has to have, such as its remedy, is checked. */
export async function answersTo(
  { clients }: Pick<Story, 'clients'>,
  { connection, video, post, resumeToken }: Things,
  consent: Consent,
  kinds: readonly Kind[] = EACH_KIND,
): Promise<Answers> {
  const { connection_id, workspace_id } = connection;
  const calls: Readonly<Record<Kind, () => Promise<unknown>>> = {
    read: () => clients.posts.GetPost({ post_id: post.post_id }, DEADLINE),
    publish: () => clients.posts.PublishPost({ ...aPost(connection, video), schedule_time: MUCH_LATER }, DEADLINE),
    upload: () => upload(clients),
    begin: () => clients.connections.StartConnection({ workspace_id }, DEADLINE),
    connect: () => clients.connections.CompleteConnection(consent, DEADLINE),
    'ask TikTok': () => clients.connections.GetPublishingCapabilities({ connection_id }, DEADLINE),
    watch: async () => {
      const watch = await clients.watch({ workspace_id, resume_token: resumeToken }, DEADLINE);
      await watch.next();
      watch.cancel();
    },
    numbers: () => clients.analytics.GetAccountMetrics({ connection_id }, DEADLINE),
  };
  const answers = await Promise.all(kinds.map(async (kind) => [kind, await answerTo(calls[kind]())] as const));
  return Object.fromEntries(answers) as Answers;
}

export const allAnswer = (answer: string): Answers =>
  Object.fromEntries(EACH_KIND.map((kind) => [kind, answer])) as Answers;

/** `OK`, or the name of gRPC's code and the reason. */
export async function answerTo(call: Promise<unknown>): Promise<string> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (outcome === undefined) return 'OK';
  if (errorDetails(outcome.error).errorInfos.length === 0) return String(outcome.error); // its caller ended it
  const { code, reason, errorInfos } = await refused(Promise.reject(outcome.error));
  if (!errorInfos[0]?.metadata['remedy']) throw new Error(`${reason} says no remedy`);
  return `${status[code]} ${reason}`;
}
