import { damageInBoxes, damageInSegment } from '../../src/adapters/video-probe/container-structure.ts';
import { recognise } from '../../src/adapters/video-probe/file-signature.ts';
import { fixtureVideo, inMemory } from '../support/fixture-videos.ts';
import { Finding, type Target } from './target.ts';

const MOST_CPU_MILLISECONDS = 100;
const FIXTURES = ['silent.mp4', 'fragmented.mp4', 'index-at-end.mp4', 'vertical.webm'];

/** Files through the part of the probe that runs beside everything else: each gets its verdict at once. */
export async function structureTarget(): Promise<Target> {
  const cost = async (input: Buffer): Promise<number> => {
    const before = process.threadCpuUsage();
    recognise(input.subarray(0, 1024));
    await damageInBoxes(inMemory(input));
    await damageInSegment(inMemory(input));
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1000;
  };
  return {
    name: 'structure',
    seeds: await Promise.all(FIXTURES.map(fixtureVideo)),
    async run(input) {
      if ((await cost(input)) <= MOST_CPU_MILLISECONDS) return;
      // Garbage may have been collected meanwhile: what is dear is dear twice.
      const again = await cost(input);
      if (again > MOST_CPU_MILLISECONDS) throw new Finding(`it took ${Math.round(again)} ms of the processor`);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
