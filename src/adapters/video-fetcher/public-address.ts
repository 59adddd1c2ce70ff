import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** What IANA has given out for the public internet. Everything else of IPv6 is something special or nobody's. */
const GLOBAL_V6 = ipaddr.parseCIDR('2000::/3');

/**
 * Whether this IP address belongs to a machine on the public internet. Not public: addresses of this machine and of
 * local networks, cloud metadata, documentation, multicast, and every IPv6 form that carries an IPv4 address within.
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0) return false;
  const ip = ipaddr.parse(address);
  return ip.range() === 'unicast' && (ip.kind() === 'ipv4' || ip.match(GLOBAL_V6));
}
