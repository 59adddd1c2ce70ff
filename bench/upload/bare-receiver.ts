import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** The baseline on the way in: the body of a request is written to a file, which is on the disk before the answer. Nothing is looked at. */
const folder = process.env['FOLDER'] ?? '';

const server = createServer();
server.on('stream', async (stream) => {
  const path = join(folder, randomUUID());
  const handle = await open(path, 'wx');
  for await (const chunk of stream) await handle.write(chunk);
  await handle.sync();
  await handle.close();
  stream.respond({ ':status': 200 }, { endStream: true });
  await rm(path);
});
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ msg: 'ready', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }));
});
