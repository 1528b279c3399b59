/** Who may open an association, and the answer of PS3.8 Table 9-21 for who may not. Pure: it decides, others do. */
import { DICOM_APPLICATION_CONTEXT } from './association-items.ts';
import type { UserIdentity } from './association-request.ts';
import { hostList, isInside } from './host-list.ts';
import {
  certificateRule,
  identityRule,
  type CertificateRule,
  type IdentityRule,
  type PeerCertificate,
} from './proofs.ts';
import type { Offered } from './presentation-contexts.ts';

export interface DimseSource {
  readonly name: string;
  readonly aeTitle: string;
  /** IP addresses and CIDR ranges; none is any address. */
  readonly hosts: readonly string[];
  /** The client certificate it must show; without one its associations come over TLS or not. */
  readonly certificate?: CertificateRule | undefined;
  /** The user identity it must negotiate. */
  readonly userIdentity?: IdentityRule | undefined;
  /** It brings back what was released to this partner. */
  readonly partner?: string | undefined;
  readonly maxAssociations?: number | undefined;
  /** Between its messages, instead of what holds for all. */
  readonly idleMs?: number | undefined;
}

/** A destination that was asked for storage commitments, and calls to report on them. */
export interface Reporter {
  readonly destination: string;
  readonly aeTitle: string;
  /** Ours, as it knows it. */
  readonly calledAeTitle: string;
  readonly hosts: readonly string[];
}

/** A called AE title and what is to be had there. */
export interface DimseTitle extends Offered {
  readonly aeTitle: string;
  /** Names of the sources that may call it; undefined is all. */
  readonly sources?: readonly string[] | undefined;
}

/** The name of who calls when no source is configured. */
export const LOOPBACK_SOURCE = 'loopback';

export interface Caller {
  readonly address: string;
  readonly calledAeTitle: string;
  readonly callingAeTitle: string;
  readonly protocolVersion: number;
  readonly applicationContextUid: string;
  readonly userIdentity?: UserIdentity;
  /** Shown in the TLS handshake and found trustworthy. */
  readonly certificate?: PeerCertificate;
}

/** What the hub is busy with. */
export interface Load {
  readonly isStopping: boolean;
  readonly isDiskLow: boolean;
  readonly associations: number;
  readonly maxAssociations: number;
  readonly maxAssociationsPerAddress: number;
  readonly ofSource: (source: string) => number;
  readonly ofAddress: (address: string) => number;
}

export type Decision =
  | {
      readonly accepted: true;
      readonly source: string;
      readonly title: DimseTitle;
      readonly idleMs?: number | undefined;
      /** The source had to prove who it is by its user identity, and did. */
      readonly isIdentityProven: boolean;
    }
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
  // Title and address fit. There is no reason of its own for either.
  'client certificate': { result: 1, by: 1, reason: 3 },
  'called AE title of other sources': { result: 1, by: 1, reason: 3 },
  // There is no reason of its own for it: no reason given, by the ACSE related function.
  'user identity': { result: 1, by: 2, reason: 1 },
  'too many associations': { result: 2, by: 3, reason: 2 },
  'too many associations of the source': { result: 2, by: 3, reason: 2 },
  'too many associations from the address': { result: 2, by: 3, reason: 2 },
  'disk low': { result: 2, by: 3, reason: 2 },
  stopping: { result: 2, by: 3, reason: 1 },
} as const;

export type AssociationPolicy = (caller: Caller, load: Load) => Decision;

interface KnownSource extends Pick<DimseSource, 'name' | 'partner' | 'maxAssociations' | 'idleMs'> {
  /** By title and address. */
  readonly isNamed: (caller: Caller) => boolean;
  /** That, and the certificate it must show. */
  readonly isCaller: (caller: Caller) => boolean;
  /** Absent: nothing to be proven. */
  readonly isProven?: (caller: Caller) => boolean;
}

/**
 * @param titles - the titles the hub answers to; the first of two of one name counts
 * @param sources - without any, only this machine may call
 * @param movers - who may call beside them, because it is asked to send
 * @param reporters - who may call to report, and for nothing else unless it is one of the others
 * @throws {HubError} `config.invalid` for a host that is neither address nor range, or a certificate rule that is none
 */
export function associationPolicy(
  titles: readonly DimseTitle[],
  sources: readonly DimseSource[],
  movers: readonly DimseSource[] = [],
  reporters: readonly Reporter[] = [],
): AssociationPolicy {
  const called = new Map(titles.toReversed().map((title) => [title.aeTitle, title]));
  const reporting = reporters.map((reporter) => ({ ...reporter, addresses: hostList(reporter.hosts) }));
  const withRules = new Set(sources.map(({ aeTitle }) => aeTitle));
  const known = [...(sources.length === 0 ? [loopback()] : sources.map(knownSource)), ...movers.map(knownSource)];

  return (caller, load) => {
    // PS3.8 Section 9.3.2: bit 0 is version 1, the only one there is.
    if ((caller.protocolVersion & 1) === 0) return rejected('protocol version');
    if (caller.applicationContextUid !== DICOM_APPLICATION_CONTEXT) return rejected('application context');
    const title = called.get(caller.calledAeTitle);
    if (title === undefined) return rejected('called AE title');
    const asSource = known.filter(({ isCaller }) => isCaller(caller));
    const candidates = asSource.filter(({ name }) => title.sources?.includes(name) !== false);
    const proven = candidates.find(({ isProven }) => isProven?.(caller) ?? true);
    // Who has to prove something as a source is not let in with less because it is a destination too.
    const isTrusted =
      !withRules.has(caller.callingAeTitle) || asSource.some(({ isProven }) => isProven?.(caller) ?? true);
    const reportsOf = reporting
      .filter(
        ({ aeTitle, calledAeTitle, addresses }) =>
          aeTitle === caller.callingAeTitle &&
          calledAeTitle === caller.calledAeTitle &&
          isInside(caller.address, addresses),
      )
      .flatMap(({ destination }) => (isTrusted ? [destination] : []));
    const source = proven ?? reporterAs(reportsOf);
    if (source === undefined) return rejected(lacking(caller, known, asSource.length > 0, candidates.length > 0));
    if (load.isStopping) return rejected('stopping');
    if (load.isDiskLow) return rejected('disk low');
    if (load.associations >= load.maxAssociations) return rejected('too many associations');
    const { name, maxAssociations = Infinity, idleMs } = source;
    if (load.ofSource(name) >= maxAssociations) return rejected('too many associations of the source');
    if (load.ofAddress(caller.address) >= load.maxAssociationsPerAddress) {
      return rejected('too many associations from the address');
    }
    // A commitment tells of instances by their UIDs, whoever sent them: a partner could ask for what is not its own.
    const offered = {
      ...(proven === undefined ? { aeTitle: title.aeTitle, sopClasses: [] } : title),
      storageCommitment: proven !== undefined && proven.partner === undefined && title.storageCommitment,
      ...(reportsOf.length === 0 ? {} : { reportsOf }),
    };
    return { accepted: true, source: name, title: offered, idleMs, isIdentityProven: source.isProven !== undefined };
  };
}

/** What is missing to be a source that may call. */
function lacking(
  caller: Caller,
  known: readonly KnownSource[],
  isSource: boolean,
  mayCall: boolean,
): keyof typeof REJECTIONS {
  if (mayCall) return 'user identity';
  if (isSource) return 'called AE title of other sources';
  return known.some(({ isNamed }) => isNamed(caller)) ? 'client certificate' : 'calling AE title';
}

/** Who only reports is known by the destination's name. */
function reporterAs([destination]: readonly string[]): KnownSource | undefined {
  return destination === undefined ? undefined : { name: destination, isNamed: () => true, isCaller: () => true };
}

function loopback(): KnownSource {
  const hosts = hostList(['127.0.0.0/8', '::1']);
  const isCaller = ({ address }: Caller) => isInside(address, hosts);
  return { name: LOOPBACK_SOURCE, isNamed: isCaller, isCaller };
}

function knownSource(source: DimseSource): KnownSource {
  const { name, aeTitle, partner, maxAssociations, idleMs } = source;
  const hosts = hostList(source.hosts);
  const shows = source.certificate === undefined ? undefined : certificateRule(source.certificate);
  const proves = source.userIdentity === undefined ? undefined : identityRule(source.userIdentity);
  const isNamed = ({ callingAeTitle, address }: Caller) => aeTitle === callingAeTitle && isInside(address, hosts);
  return {
    ...{ name, partner, maxAssociations, idleMs, isNamed },
    isCaller: (caller) => isNamed(caller) && (shows?.(caller.certificate) ?? true),
    ...(proves === undefined ? {} : { isProven: ({ userIdentity }) => proves(userIdentity) }),
  };
}

function rejected(why: keyof typeof REJECTIONS): Decision {
  return { accepted: false, why, ...REJECTIONS[why] };
}
