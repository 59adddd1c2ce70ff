import { isIP } from 'node:net';
import { isLoopback } from '../http.ts';
import { type Check, refuse } from '../input.ts';
import type { World } from '../world.ts';
import { type Checked, invalid, refused, valid } from './answers.ts';

export const urlProperty: Check<string> = (value, field) => {
  const remedy = 'Use a name such as example.com, or a prefix such as https://example.com/videos/.';
  if (typeof value !== 'string' || value.length > 512) return refuse(field, value, 'must be text', remedy);
  if (value.includes('://')) {
    const url = URL.parse(value);
    const ok =
      url && (url.protocol === 'https:' || isLoopback(url.hostname)) && url.href === value && value.endsWith('/');
    return ok ? value : refuse(field, value, 'must be an https prefix that ends with /', remedy);
  }
  return URL.parse(`https://${value}/`)?.hostname === value
    ? value
    : refuse(field, value, 'must be a domain name', remedy);
};

export function isVerified(url: URL, properties: readonly string[]): boolean {
  return properties.some((property) =>
    property.includes('://')
      ? url.href.startsWith(property)
      : url.hostname === property || (isIP(url.hostname) === 0 && url.hostname.endsWith(`.${property}`)),
  );
}

export function checkPullUrl(world: World, videoUrl: unknown): Checked<string> {
  const { app, settings } = world.state;
  const url = typeof videoUrl === 'string' ? URL.parse(videoUrl) : null;
  if (!url) return invalid('The video_url is not an absolute URL');
  const loopbackAllowed = settings.pullFromLoopback && isLoopback(url.hostname);
  if (url.protocol !== 'https:' && !(loopbackAllowed && url.protocol === 'http:')) {
    return invalid('The video_url must be https');
  }
  if (isIP(url.hostname.replaceAll(/[[\]]/g, '')) !== 0 && !loopbackAllowed) {
    return invalid('The host of the video_url must be a domain name');
  }
  if (!isVerified(url, app.verifiedUrlProperties)) return refused('url_ownership_unverified');
  return valid(url.href);
}
