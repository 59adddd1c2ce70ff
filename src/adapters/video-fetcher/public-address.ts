import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** What IANA has given out for the public internet. Everything else of IPv6 is something special or nobody's. */
const GLOBAL_V6 = ipaddr.parseCIDR('2000::/3');

/** Of the public internet by its number, and in every Azure network the way to the machine's own host. */
const AZURE_HOST = '168.63.129.16';

/**
 * Whether this IP address belongs to a machine on the public internet. Not public: addresses of this machine and of
 * local networks, cloud metadata, documentation, multicast, and every IPv6 form that carries an IPv4 address within.
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0 || address === AZURE_HOST) return false;
  const ip = ipaddr.parse(address);
  return ip.range() === 'unicast' && (ip.kind() === 'ipv4' || ip.match(GLOBAL_V6));
}
