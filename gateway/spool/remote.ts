/** What a gateway does besides where the store is another machine's: ships, clears the local disk, sweeps. */
import type { ObjectStore, PackShelf, PackUploads } from '../../core/store.ts';
import { type PackSweepPorts, sweepPacks } from './pack-sweep.ts';
import { ShippedSegments, type ShippedSegmentsPorts } from './shipped-segments.ts';
import { Shipping, type ShippingOptions, type ShippingPorts } from './shipping.ts';

/** A store that several hubs share. */
export interface RemoteStore {
  /** Reads what is there, and what was received before there was one. */
  readonly objects: Pick<ObjectStore, 'open'>;
  readonly uploads: PackUploads;
  readonly shelf: PackShelf;
}

export interface RemoteOptions extends ShippingOptions {
  /** How long a segment stays on the local disk after it could go. */
  readonly keepLocalMs: number;
}

export interface Remote {
  readonly shipping: Shipping;
  readonly segments: ShippedSegments;
  /** Removes packs that nothing needs; how many. */
  readonly sweep: () => Promise<number>;
}

type Ports = Omit<ShippingPorts, 'uploads'> &
  Omit<ShippedSegmentsPorts, 'onRemoved'> &
  Omit<PackSweepPorts, 'shelf' | 'node'> & { readonly store: RemoteStore };

/** @param recorded - how far the ledger knows each segment of this hub */
export function openRemote(
  { store, ...ports }: Ports,
  options: RemoteOptions,
  recorded: ReadonlyMap<string, number>,
): Remote {
  const shipping = new Shipping({ ...ports, uploads: store.uploads }, options, recorded);
  const onRemoved = (segment: string) => shipping.forget(segment);
  const segments = new ShippedSegments({ ...ports, onRemoved }, options.keepLocalMs);
  for (const [segment, offset] of recorded) segments.told(segment, offset);
  return { shipping, segments, sweep: () => sweepPacks({ ...ports, shelf: store.shelf, node: options.node }) };
}
