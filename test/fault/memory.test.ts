import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { bigMp4Stream } from '../support/big-mp4.ts';
import { realService, type ServiceProcess } from '../support/service-process.ts';
import { aPost, connectAccount, postThat, publish, publishedOnce, upload, uploadBytes } from '../support/story.ts';

const surroundings = realService();

const MIB = 2 ** 20;
const SIZE = 200_000_000;
const GROWTH_LIMIT = 96 * MIB;

/** The most memory the process ever had. */
async function highWaterMark({ pid }: ServiceProcess): Promise<number> {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kibibytes === undefined) throw new Error('the system does not tell');
  return Number(kibibytes) * 1024;
}

it.skipIf(process.platform !== 'linux')(
  `takes in and publishes ${SIZE / 1e6} MB in at most ${GROWTH_LIMIT / MIB} MiB more than it takes for 74 kB (reads /proc)`,
  async () => {
    const world = await surroundings();
    const service = await world.start();
    const { clients } = service;
    const connection = await connectAccount({ clients, sandbox: world.sandbox });
    const publishOnce = async (video: Awaited<ReturnType<typeof upload>>) => {
      const { post_id } = await publish(clients, aPost(connection, video));
      publishedOnce(world.sandbox, await postThat(clients, post_id, 'PUBLISHED'), video);
    };

    await publishOnce(await upload(clients));
    const before = await highWaterMark(service);
    const big = await uploadBytes(clients, await bigMp4Stream(SIZE));
    expect(big.size_bytes).toBe(String(SIZE));
    const uploaded = await highWaterMark(service);
    await publishOnce(big);
    const published = await highWaterMark(service);

    const mebibytes = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
    console.info(
      `baseline ${mebibytes(before)}, after the upload +${mebibytes(uploaded - before)}, after publishing +${mebibytes(published - before)}`,
    );
    expect(published - before).toBeLessThanOrEqual(GROWTH_LIMIT);
  },
);
