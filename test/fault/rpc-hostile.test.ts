import { randomBytes } from 'node:crypto';
import { watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { percentile } from '../support/crowds.ts';
import { type GrpcClients, grpcClients, refusalOf } from '../support/grpc-client.ts';
import { watchMemory } from '../support/process-memory.ts';
import {
  call,
  ERROR,
  envelope,
  FLAG,
  FRAME,
  fields,
  frame,
  goawayCode,
  isGoaway,
  isResetOf,
  number32,
  type RawHttp2,
  rawHttp2,
  reset,
  settings,
} from '../support/raw-http2.ts';
import { realService, type ServiceProcess, type Surroundings } from '../support/service-process.ts';
import { upload, WORKSPACE } from '../support/story.ts';
import { type Answer, enveloped, exchange, messagesOf, unpacked } from '../support/wire.ts';

const surroundings = realService();
const onLinux = process.platform === 'linux';

const MIB = 2 ** 20;
const GET_POST = '/glowtify.tiktok.v1.PostService/GetPost';
const WATCH = '/glowtify.tiktok.v1.PostService/WatchPosts';
const UPLOAD = '/glowtify.tiktok.v1.VideoService/UploadVideo';

let world: Surroundings;
let service: ServiceProcess;
let rpc: string;

beforeAll(async () => {
  world = await surroundings();
  service = await world.start();
  rpc = `127.0.0.1:${service.environment['RPC_PORT']}`;
  await upload(service.clients);
});

/** As many bytes of nothing as `count` times 16 MiB, in a thousandth of them. */
const bombOf = (count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => gzipSync(Buffer.alloc(16 * MIB))));

/** Somebody else's calls, one after the other, on a connection of their own. Gives how long each took when told to stop. */
function bystander(clients: GrpcClients): () => Promise<readonly number[]> {
  let going = true;
  const times: number[] = [];
  const done = (async () => {
    while (going) {
      const began = performance.now();
      const { code } = await refusalOf(
        clients.posts.GetPost({ post_id: 'post_of_nobody' }, { deadlineMilliseconds: 20_000 }),
      );
      expect(code).toBe(5);
      times.push(performance.now() - began);
    }
  })();
  return async () => {
    going = false;
    await done;
    return times;
  };
}

/** The service goes on as if nothing had been: others were served meanwhile, new ones are, and nobody had to restart it. */
async function withoutHarm(attack: () => Promise<void>, { growthMib = 160 } = {}): Promise<void> {
  const others = grpcClients(rpc);
  const stop = bystander(others);
  const growth = onLinux ? await watchMemory(service.pid) : undefined;
  const times = await attack().then(stop, async (error) => {
    await stop();
    throw error;
  });
  others.close();
  const grown = (await growth?.()) ?? 0;
  console.info(
    `${times.length} calls of others, p99 ${percentile(times, 99).toFixed(1)} ms; memory +${(grown / MIB).toFixed(1)} MiB`,
  );
  expect(times.length).toBeGreaterThan(0);
  expect(grown).toBeLessThan(growthMib * MIB);
  expect((await refusalOf(service.clients.posts.GetPost({ post_id: 'post_of_nobody' }))).code).toBe(5);
  expect(service.log().filter(({ level }) => Number(level) >= 40)).toEqual([]);
}

describe('RPC-02 a bomb of 900 MiB in 900 KiB', () => {
  const bomb = bombOf(56);

  const statusOf = ({ status, headers, trailers, body }: Answer): string =>
    trailers['grpc-status'] ??
    headers['grpc-status'] ??
    (status === 200 ? (/^grpc-status: (\d+)/m.exec(messagesOf(body).at(-1)?.data.toString() ?? '')?.[1] ?? 'OK') : '');

  it.each<[string, string, Readonly<Record<string, string>>, Buffer]>([
    [
      'gRPC',
      GET_POST,
      { 'content-type': 'application/grpc', 'grpc-encoding': 'gzip', te: 'trailers' },
      enveloped(bomb, 1),
    ],
    ['gRPC-Web', GET_POST, { 'content-type': 'application/grpc-web', 'grpc-encoding': 'gzip' }, enveloped(bomb, 1)],
    ['Connect', GET_POST, { 'content-type': 'application/json', 'content-encoding': 'gzip' }, bomb],
    [
      'Connect, streamed',
      WATCH,
      { 'content-type': 'application/connect+json', 'connect-content-encoding': 'gzip' },
      enveloped(bomb, 1),
    ],
    [
      'gRPC, as an upload',
      UPLOAD,
      { 'content-type': 'application/grpc', 'grpc-encoding': 'gzip', te: 'trailers' },
      enveloped(bomb, 1),
    ],
  ])('RPC-02 is refused over %s before it is unpacked, twenty times at once', async (_, path, headers, body) => {
    expect(56 * 16 * MIB).toBeGreaterThan(1000 * bomb.length);
    await withoutHarm(async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => exchange(rpc, { path, headers, body })));
      for (const answer of answers) {
        const said = unpacked(answer).toString();
        expect(statusOf(answer) === '8' || said.includes('resource_exhausted')).toBe(true);
      }
    });
  });

  it('RPC-02 in brotli, which nobody here unpacks, is refused unread', async () => {
    const answer = await exchange(rpc, {
      path: GET_POST,
      headers: { 'content-type': 'application/grpc', 'grpc-encoding': 'br', te: 'trailers' },
      body: enveloped(randomBytes(1000), 1),
    });
    expect({ ...answer.headers, ...answer.trailers }).toMatchObject({
      'grpc-status': '12',
      'grpc-message': 'unknown compression "br": supported encodings are gzip',
    });
  });
});

describe('RPC-04 rapid reset', () => {
  it('RPC-04 closes the connection that calls and takes back 5,000 times, and no other', async () => {
    await withoutHarm(
      async () => {
        const raw = await rawHttp2(rpc);
        for (let number = 0; number < 5_000; number += 1) {
          const id = 2 * number + 1;
          raw.send(frame(FRAME.HEADERS, FLAG.END_HEADERS, id, call(GET_POST)), reset(id));
          await raw.flushed();
        }
        expect([ERROR.ENHANCE_YOUR_CALM, ERROR.INTERNAL_ERROR]).toContain(goawayCode(await raw.seen(isGoaway)));
        await raw.closed;
        // A thousand calls are begun before it is too much: what they leave behind takes a moment to be collected.
      },
      { growthMib: 256 },
    );
  });

  it('RPC-04 lets a client that takes back a few calls go on', async () => {
    const raw = await rawHttp2(rpc);
    for (let number = 0; number < 500; number += 1) {
      const id = 2 * number + 1;
      raw.send(frame(FRAME.HEADERS, FLAG.END_HEADERS, id, call(GET_POST)), reset(id));
    }
    raw.send(
      frame(FRAME.HEADERS, FLAG.END_HEADERS, 1001, call(GET_POST)),
      frame(FRAME.DATA, FLAG.END_STREAM, 1001, envelope(Buffer.from([10, 1, 97]))),
    );
    await raw.seen(({ type, streamId }) => type === FRAME.HEADERS && streamId === 1001);
    expect(raw.frames().filter(isGoaway)).toEqual([]);
    raw.close();
  });
});

describe('RPC-05 frames against the rules', () => {
  /** 100 watches, all of them open. */
  async function full(raw: RawHttp2): Promise<void> {
    for (let number = 0; number < 100; number += 1) open(raw, 2 * number + 1);
    for (let number = 0; number < 100; number += 1) await opened(raw, 2 * number + 1);
  }

  const open = (raw: RawHttp2, id: number) =>
    raw.send(
      frame(FRAME.HEADERS, FLAG.END_HEADERS, id, call(WATCH)),
      frame(FRAME.DATA, FLAG.END_STREAM, id, envelope(Buffer.from([10, 4, ...Buffer.from(WORKSPACE)]))),
    );
  const opened = (raw: RawHttp2, id: number) =>
    raw.seen(({ type, streamId }) => type === FRAME.HEADERS && streamId === id);

  it('RPC-05 refuses more than 100 calls at once, and these go on', async () => {
    const raw = await rawHttp2(rpc, { mute: true }); // may not have heard of the limit
    await full(raw);
    raw.send(frame(FRAME.HEADERS, FLAG.END_HEADERS, 201, call(WATCH)));
    expect((await raw.seen(isResetOf(201))).payload.readUInt32BE()).toBe(ERROR.REFUSED_STREAM);
    raw.send(reset(1));
    open(raw, 203);
    await opened(raw, 203);
    raw.close();
  });

  it('RPC-05 ends a connection that knows the limit of 100 calls at once and makes more', async () => {
    await withoutHarm(async () => {
      const raw = await rawHttp2(rpc);
      await full(raw);
      open(raw, 201);
      expect(goawayCode(await raw.seen(isGoaway))).toBe(ERROR.PROTOCOL_ERROR);
      await raw.closed;
    });
  });

  /** Sent as fast as they are taken, so many at once, until the connection is closed or all are sent. */
  async function flood(raw: RawHttp2, count: number, next: (number: number) => Buffer, atOnce = 1): Promise<void> {
    for (let number = 0; number < count && !raw.socket.destroyed; number += atOnce) {
      raw.send(...Array.from({ length: atOnce }, (_, at) => next(number + at)));
      await raw.flushed();
    }
  }

  const huge = fields(Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`x-header-${at}`, 'v'.repeat(100)])));

  it.each<[string, (raw: RawHttp2) => Promise<void>]>([
    [
      'CONTINUATION without an end',
      async (raw) => {
        raw.send(frame(FRAME.HEADERS, 0, 1, call(GET_POST)));
        await flood(raw, 100_000, () => frame(FRAME.CONTINUATION, 0, 1, huge));
      },
    ],
    [
      'empty CONTINUATION without an end',
      async (raw) => {
        raw.send(frame(FRAME.HEADERS, 0, 1, call(GET_POST)));
        await flood(raw, 100_000, () => frame(FRAME.CONTINUATION, 0, 1));
      },
    ],
    // As many as one look at the socket brings: who sends them one by one gets each answered, and harms nobody.
    ['settings', (raw) => flood(raw, 100_000, settings, 10_000)],
    ['pings', (raw) => flood(raw, 100_000, () => frame(FRAME.PING, 0, 0, Buffer.alloc(8)), 10_000)],
    ['a window beyond what there is', async (raw) => raw.send(frame(FRAME.WINDOW_UPDATE, 0, 0, number32(2 ** 31 - 1)))],
    ['a frame larger than was agreed', async (raw) => raw.send(frame(FRAME.DATA, 0, 1, Buffer.alloc(2 ** 20)))],
    ['frames of no call', async (raw) => raw.send(frame(FRAME.DATA, 0, 7, Buffer.alloc(10)))],
  ])('RPC-05 ends a connection that sends %s', async (_, attack) => {
    await withoutHarm(async () => {
      const raw = await rawHttp2(rpc, { mute: true });
      await attack(raw);
      await raw.closed;
      raw.close();
    });
  });

  it('RPC-05 refuses headers over 16 KiB', async () => {
    const raw = await rawHttp2(rpc);
    raw.send(
      frame(FRAME.HEADERS, 0, 1, call(GET_POST)),
      frame(FRAME.CONTINUATION, 0, 1, huge),
      frame(FRAME.CONTINUATION, FLAG.END_HEADERS, 1, huge),
    );
    expect((await raw.seen(isResetOf(1))).payload.readUInt32BE()).toBe(ERROR.ENHANCE_YOUR_CALM);
    raw.close();
  });

  it('RPC-05 refuses 20,000 calls at once without growing', async () => {
    await withoutHarm(async () => {
      const raw = await rawHttp2(rpc, { mute: true });
      const asked = flood(raw, 20_000, (number) =>
        frame(FRAME.HEADERS, FLAG.END_HEADERS, 2 * number + 1, call(UPLOAD)),
      );
      await Promise.race([asked.then(() => raw.seen(isResetOf(39_999))), raw.closed]);
      raw.close();
    });
  });
});

describe('RPC-07 an upload whose caller goes', () => {
  const partials = async (): Promise<readonly string[]> =>
    (await readdir(world.videoFolder)).filter((name) => name.includes('.partial'));

  /** Resolves when there are as many half files as wanted. */
  async function until(wanted: (names: readonly string[]) => boolean): Promise<void> {
    let changed = Promise.withResolvers<void>();
    const changes = watch(world.videoFolder, () => {
      changed.resolve();
      changed = Promise.withResolvers();
    });
    try {
      for (;;) {
        const next = changed.promise; // from before the look, so that no change after it is missed
        if (wanted(await partials())) return;
        await next;
      }
    } finally {
      changes.close();
    }
  }

  const cancelled: readonly (readonly [string, () => Promise<() => void>])[] = [
    [
      'cancels',
      async () => {
        const open = service.clients.openUpload();
        await open.send({ metadata: { workspace_id: WORKSPACE } });
        await open.send({ chunk: randomBytes(100_000) });
        return open.cancel;
      },
    ],
    [
      'dies',
      async () => {
        const raw = await rawHttp2(rpc);
        raw.send(
          frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, call(UPLOAD)),
          frame(FRAME.DATA, 0, 1, envelope(Buffer.from([10, 6, 10, 4, ...Buffer.from(WORKSPACE)]))),
          frame(FRAME.DATA, 0, 1, envelope(Buffer.from([18, 10, ...Buffer.alloc(10, 1)]))),
        );
        return () => raw.socket.resetAndDestroy();
      },
    ],
    [
      'dies over HTTP/1.1',
      async () => {
        const sent = request(`${service.httpUrl}${UPLOAD}`, {
          method: 'POST',
          headers: { 'content-type': 'application/connect+json' },
          agent: false,
        });
        sent.on('error', () => undefined);
        sent.write(enveloped(Buffer.from(JSON.stringify({ metadata: { workspaceId: WORKSPACE } }))));
        sent.write(enveloped(Buffer.from(JSON.stringify({ chunk: 'AAAA' }))));
        return () => sent.destroy();
      },
    ],
  ];

  it.each(cancelled)('RPC-07 that %s leaves no file, and its place is free again', async (_, begin) => {
    // More than may be open at once, so that a place which is not given back is missed.
    for (let round = 0; round < 3; round += 1) {
      const cancels = await Promise.all(Array.from({ length: 45 }, begin));
      await until((names) => names.length === 45);
      for (const cancel of cancels) cancel();
      await until((names) => names.length === 0);
    }
    await upload(service.clients);
    expect(service.log().filter(({ level }) => Number(level) >= 40)).toEqual([]);
  });
});
