/** Whose request it is, for doors without AE titles: the configured source at the sender's address. */
import { LOOPBACK_SOURCE, type DimseSource } from '../dimse/association-policy.ts';
import { hostList, isInside } from '../dimse/host-list.ts';

/** Name for a sender no configured source names a host for; that it may send at all is decided before. */
const OTHER_SOURCE = 'dicomweb';

export function sourceOfAddress(sources: readonly DimseSource[]): (address: string) => string {
  const known = sources.flatMap(({ name, hosts }) => (hosts.length === 0 ? [] : [{ name, hosts: hostList(hosts) }]));
  const loopback = hostList(['127.0.0.0/8', '::1']);
  return (address) =>
    known.find(({ hosts }) => isInside(address, hosts))?.name ??
    (isInside(address, loopback) ? LOOPBACK_SOURCE : OTHER_SOURCE);
}
