import type { Address } from '../http.ts';

/** Which upload addresses get bytes: exact origins, or with `undefined` TikTok's own (open-api §0). */
export type AllowedOrigins = ReadonlySet<string> | undefined;

export const UPLOAD_HOST_SUFFIX = '.tiktokapis.com';

const ADDRESS = /^https?:\/\/[^\s/?#\\@]+(\/[!"$-~]*)$/i;

/** Where to connect, and the rest of the address to the letter. Undefined: not an address that may get bytes. */
export function uploadAddress(text: string, allowed: AllowedOrigins): Address | undefined {
  const path = ADDRESS.exec(text)?.[1];
  if (path === undefined || !URL.canParse(text)) return undefined;
  const { origin, protocol, hostname } = new URL(text);
  const trusted = allowed ? allowed.has(origin) : protocol === 'https:' && hostname.endsWith(UPLOAD_HOST_SUFFIX);
  return trusted ? { origin, path } : undefined;
}
