import { Code, ConnectError } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import type { PostEvent } from '../../../src/application/ports/post-events.ts';
import { ok } from '../../../src/domain/result.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { rpcServers } from '../../support/rpc-servers.ts';
import { type Answer, enveloped, everythingIn, exchange, messagesOf } from '../../support/wire.ts';
import { aPlan } from './examples.ts';
import { fakeNeeds } from './fake-needs.ts';

const running: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of running.splice(0)) await one.close();
});

const CANARIES = [
  'select secret_column',
  '/srv/connector/src/adapters',
  'act.canary-token-7f3a',
  'db-primary.internal',
  'x-canary',
] as const;
const INSIDES = `${CANARIES[0]} from credential at ${CANARIES[1]}/x.ts with ${CANARIES[2]} on ${CANARIES[3]}:5432`;

const foreign = Object.assign(new Error(INSIDES), { code: 'ECONNREFUSED', headers: { 'x-canary': INSIDES } });

/** As they come up from libraries, and from whoever wraps them. */
const FAILURES: readonly (readonly [string, () => unknown])[] = [
  ['an error', () => foreign],
  ['an error of an error', () => new Error('outer', { cause: foreign })],
  ['several errors', () => new AggregateError([foreign], INSIDES)],
  ['something that is no error', () => INSIDES],
  ['ConnectError.from a foreign error', () => ConnectError.from(foreign)],
  ['ConnectError.from one, with a code of the caller’s', () => ConnectError.from(foreign, Code.InvalidArgument)],
  ['a ConnectError that a client of ours was given', () => wireError()],
  ['a ConnectError with metadata', () => new ConnectError('x', Code.NotFound, { 'x-canary': INSIDES })],
];

function wireError(): ConnectError {
  const error = new ConnectError(INSIDES, Code.PermissionDenied);
  error.details = [{ type: 'google.rpc.DebugInfo', value: Buffer.from(INSIDES) }];
  return error;
}

const PROTOCOLS = {
  gRPC: { unary: 'application/grpc', stream: 'application/grpc' },
  'gRPC-Web': { unary: 'application/grpc-web', stream: 'application/grpc-web' },
  Connect: { unary: 'application/json', stream: 'application/connect+json' },
} as const;
type Protocol = keyof typeof PROTOCOLS;

const event: PostEvent = {
  step: { post: { ...aPlan(), state: 'SCHEDULED' } },
  eventTime: new Date('2026-03-01T12:00:00Z'),
  cursor: 'c1',
};

/** What fails where: a use case, a stream before and after its first event, an upload. */
const PLACES = {
  GetPost: (fail) => ({ getPost: () => fail() }),
  WatchPosts: (fail) => ({ watchPosts: () => fail() }),
  'WatchPosts, opened': (fail) => ({
    watchPosts: async () =>
      ok(
        (async function* () {
          yield event;
          await fail();
        })(),
      ),
  }),
  UploadVideo: (fail) => ({ uploadVideo: () => fail() }),
} satisfies Record<string, (fail: () => Promise<never>) => Parameters<typeof fakeNeeds>[0]>;
type Place = keyof typeof PLACES;

function ask(address: string, protocol: Protocol, place: Place): Promise<Answer> {
  const [method = ''] = place.split(',');
  const service = method === 'UploadVideo' ? 'VideoService' : 'PostService';
  const unary = method === 'GetPost';
  const contentType = PROTOCOLS[protocol][unary ? 'unary' : 'stream'];
  const json = {
    GetPost: '{"postId":"p"}',
    WatchPosts: '{"workspaceId":"ws_a"}',
    UploadVideo: '{"metadata":{"workspaceId":"ws_a"}}',
  }[method];
  const binary = {
    GetPost: Buffer.from([10, 1, 112]),
    WatchPosts: Buffer.from([10, 4, ...Buffer.from('ws_a')]),
    UploadVideo: Buffer.from([10, 6, 10, 4, ...Buffer.from('ws_a')]),
  }[method];
  const message = Buffer.from((contentType.includes('json') ? json : binary) ?? '');
  return exchange(address, {
    path: `/glowtify.tiktok.v1.${service}/${method}`,
    headers: { 'content-type': contentType, te: 'trailers' },
    body: protocol === 'Connect' && unary ? message : enveloped(message),
  });
}

/** The status that the caller sees, whatever the protocol. */
function codeOf(answer: Answer, protocol: Protocol): string {
  if (protocol === 'gRPC') return String({ ...answer.headers, ...answer.trailers }['grpc-status']);
  if (protocol === 'Connect' && answer.status !== 200) return JSON.parse(answer.body.toString()).code;
  const last = messagesOf(answer.body).at(-1)?.data.toString() ?? '';
  if (protocol === 'Connect') return JSON.parse(last).error.code;
  return /^grpc-status: (\d+)/im.exec(last)?.[1] ?? String(answer.headers['grpc-status']);
}

describe.each(Object.keys(PLACES) as Place[])('RPC-09 what fails in %s', (place) => {
  it.each(
    (Object.keys(PROTOCOLS) as Protocol[]).flatMap((protocol) =>
      FAILURES.map(([what, make]) => [protocol, what, make] as const),
    ),
  )('RPC-09 leaves over %s without its insides: %s', async (protocol, _, make) => {
    const log = recordingLog();
    const servers = await rpcServers(
      fakeNeeds(
        PLACES[place](() => Promise.reject(make())),
        { log },
      ),
    );
    running.push(servers);
    const answer = await ask(servers.rpc, protocol, place);
    const all = everythingIn(answer);

    expect(codeOf(answer, protocol)).toBe(protocol === 'Connect' ? 'internal' : '13');
    for (const canary of CANARIES) expect(all).not.toContain(canary);
    const incidents = log.lines.map(({ fields }) => ('incidentId' in fields ? String(fields.incidentId) : 'none'));
    expect(incidents).toHaveLength(1);
    expect(all).toContain(incidents[0]);
    // Nothing is lost by it: whoever reads the log has all of it.
    expect(log.lines).toMatchObject([{ level: 'error', message: 'an RPC failed' }]);
  });
});

it('RPC-09 says of a failed answer what the snapshot says, and no more', async () => {
  const servers = await rpcServers(fakeNeeds({ getPost: () => Promise.reject(ConnectError.from(foreign)) }));
  running.push(servers);
  const answer = await ask(servers.rpc, 'Connect', 'GetPost');
  const { details, ...body } = JSON.parse(
    answer.body.toString().replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID'),
  );
  expect(body).toEqual({
    code: 'internal',
    message: 'Something went wrong in this service. Report it with the incident id ID.',
  });
  expect(details.map(({ type }: { type: string }) => type)).toEqual([
    'google.rpc.ErrorInfo',
    'google.rpc.LocalizedMessage',
  ]);
  expect(Object.keys(answer.headers).sort()).toEqual([':status', 'content-length', 'content-type', 'date']);
});
