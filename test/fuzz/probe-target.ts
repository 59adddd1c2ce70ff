import { defaultProbeLimits, mediabunnyVideoProbe } from '../../src/adapters/video-probe/mediabunny-video-probe.ts';
import { fixtureVideo, inMemory } from '../support/fixture-videos.ts';
import { Finding, type Target } from './target.ts';

/** The thread that reads a file may take a moment to start, on a machine that does other things as well. */
const GRACE_MILLISECONDS = 10_000;
const FIXTURES = ['vertical.mp4', 'fragmented.mp4', 'index-at-end.mp4', 'vertical.mov', 'vertical.webm', 'vp8.webm'];

/** Files through the probe: each gets a verdict, within its limits. */
export async function probeTarget(): Promise<Target> {
  const probe = mediabunnyVideoProbe();
  return {
    name: 'probe',
    seeds: await Promise.all(FIXTURES.map(fixtureVideo)),
    async run(input) {
      const began = performance.now();
      const verdict = await probe.probe(inMemory(input));
      const took = performance.now() - began;
      if (took > defaultProbeLimits.timeoutMs + GRACE_MILLISECONDS) throw new Finding(`it took ${Math.round(took)} ms`);
      if (!verdict.ok && !/^(VIDEO_|NOT_A_VIDEO)/.test(verdict.error.code)) throw new Finding(verdict.error.code);
      if (verdict.ok && !(verdict.value.durationSeconds > 0)) throw new Finding(JSON.stringify(verdict.value));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
