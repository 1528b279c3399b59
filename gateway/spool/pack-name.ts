/** What packs of received objects are called in an object store that several hubs share. */

export interface PackOrigin {
  /** The hub that received. */
  readonly node: string;
  readonly segment: string;
  /** The bytes [from, to) of the segment. */
  readonly from: number;
  readonly to: number;
  /** Makes each attempt's name a new one: 12 hexadecimal digits. */
  readonly mark: string;
}

/** In front of all of them. */
export const PACKS = 'spool/';

export function packName({ node, segment, from, to, mark }: PackOrigin): string {
  return `${PACKS}${node}/${segment.replace(/\.seg$/, '')}-${String(from)}-${String(to)}-${mark}.seg`;
}

/** Undefined for what no hub has named. */
export function packOrigin(pack: string): PackOrigin | undefined {
  const [, node, segment, from, to, mark] = /^spool\/([^/]+)\/(\d+)-(\d+)-(\d+)-([0-9a-f]{12})\.seg$/.exec(pack) ?? [];
  if (node === undefined || segment === undefined || mark === undefined) return undefined;
  return { node, segment: `${segment}.seg`, from: Number(from), to: Number(to), mark };
}
