/** Addresses and ranges that may call. */
import { BlockList, isIP } from 'node:net';
import { HubError } from '../../core/errors.ts';

/** @returns undefined when every address is meant */
export function hostList(hosts: readonly string[]): BlockList | undefined {
  if (hosts.length === 0) return undefined;
  const list = new BlockList();
  for (const host of hosts) {
    const [address = '', bits] = host.split('/');
    const family = isIP(address);
    const prefix = bits === undefined ? undefined : Number(bits);
    const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(bits ?? '') && prefix <= (family === 4 ? 32 : 128));
    if (family === 0 || !isPrefix || host.split('/').length > 2) {
      throw new HubError('config.invalid', { detail: `${host} is neither an IP address nor a CIDR range` });
    }
    const kind = family === 4 ? 'ipv4' : 'ipv6';
    if (prefix === undefined) list.addAddress(address, kind);
    else list.addSubnet(address, prefix, kind);
  }
  return list;
}

/** IPv4 addresses come as `::ffff:10.0.0.1` where the listener is on both families. */
export function isInside(address: string, list: BlockList | undefined): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(plain);
  if (family === 0) return false;
  return list === undefined || list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
}
