/**
 * Keeps a webhook from being aimed at the inside of the hub's network (server-side request forgery). Two layers are
 * needed: the lookup hook sees what a name resolves to at the moment of connecting, so that a name that changes its
 * mind is caught, but it is never called for an address that stands in the URL itself; `checkUrl` looks at that.
 */
import { type LookupAddress, lookup as lookupName } from 'node:dns';
import { BlockList, isIP, isIPv4, isIPv6, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { HubError } from '../../core/errors.ts';

export interface AddressGuard {
  /** @throws {HubError} `partner.refused` when the URL may not be called */
  readonly checkUrl: (url: URL) => void;
  readonly lookup: LookupFunction;
}

/** Ports a webhook on the public network may have; '' is the scheme's own. */
const PUBLIC_PORTS = new Set(['', '8443']);

/**
 * @param allowHosts - what may be called though it is not public, not https or on another port: host names, `*.domain`,
 *   addresses, CIDR ranges. Hospital partners often are on private networks.
 * @param namedBy - `partner`: whoever aims the webhook may also say what the allowed names resolve to, so these never
 *   lead to this machine itself or to its network segment's services (loopback, link-local)
 */
export function createAddressGuard(
  allowHosts: readonly string[],
  namedBy: 'administrator' | 'partner' = 'administrator',
): AddressGuard {
  const names = allowHosts.filter((entry) => !isAddressEntry(entry)).map((entry) => entry.toLowerCase());
  const ranges = new BlockList();
  for (const entry of allowHosts.filter(isAddressEntry)) addRange(ranges, entry);

  const isAllowedName = (host: string): boolean =>
    names.some((name) => (name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name));
  const isAllowedAddress = (address: string): boolean =>
    ranges.check(unmapped(address), familyOf(unmapped(address))) || isPublicAddress(address);
  const mayNameLeadTo = (address: string): boolean =>
    namedBy === 'administrator' ||
    ranges.check(unmapped(address), familyOf(unmapped(address))) ||
    !isOwnAddress(address);

  return {
    checkUrl: (url) => {
      // URL parsing has already turned 2130706433, 0x7f.1 and 127.1 into 127.0.0.1.
      const host = hostOf(url);
      if (isAllowedName(host)) return;
      if (isIP(host) !== 0) {
        if (ranges.check(unmapped(host), familyOf(unmapped(host)))) return;
        if (!isPublicAddress(host)) throw refused('the address is not public: see allowHosts');
      }
      if (url.protocol !== 'https:') throw refused('https is needed: see allowHosts');
      if (!PUBLIC_PORTS.has(url.port)) throw refused('port 443 or 8443 is needed: see allowHosts');
    },
    lookup: (hostname, options, callback) => {
      lookupName(hostname, { ...options, all: true }, (error, addresses) => {
        if (error !== null) {
          callback(error, []);
          return;
        }
        const [first] = addresses;
        const mayLeadTo = isAllowedName(hostname.toLowerCase().replace(/\.$/, '')) ? mayNameLeadTo : isAllowedAddress;
        const isAllowed = addresses.every(({ address }: LookupAddress) => mayLeadTo(address));
        if (!isAllowed || first === undefined)
          callback(refused('the name resolves to an address that is not public: see allowHosts'), []);
        else if (options.all === true) callback(null, addresses);
        else callback(null, first.address, first.family);
      });
    },
  };
}

/** True for addresses that are routed on the public network to one host. */
export function isPublicAddress(address: string): boolean {
  const plain = unmapped(address);
  if (isIPv4(plain)) return !NOT_PUBLIC.check(plain, 'ipv4');
  return isIPv6(plain) && GLOBAL_UNICAST.check(plain, 'ipv6') && !NOT_PUBLIC.check(plain, 'ipv6');
}

/** True for this machine, and for what answers only to its neighbours, however the address is wrapped. */
export function isOwnAddress(address: string): boolean {
  const plain = unmapped(address).replace(/%.*$/, '');
  return OWN.check(plain, familyOf(plain)) || interfaceAddresses().includes(plain);
}

/** Asked each time: they come and go. */
function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
}

/** An entry of an allow-list that is an address or a range of them; throws nothing. */
function isAddressEntry(entry: string): boolean {
  const [address = '', prefix, ...more] = entry.split('/');
  const bits = isIP(address) === 4 ? 32 : 128;
  if (isIP(address) === 0 || more.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
}

// IANA's special-purpose registries of IPv4 and IPv6 addresses: what is not globally reachable, or is a group.
const NOT_PUBLIC = new BlockList();
for (const range of [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  // Of the machine itself, in Azure.
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '2001::/23',
  '2001:db8::/32',
  // 6to4 carries an IPv4 address of any kind inside.
  '2002::/16',
  '3fff::/20',
]) {
  addRange(NOT_PUBLIC, range);
}
/** This machine, and what answers only to its neighbours: the metadata services of clouds among them. */
const OWN = new BlockList();
for (const range of [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  // Metadata and management services outside of link-local: Alibaba, Oracle, Azure, AWS, Google.
  '100.100.100.200/32',
  '192.0.0.192/32',
  '168.63.129.16/32',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  // Unspecified, loopback, and what carries an IPv4 address of any kind inside: compatible, translated, NAT64, 6to4, Teredo.
  '::/96',
  '::ffff:0:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2001::/32',
  '2002::/16',
  'fe80::/10',
])
  addRange(OWN, range);
const GLOBAL_UNICAST = new BlockList();
GLOBAL_UNICAST.addSubnet('2000::', 3, 'ipv6');

function addRange(list: BlockList, entry: string): void {
  const [address = '', prefix] = entry.split('/');
  const family = familyOf(address);
  list.addSubnet(address, prefix === undefined ? (family === 'ipv4' ? 32 : 128) : Number(prefix), family);
}

/** A function, not a constant: the lists above are filled while the module loads. */
function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}

function hostOf(url: URL): string {
  return url.hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

/** IPv4-mapped IPv6 (`::ffff:127.0.0.1`, also written `::ffff:7f00:1`) reaches the IPv4 address inside. */
function unmapped(address: string): string {
  if (!isIPv6(address)) return address;
  // The URL parser writes any IPv6 address in one way: the mapped ones end in two groups of hex.
  const [, high, low] =
    /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(
      new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1),
    ) ?? [];
  if (high === undefined || low === undefined) return address;
  const bits = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return bits.flatMap((group) => [group >> 8, group & 0xff]).join('.');
}

const refused = (detail: string): HubError => new HubError('partner.refused', { detail });
