import dns, { type LookupAddress, type LookupOptions } from 'node:dns';
import { existsSync, readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/**
 * To be preloaded into a process: all names lead to this machine, and a look-up meets what the file `NAMES_FAULT` says. A code such as
 * `EAI_AGAIN` fails, `SLOW` waits until it says something else, and nothing there, or no such file, is a resolver that is well.
 */
const fault = process.env['NAMES_FAULT'] ?? '';
if (fault === '') throw new Error('NAMES_FAULT: what happens to look-ups');

const LOOK_MILLISECONDS = 10;
const HERE: LookupAddress = { address: '127.0.0.1', family: 4 };

const said = (): string => (existsSync(fault) ? readFileSync(fault, 'utf8').trim() : '');

type Callback = (error: Error | null, found?: string | LookupAddress[], family?: number) => void;

function lookup(hostname: string, given: LookupOptions | Callback, callback = given as Callback): void {
  const code = said();
  if (code === 'SLOW') {
    setTimeout(() => lookup(hostname, given, callback), LOOK_MILLISECONDS);
  } else if (code !== '') {
    const error = Object.assign(new Error(`getaddrinfo ${code} ${hostname}`), {
      code,
      syscall: 'getaddrinfo',
      hostname,
    });
    setImmediate(callback, error);
  } else if (typeof given === 'object' && given.all) setImmediate(callback, null, [HERE]);
  else setImmediate(callback, null, HERE.address, HERE.family);
}

Object.assign(dns, { lookup });
syncBuiltinESMExports();
