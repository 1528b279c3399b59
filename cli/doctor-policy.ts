/** The gateway's own decision about a caller, asked without a call. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { associationPolicy, type Decision, type DimseTitle } from '../gateway/dimse/association-policy.ts';
import type { Config } from '../wiring/shapes.ts';

export type Source = Config['gateway']['dimse']['sources'][number];

/** PS3.7 Annex A.2.1 */
const DICOM_APPLICATION_CONTEXT = '1.2.840.10008.3.1.1.1';

export interface Call {
  readonly address: string;
  readonly callingAeTitle: string;
  readonly calledAeTitle: string;
}

/** What the gateway of this configuration would say to title and address, with room for everybody and all proofs given. */
export type Decide = (call: Call) => Decision;

/** @param hosts - of each source, as the start of the hub finds them */
export function decideFor({ gateway: { dimse } }: Config, hosts: ReadonlyMap<Source, readonly string[]>): Decide {
  const policy = associationPolicy(
    dimse.titles,
    dimse.sources.map((source) => ({
      name: source.name,
      aeTitle: source.aeTitle,
      hosts: hosts.get(source) ?? [],
    })),
  );
  return (call) =>
    policy(
      { ...call, protocolVersion: 1, applicationContextUid: DICOM_APPLICATION_CONTEXT },
      {
        isStopping: false,
        isDiskLow: false,
        associations: 0,
        maxAssociations: 1,
        maxAssociationsPerAddress: 1,
        ofSource: () => 0,
        ofAddress: () => 0,
      },
    );
}

/** What a source may call the hub. */
export function titlesFor({ gateway: { dimse } }: Config, source: Source): readonly string[] {
  const titles: readonly DimseTitle[] = dimse.titles;
  const open = titles.filter(({ sources }) => sources?.includes(source.name) !== false);
  return [...new Set(open.map(({ aeTitle }) => aeTitle))];
}

/** What a source must show over TLS, in words of the configuration. */
export function certificateOf({ certificate }: Source): string {
  const prints = certificate?.sha256?.join(' or ');
  return [certificate?.subject, prints].filter((each) => each !== undefined).join(' with the fingerprint ');
}

/** Names become addresses, as at the start of the hub; a name that nobody knows is left out. */
export async function hostsOf(sources: readonly Source[]): Promise<ReadonlyMap<Source, readonly string[]>> {
  const resolved = await Promise.all(
    sources.map(async (source) => [source, (await Promise.all(source.hosts.map(addressesOf))).flat()] as const),
  );
  return new Map(resolved);
}

/** An address or range as it is. */
export async function addressesOf(host: string): Promise<readonly string[]> {
  if (isAddressOrRange(host)) return [host];
  return await lookup(host, { all: true }).then(
    (found) => found.map(({ address }) => address),
    () => [],
  );
}

export function isAddressOrRange(host: string): boolean {
  return isIP(host.split('/')[0] ?? '') !== 0;
}
