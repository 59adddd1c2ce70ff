import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePorts } from './free-ports.ts';

/** What `REDIS_URL` names, or a server of our own where there is a program for it. Undefined where there is neither. */
export async function startRedis(folder: string, resources: AsyncDisposableStack): Promise<string | undefined> {
  const given = process.env['REDIS_URL'];
  if (given !== undefined && given !== '') return given;
  const [port] = await freePorts(1);
  // Jobs outlive the server, as they do in PostgreSQL.
  const settings = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'yes',
  ];
  const child = spawn('redis-server', settings, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (!(await isReady(child))) return undefined;
  const ended = once(child, 'close');
  resources.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return `redis://127.0.0.1:${port}`;
}

/** False where there is no such program. Throws when it does not start. */
function isReady(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? resolve(false) : reject(error)));
    child.once('exit', (code) => reject(new Error(`redis-server ended with code ${code}`)));
    child.stdout?.on('data', (text: Buffer) => text.includes('Ready to accept connections') && resolve(true));
  });
}
