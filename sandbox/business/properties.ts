import { createHash } from 'node:crypto';
import { resolveTxt } from 'node:dns/promises';
import type { Endpoint } from '../endpoint.ts';
import { isLoopback } from '../http.ts';
import { type Check, Refused, refuse } from '../input.ts';
import { isVerified, urlProperty } from '../open/pull.ts';
import type { BusinessApp, UrlProperty } from '../state.ts';
import type { World } from '../world.ts';
import { type Checked, invalid, missing, type Refusal, refused, valid } from './answers.ts';
import { appEndpoint, checkApp, isObject, type Parameters } from './endpoints.ts';

const credentials = ['app_id', 'secret'] as const;
const proofTimeoutMs = 10_000;

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32);

function property(type: 1 | 2, url: string, status: UrlProperty['status']): UrlProperty {
  const proof = digest(url);
  const signature = `tiktok-developers-site-verification=${proof}`;
  return { type, url, status, signature, fileName: `tiktok${proof}.txt` };
}

/** An operator's word is enough here: `example.com` or `https://example.com/videos/`. Else a property as it is kept. */
export const verifiedProperty: Check<UrlProperty> = (value, field) => {
  if (isObject(value)) {
    const { type, url, status } = value;
    const known =
      (type === 1 || type === 2) && typeof url === 'string' && (status === 0 || status === 1 || status === 2);
    return known
      ? property(type, urlProperty(url, field), status)
      : refuse(field, value, 'must be a property', 'Send its address.');
  }
  const url = urlProperty(value, field);
  return property(url.includes('://') ? 2 : 1, url, 1);
};

export const isVerifiedFor = ({ urlProperties }: BusinessApp, url: URL): boolean =>
  isVerified(
    url,
    urlProperties.filter(({ status }) => status === 1).map((each) => each.url),
  );

const shown = ({ type, url, status, signature, fileName }: UrlProperty) => ({
  property_type: type,
  url,
  property_status: status,
  signature,
  file_name: fileName,
});

export function propertyEndpoints(world: World): Endpoint[] {
  const { state } = world;

  function readMeta(parameters: Parameters): Checked<{ type: 1 | 2; url: string }> | Refusal {
    const meta = parameters['url_property_meta'];
    if (!isObject(meta)) return missing('url_property_meta');
    const { property_type: type, url } = meta;
    if (type !== 1 && type !== 2) return invalid('url_property_meta.property_type', 'Must be 1 or 2.');
    try {
      const read = urlProperty(url, 'url');
      return read.includes('://') === (type === 2)
        ? valid({ type, url: read })
        : invalid('url_property_meta.url', 'Does not fit its type.');
    } catch (error) {
      if (error instanceof Refused) return invalid('url_property_meta.url', error.message);
      throw error;
    }
  }

  const find = ({ type, url }: { type: 1 | 2; url: string }) =>
    state.business.urlProperties.find((each) => each.type === type && each.url === url);

  /** A domain: a TXT record. A prefix: a file below it, without a redirect. */
  async function isProven({ type, url, signature, fileName }: UrlProperty): Promise<boolean> {
    try {
      if (type === 1) return (await resolveTxt(url)).some((record) => record.join('') === signature);
      const address = new URL(fileName, url);
      if (isLoopback(address.hostname) && !state.settings.pullFromLoopback) return false;
      const response = await fetch(address, { redirect: 'manual', signal: AbortSignal.timeout(proofTimeoutMs) });
      return response.status === 200 && (await response.text()).trim() === signature;
    } catch {
      // Whatever went wrong, TikTok tells the app no more than that the proof was not found.
      return false;
    }
  }

  const withMeta = (
    action: 'add' | 'verify' | 'delete',
    act: (meta: { type: 1 | 2; url: string }) => Checked<object> | Promise<Checked<object>>,
  ) =>
    appEndpoint(world, {
      name: `business_property_${action}`,
      method: 'POST',
      path: `/business/property/${action}/`,
      async handle(parameters) {
        const wrong = checkApp(world, parameters, credentials);
        if (wrong) return wrong;
        const meta = readMeta(parameters);
        if (!meta.ok) return meta;
        const outcome = await act(meta.value);
        world.changed();
        return outcome.ok ? { ok: true, data: outcome.value } : outcome;
      },
    });

  return [
    withMeta('add', (meta) => {
      const added = find(meta) ?? property(meta.type, meta.url, 0);
      if (find(meta) === undefined) state.business.urlProperties.push(added);
      return valid({ url_property_info: shown(added) });
    }),
    withMeta('verify', async (meta) => {
      const known = find(meta);
      if (known === undefined) return refused(40007);
      known.status = (await isProven(known)) ? 1 : 2;
      return valid({ url_property_info: shown(known) });
    }),
    withMeta('delete', (meta) => {
      const known = find(meta);
      if (known === undefined) return refused(40007);
      state.business.urlProperties = state.business.urlProperties.filter((each) => each !== known);
      return valid({});
    }),
    appEndpoint(world, {
      name: 'business_property_list',
      method: 'GET',
      path: '/business/property/list/',
      handle: (parameters) =>
        checkApp(world, parameters, credentials) ?? {
          ok: true,
          data: { url_property_info_list: state.business.urlProperties.map(shown) },
        },
    }),
  ];
}
