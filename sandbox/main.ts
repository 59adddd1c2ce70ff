import { once } from 'node:events';
import { isLoopback } from './http.ts';
import { oneOf, Refused, refuse } from './input.ts';
import { type SandboxOptions, startSandbox } from './sandbox.ts';

type Read = (text: string, name: string) => unknown;

const words: Read = (text) => text;
const list: Read = (text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
const number: Read = (text, name) =>
  /^\d{1,15}$/.test(text) ? Number(text) : refuse(name, text, 'must be a whole number', 'Use digits only.');
const flag: Read = (text, name) => oneOf('true', 'false')(text, name) === 'true';

const settings: Record<string, readonly [keyof SandboxOptions, Read]> = {
  SANDBOX_HOST: ['host', words],
  SANDBOX_PORT: ['port', number],
  SANDBOX_PUBLIC_ORIGIN: ['publicOrigin', words],
  SANDBOX_SEED: ['seed', words],
  SANDBOX_STATE_FILE: ['stateFile', words],
  SANDBOX_CLIENT_KEY: ['clientKey', words],
  SANDBOX_CLIENT_SECRET: ['clientSecret', words],
  SANDBOX_REDIRECT_URIS: ['redirectUris', list],
  SANDBOX_AUDITED: ['audited', flag],
  SANDBOX_WEBHOOK_URL: ['webhookUrl', words],
  SANDBOX_AUTO_CONSENT: ['autoConsent', words],
  SANDBOX_VERIFIED_URL_PROPERTIES: ['verifiedUrlProperties', list],
  SANDBOX_PULL_FROM_LOOPBACK: ['pullFromLoopback', flag],
  SANDBOX_TOKEN_REGIME: ['tokenRegime', words],
  SANDBOX_PROCESSING_MS: ['processingMs', number],
  SANDBOX_POST_ID_DELAY_MS: ['postIdDelayMs', number],
};

/** An empty variable counts as one that is not set. */
function readEnvironment(environment: NodeJS.ProcessEnv): SandboxOptions {
  const options: Record<string, unknown> = { port: 8090 };
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('SANDBOX_') || !value) continue;
    const [option, read] =
      settings[name] ??
      refuse(name, value, `must be one of ${Object.keys(settings).join(', ')}`, 'Check the spelling.');
    options[option] = read(value, name);
  }
  return options;
}

function settingName(field: string): string {
  const option = field.replace(/^options\.(\w+).*$/, '$1');
  return Object.entries(settings).find(([, [name]]) => name === option)?.[0] ?? field;
}

try {
  const options = readEnvironment(process.env);
  const sandbox = await startSandbox(options);
  // Before anybody can hear that it is ready.
  const told = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const example = new URL(sandbox.authorizeUrl);
  const [redirectUri = ''] = sandbox.control.app().redirectUris;
  example.search = new URLSearchParams({
    client_key: sandbox.clientKey,
    response_type: 'code',
    scope: sandbox.control.app().scopes.join(','),
    redirect_uri: redirectUri.replace(':*', ':8080'),
    state: 'example',
  }).toString();
  console.log(`TikTok sandbox, ready at ${sandbox.origin}

  client key      ${sandbox.clientKey}
  client secret   ${sandbox.clientSecret}
  business app    ${sandbox.businessAppId}, secret ${sandbox.businessSecret}, at ${sandbox.businessApiUrl}
  accounts        ${sandbox.control
    .accounts()
    .map(({ username }) => username)
    .join(', ')}
  seed            ${sandbox.seed}
  authorize       ${example}
  control         curl ${sandbox.origin}/_sandbox/ledger   (sandbox/README.md has the rest)
`);
  if (!isLoopback(options.host ?? '127.0.0.1')) {
    console.warn('Not on loopback: whoever reaches this address controls the sandbox and reads its tokens.');
  }
  await told;
  await sandbox.close();
} catch (error) {
  if (error instanceof Refused) {
    const { field, message } = error;
    console.error(`The TikTok sandbox can't start. ${message.replace(field, settingName(field))}`);
  } else if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
    console.error(`The TikTok sandbox can't start. Its address is taken. Set SANDBOX_PORT to another port.`);
  } else {
    console.error("The TikTok sandbox can't start or went down.", error);
  }
  process.exitCode = 1;
}
