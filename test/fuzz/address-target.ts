import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { isIP, type Socket } from 'node:net';
import { guardedVideoFetcher } from '../../src/adapters/video-fetcher/guarded-video-fetcher.ts';
import { Finding, type Target } from './target.ts';

const SEEDS = [
  'https://media.example.com/videos/summer.mp4?token=a#part',
  'https://127.0.0.1/video.mp4',
  'https://[::ffff:169.254.169.254]/latest/meta-data/',
  'https://user:pass@0x7f.1:8443/',
  'http://metadata.google.internal/computeMetadata/v1/',
  'https://2130706433/',
  'https://[64:ff9b::7f00:1]/',
  'file:///etc/passwd',
];

/** Addresses through the guard, with a resolver that says "this machine": nothing is ever dialled. */
export async function addressTarget(): Promise<Target> {
  const fetcher = guardedVideoFetcher({
    resolve: (_hostname, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
  });
  const dialled: string[] = [];
  const watch = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    socket.on('connectionAttempt', (address: string) => dialled.push(address));
  };
  subscribe('net.client.socket', watch);
  return {
    name: 'address',
    seeds: SEEDS.map((seed) => Buffer.from(seed)),
    async run(input) {
      const uri = input.subarray(0, 3_000).toString('utf8');
      const refused = fetcher.check(uri).length > 0;
      // A public address is dialled as it is: that is for others to test.
      const host = URL.parse(uri)?.hostname.replace(/^\[|\]$/g, '') ?? '';
      if (!refused && isIP(host) !== 0) return;
      const answer = await fetcher.fetch(uri, { maxBytes: 1 });
      if (answer.ok || answer.error.code !== 'URI_NOT_ALLOWED') throw new Finding(`it was fetched: ${uri}`);
      if (dialled.length > 0) throw new Finding(`${dialled.splice(0)} was dialled for ${uri}`);
    },
    async [Symbol.asyncDispose]() {
      unsubscribe('net.client.socket', watch);
      await fetcher[Symbol.asyncDispose]();
    },
  };
}
