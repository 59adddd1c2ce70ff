import { fileVideoStore } from '../../src/adapters/video-store/file-video-store.ts';
import type { VideoId } from '../../src/domain/ids.ts';
import { filesThat } from './failing-files.ts';

/** Stores a video of so many bytes and is gone ahead of this step, as if the power was cut. Says `whole` if it never is. */
const [directory = '', id = '', step = '', bytes = '0'] = process.argv.slice(2);
const files = filesThat((each) => {
  if (each === step) process.kill(process.pid, 'SIGKILL');
});
async function* source() {
  for (let left = Number(bytes); left > 0; left -= 1000) yield Buffer.alloc(Math.min(left, 1000), 'v');
}
const stored = await fileVideoStore(directory, files).put(id as VideoId, source(), { maxBytes: Number(bytes) });
process.stdout.write(stored.ok ? 'whole' : stored.error.code);
