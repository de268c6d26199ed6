import ipaddr from 'ipaddr.js';

/** Parts of an IPv6 address that a network has: who has one address of it has all of them. */
const NETWORK_PARTS = 4;

/** What an address counts as: itself or, in IPv6, the /64 that it is in. What a proxy calls otherwise is taken as it stands. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const ip = ipaddr.process(address);
  return ip instanceof ipaddr.IPv6 ? ip.parts.slice(0, NETWORK_PARTS).join(':') : ip.toString();
}
