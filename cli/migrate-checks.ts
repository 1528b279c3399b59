/** Which moves `hub migrate` can make, told from the two configurations alone. */
import { resolve } from 'node:path';
import { HubError } from '../core/errors.ts';
import type { Config } from '../wiring/shapes.ts';

export interface Move {
  readonly from: Config;
  readonly to: Config;
  readonly isLedgerMoved: boolean;
  /** What lies in the data folder goes into the bucket. */
  readonly isStoreMoved: boolean;
  /** The hub has used the bucket before. */
  readonly isSameBucket: boolean;
}

/** @throws {HubError} `move.refused` */
export function requireMove(from: Config, to: Config): Move {
  const refuse = (detail: string) => new HubError('move.refused', { detail });
  if (from.ledger.kind !== 'sqlite') throw refuse('only a ledger in a file is moved; a database has tools of its own');
  const isLedgerMoved = to.ledger.kind === 'postgres';
  const isStoreMoved = to.store.kind === 's3';
  const isSameBucket = isSame(from.store, to.store) && isStoreMoved;
  if (from.store.kind === 's3' && !isSameBucket) {
    throw refuse(
      'the hub keeps its bytes in a bucket: name the same bucket, endpoint and prefix; buckets are copied by their own tools',
    );
  }
  if (!isLedgerMoved && (!isStoreMoved || isSameBucket)) {
    throw refuse('both configurations have the same kinds of ledger and store: there is nothing to move');
  }
  if (isSameBucket && from.hub.node !== to.hub.node) {
    throw refuse(
      `the packs in the bucket are those of hub.node ${from.hub.node}: give the hub the same hub.node again`,
    );
  }
  if (resolve(from.hub.data) !== resolve(to.hub.data) && !(isLedgerMoved && isStoreMoved)) {
    throw refuse(
      'hub.data is another folder, and something stays in it: only a hub that moves whole may have another one',
    );
  }
  return { from, to, isLedgerMoved, isStoreMoved, isSameBucket };
}

function isSame(one: Config['store'], other: Config['store']): boolean {
  if (one.kind !== 's3' || other.kind !== 's3') return one.kind === other.kind;
  return one.bucket === other.bucket && one.endpoint === other.endpoint && one.prefix === other.prefix;
}
