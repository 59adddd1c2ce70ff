import { onTestFinished } from 'vitest';
import type { Scope } from './open/vocabulary.ts';
import { type Sandbox, type SandboxOptions, startSandbox } from './sandbox.ts';

export const bakery = 'glow.bakery';
export const bakeryId = '-000SandboxGlowBakeryPublic0001';

/** Starts one for this test and closes it after. Waits are an hour long unless said: tests move the clock instead. */
export async function aSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({
    seed: 'test',
    processingMs: 3_600_000,
    postIdDelayMs: 3_600_000,
    webhookMode: 'manual',
    ...options,
  });
  onTestFinished(() => sandbox.close());
  return sandbox;
}

export type JsonAnswer = { status: number; body: Body; text: string; headers: Headers };
type Body = {
  data?: Record<string, unknown>;
  error: { code: string; message: string; log_id: string };
};

async function read(response: Response): Promise<JsonAnswer> {
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text) as Body, text, headers: response.headers };
}

export type Client = ReturnType<typeof clientOf>;

/** A caller of the JSON endpoints with a token of this account. */
export function clientOf(sandbox: Sandbox, account = bakery, scopes?: readonly Scope[]) {
  const tokens = sandbox.control.issueTokens(account, scopes);
  const authorization = `Bearer ${tokens.access_token}`;
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) =>
    read(
      await fetch(sandbox.origin + path, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json; charset=UTF-8', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    );
  return {
    tokens,
    post,
    get: async (path: string) => read(await fetch(sandbox.origin + path, { headers: { authorization } })),
    init: (post_info: object = {}, source_info: object = aSource()) =>
      post('/v2/post/publish/video/init/', { post_info: { ...aPost, ...post_info }, source_info }),
    initDraft: (source_info: object = aSource()) => post('/v2/post/publish/inbox/video/init/', { source_info }),
    creatorInfo: () => post('/v2/post/publish/creator_info/query/', {}),
    status: (publish_id: unknown) => post('/v2/post/publish/status/fetch/', { publish_id }),
    cancel: (publish_id: unknown) => post('/v2/post/publish/cancel/', { publish_id }),
    /** A small post of which all bytes have arrived. */
    async publish(post_info: object = {}, file = aFile(100)) {
      const begun = started(await this.init(post_info, aSource(file.length)));
      const answer = await put(begun.uploadUrl, file);
      if (answer.status !== 201) throw new Error(`The upload got ${answer.status}.`);
      return begun.publishId;
    },
  };
}

const aPost = { title: 'Fresh bread #glow', privacy_level: 'PUBLIC_TO_EVERYONE' };
export const aSource = (size = 100, chunk = size) => ({
  source: 'FILE_UPLOAD',
  video_size: size,
  chunk_size: chunk,
  total_chunk_count: Math.floor(size / chunk),
});

/** Starts like an MP4; what follows depends on `mark`. */
export function aFile(length: number, mark = 0): Buffer {
  const file = Buffer.alloc(length, mark);
  file.write('ftypisom', 4, 'latin1');
  return file;
}

export function started(answer: JsonAnswer): { publishId: string; uploadUrl: string } {
  if (answer.body.error.code !== 'ok') throw new Error(`The init got ${answer.text}`);
  return { publishId: String(answer.body.data?.['publish_id']), uploadUrl: String(answer.body.data?.['upload_url']) };
}

/** Sends bytes of `file`, all unless said. */
export async function put(
  uploadUrl: string,
  file: Buffer,
  {
    first = 0,
    last = file.length - 1,
    headers = {},
  }: { first?: number; last?: number; headers?: Record<string, string> } = {},
) {
  const response = await fetch(uploadUrl, {
    method: 'PUT',
    headers: { 'content-type': 'video/mp4', 'content-range': `bytes ${first}-${last}/${file.length}`, ...headers },
    body: new Uint8Array(file.subarray(first, last + 1)),
  });
  const text = await response.text();
  return { status: response.status, progress: response.headers.get('content-range'), text };
}

export type OAuthAnswer = { status: number; body: Record<string, unknown> };

/** `undefined` leaves a field out. */
export async function postForm(
  sandbox: Sandbox,
  path: string,
  fields: Record<string, string | undefined>,
): Promise<OAuthAnswer> {
  const all = { client_key: sandbox.clientKey, client_secret: sandbox.clientSecret, ...fields };
  const form = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  const response = await fetch(sandbox.origin + path, {
    method: 'POST',
    body: new URLSearchParams(Object.fromEntries(form)),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

export const refresh = (sandbox: Sandbox, refresh_token: string) =>
  postForm(sandbox, '/v2/oauth/token/', { grant_type: 'refresh_token', refresh_token });
