/** Who may open an association, and the answer of PS3.8 Table 9-21 for who may not. Pure: it decides, others do. */
import { BlockList, isIP } from 'node:net';
import { HubError } from '../../core/errors.ts';

export interface DimseSource {
  readonly name: string;
  readonly aeTitle: string;
  /** IP addresses and CIDR ranges; none is any address. */
  readonly hosts: readonly string[];
}

/** The name of who calls when no source is configured. */
export const LOOPBACK_SOURCE = 'loopback';

export interface Caller {
  readonly address: string;
  readonly calledAeTitle: string;
  readonly callingAeTitle: string;
  readonly protocolVersion: number;
  readonly applicationContextUid: string;
}

/** What the hub is busy with. */
export interface Load {
  readonly isStopping: boolean;
  readonly isDiskLow: boolean;
  readonly associations: number;
  readonly maxAssociations: number;
}

export type Decision =
  | { readonly accepted: true; readonly source: string }
  | {
      readonly accepted: false;
      readonly why: string;
      readonly result: 1 | 2;
      readonly by: 1 | 2 | 3;
      readonly reason: number;
    };

/** PS3.8 Table 9-21: result, source and reason. */
const REJECTIONS = {
  'protocol version': { result: 1, by: 2, reason: 2 },
  'application context': { result: 1, by: 1, reason: 2 },
  'called AE title': { result: 1, by: 1, reason: 7 },
  'calling AE title': { result: 1, by: 1, reason: 3 },
  'too many associations': { result: 2, by: 3, reason: 2 },
  'disk low': { result: 2, by: 3, reason: 2 },
  stopping: { result: 2, by: 3, reason: 1 },
} as const;

/** PS3.7 Annex A.2.1 */
const DICOM_APPLICATION_CONTEXT = '1.2.840.10008.3.1.1.1';

export type AssociationPolicy = (caller: Caller, load: Load) => Decision;

/**
 * @param aeTitles - the titles the hub answers to
 * @param sources - without any, only this machine may call
 * @throws {HubError} `config.invalid` for a host that is neither address nor range
 */
export function associationPolicy(aeTitles: readonly string[], sources: readonly DimseSource[]): AssociationPolicy {
  const called = new Set(aeTitles);
  const known = sources.map(({ name, aeTitle, hosts }) => ({ name, aeTitle, hosts: hostList(hosts) }));
  const loopback = hostList(['127.0.0.0/8', '::1']);

  const sourceOf = (caller: Caller): string | undefined => {
    if (known.length === 0) return isInside(caller.address, loopback) ? LOOPBACK_SOURCE : undefined;
    return known.find(
      ({ aeTitle, hosts }) =>
        aeTitle === caller.callingAeTitle && (hosts === undefined || isInside(caller.address, hosts)),
    )?.name;
  };

  return (caller, load) => {
    // PS3.8 Section 9.3.2: bit 0 is version 1, the only one there is.
    if ((caller.protocolVersion & 1) === 0) return rejected('protocol version');
    if (caller.applicationContextUid !== DICOM_APPLICATION_CONTEXT) return rejected('application context');
    if (!called.has(caller.calledAeTitle)) return rejected('called AE title');
    const source = sourceOf(caller);
    if (source === undefined) return rejected('calling AE title');
    if (load.isStopping) return rejected('stopping');
    if (load.isDiskLow) return rejected('disk low');
    if (load.associations >= load.maxAssociations) return rejected('too many associations');
    return { accepted: true, source };
  };
}

function rejected(why: keyof typeof REJECTIONS): Decision {
  return { accepted: false, why, ...REJECTIONS[why] };
}

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
