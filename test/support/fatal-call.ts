import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';

/**
 * To be preloaded into a process: the first call to TikTok whose path is `FATAL_CALL_PATH`, with `FATAL_CALL_TEXT` in its headers or
 * its body, ends the process before a byte of it leaves. As for whatever else one post may do to its worker (memory, a crash below
 * JavaScript), nothing is caught and nobody tidies up.
 */
const path = process.env['FATAL_CALL_PATH'];
const text = process.env['FATAL_CALL_TEXT'];
if (path === undefined || !text) throw new Error('FATAL_CALL_PATH and FATAL_CALL_TEXT: which call it is');

subscribe('undici:request:create', (message) => {
  const { request } = message as { request: { path: string; headers: unknown; body: unknown } };
  if (request.path !== path) return;
  if (!JSON.stringify(request.headers).includes(text) && !String(request.body).includes(text)) return;
  writeSync(1, `${JSON.stringify({ msg: 'a fatal call', path })}\n`);
  process.kill(process.pid, 'SIGKILL');
});
