import { isLoopback } from '../http.ts';
import { type Check, refuse } from '../input.ts';

const anyPort = /^(http:\/\/[^/]+):\*(\/.*)?$/;

/** A registered `http://127.0.0.1:*` stands for any port; all else is compared exactly. */
export function redirectMatches(registered: string, presented: string): boolean {
  const wildcard = anyPort.exec(registered);
  if (!wildcard) return registered === presented;
  const [, start = '', path = ''] = wildcard;
  const port = presented.slice(start.length, presented.length - path.length);
  return presented.startsWith(start) && presented.endsWith(path) && /^:\d{1,5}$/.test(port);
}

export const redirectUri: Check<string> = (value, field) => {
  const remedy = 'Use https, or http on 127.0.0.1 or localhost, where the port may be *.';
  if (typeof value !== 'string' || value.length >= 512) {
    return refuse(field, value, 'must be a URI of fewer than 512 characters', remedy);
  }
  const url = URL.parse(value.replace(anyPort, '$1$2'));
  if (!url) return refuse(field, value, 'must be an absolute URI', remedy);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    return refuse(field, value, 'must be https', remedy);
  }
  if (/[?#]/.test(value)) return refuse(field, value, 'must have no query and no fragment', 'Leave them out.');
  return value;
};

/** As the Business portal wants them: the same, and a slash at the end. */
export const slashedRedirectUri: Check<string> = (value, field) =>
  redirectUri(value, field).endsWith('/')
    ? String(value)
    : refuse(field, value, 'must end with a slash', 'Add one, here and in the authorize URL.');
