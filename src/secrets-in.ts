import type { Environment } from './config.ts';

const SECRET = ['TIKTOK_CLIENT_SECRET', 'TIKTOK_BUSINESS_SECRET'].flatMap((name) => [name, `${name}_PREVIOUS`]);
const OF_OTHERS = ['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];
/** Whatever their form is: passwords stand between ":" and "@". */
const ADDRESSES = ['DATABASE_URL', 'AGENDA_MONGODB_URL', 'PUBLIC_URL', 'VIDEO_STORE'];
/** Shorter ones are parts of words. */
const LEAST_LENGTH = 4;

/** Every secret that is among these settings, in each way in which it may be printed. */
export function secretsIn(environment: Environment): readonly string[] {
  const text = (name: string): string => environment[name]?.trim() ?? '';
  const passwords = ADDRESSES.map((name) => /:\/\/[^/?#]*?:([^/?#]*)@/.exec(text(name))?.[1] ?? '');
  const decoded = passwords.map(decodedOrSame);
  const keys = text('TOKEN_KEYS').split(/[,:\s]+/);
  return [...[...SECRET, ...OF_OTHERS].map(text), ...passwords, ...decoded, ...keys.filter((each) => each.length >= 32)]
    .filter((secret) => secret.length >= LEAST_LENGTH)
    .sort((one, other) => other.length - one.length);
}

/** For what comes from errors of others: nothing of ours prints a secret. */
export const withoutSecrets = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((sum, secret) => sum.replaceAll(secret, '[redacted]'), text);

function decodedOrSame(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
