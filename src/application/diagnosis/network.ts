import { type Diagnosis, fail, fine, orFine, warn } from './diagnosis.ts';

/** What became of listening on a port for a moment. */
export type PortFact = 'FREE' | 'IN_USE' | 'NOT_ALLOWED' | 'NO_SUCH_ADDRESS';

export type PortFacts = {
  /** RPC, HTTP or METRICS, as in the names of their settings. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly fact: PortFact;
};

/** `servedByUs`: this service answers at the HTTP port. It listens there last, so its other ports are its own as well. */
export function diagnosePorts(ports: readonly PortFacts[], servedByUs: boolean): readonly Diagnosis[] {
  const twice = ports.filter(({ port }, index) => ports.findIndex((each) => each.port === port) < index);
  return orFine(
    [
      ...twice.map(({ name, port }) =>
        fail(`${name}_PORT=${port} is the port of another setting as well`, 'Give each a port of its own.'),
      ),
      ...ports.map((each) => diagnosePort(each, servedByUs)),
    ],
    servedByUs ? 'this service listens there' : 'free',
  );
}

function diagnosePort({ name, host, port, fact }: PortFacts, servedByUs: boolean): Diagnosis | undefined {
  switch (fact) {
    case 'FREE':
      return undefined;
    case 'IN_USE':
      return servedByUs
        ? undefined
        : fail(`${host}:${port} is in use by another program`, `End it, or choose another ${name}_PORT.`);
    case 'NOT_ALLOWED':
      return fail(`our account may not listen on ${host}:${port}`, `Choose a ${name}_PORT above 1023.`);
    case 'NO_SUCH_ADDRESS':
      return fail(`this host has no address ${host}`, `Correct ${name}_HOST; 0.0.0.0 is all of its addresses.`);
  }
}

export type AddressFacts = {
  /** Without a slash at its end. */
  readonly publicUrl: string;
  /** Neither family: the bundled sandbox. Each true where TikTok's own hosts are asked. */
  readonly open: boolean;
  readonly business: boolean;
  /** Whether TikTok fetches videos there. */
  readonly pull: boolean;
  /** What `publicUrl`/healthz gave from this host. Absent: not asked, because this service does not run. */
  readonly answered?: boolean;
};

/** What TikTok asks of the addresses that are registered there (open-api §1.1 and §5.3, business-api §3.1). */
export function diagnosePublicAddress(facts: AddressFacts): readonly Diagnosis[] {
  const { publicUrl, open, business, pull, answered } = facts;
  if (!open && !business) return [fine('what stands in for TikTok asks no more of it')];
  const url = URL.parse(publicUrl);
  if (url === null) return [fail('it is no address', 'Give PUBLIC_URL an https address.')];
  const correct = 'Correct PUBLIC_URL, and what is registered at TikTok.';
  const isIp = /^\[|^[\d.]+$/.test(url.hostname);
  return orFine(
    [
      url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== ''
        ? fail('it has a query, a fragment or a login, which TikTok takes in no address', correct)
        : undefined,
      url.protocol === 'https:'
        ? undefined
        : warn(
            "TikTok's webhooks do not come there, and it registers https addresses only, but for desktop apps",
            'Set PUBLIC_URL to the https address under which others reach the HTTP port.',
          ),
      business && url.port !== ''
        ? fail(`it names the port ${url.port}, which the business portal does not register`, correct)
        : undefined,
      pull && isIp ? fail('TikTok fetches videos from hosts with a name only', correct) : undefined,
      `${publicUrl}/oauth/tiktok/callback/`.length > 512
        ? fail('the redirect address is longer than 512 characters', correct)
        : undefined,
      answered === false
        ? warn(
            'this service runs, and does not answer there from this host',
            'Ask from outside (curl PUBLIC_URL/healthz). If that fails too, see where your gateway leads.',
          )
        : undefined,
    ],
    `to be registered at TikTok: ${[
      ...(open ? [`${publicUrl}/oauth/tiktok/callback for redirects`] : []),
      ...(business ? [`${publicUrl}/oauth/tiktok/callback/ for redirects (business portal)`] : []),
      `${publicUrl}/webhooks/tiktok for webhooks`,
      ...(pull ? [`${publicUrl}/media/ as verified prefix`] : []),
    ].join(', ')}`,
  );
}
