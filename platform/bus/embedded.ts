/**
 * The bus of a hub without a broker: the ledger's log is the topic, a group is a position in it. Commits wake the
 * groups, a slow timer wakes them too, for what a lost wake-up or another clock leaves behind. Of several replicas on
 * one ledger one at a time reads for a group: whoever has its lease.
 */
import { HeldLease } from '../../core/held-lease.ts';
import type { Ledger } from '../../core/ledger.ts';
import { groupLease } from '../../core/ledger/replicas.ts';
import type { BusLag, Clock, EventBus, Logger } from '../../core/ports.ts';
import { GroupReader } from './group-reader.ts';
import type { ParkedRetry } from './parked-keys.ts';
import { positionAt } from './position-at.ts';

export interface EmbeddedBusOptions {
  readonly ledger: Ledger;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly retry?: ParkedRetry;
  /** Absent: nobody else reads from this ledger. */
  readonly replica?: BusReplica;
}

export interface BusReplica {
  /** Of this replica; the same after a restart, and no other has it. */
  readonly owner: string;
  /** As long as the groups of a replica that died wait for another one; 15 seconds unless given. */
  readonly leaseMs?: number;
}

const LEASE_MS = 15_000;
const RETRY = { firstDelayMs: 1_000, maxDelayMs: 60_000 };

export function openEmbeddedBus(options: EmbeddedBusOptions): EventBus {
  const { ledger, log, clock = { now: () => new Date() }, retry = RETRY, replica } = options;
  const leaseOf = (group: string): HeldLease | undefined => {
    if (replica === undefined) return undefined;
    const { owner, leaseMs = LEASE_MS } = replica;
    const onAcquired = () => readers.get(group)?.wake();
    return new HeldLease({ ledger, clock }, { name: groupLease(group), owner, leaseMs, onAcquired });
  };
  const readers = new Map<string, GroupReader>();
  const wakeAll = () => {
    for (const reader of readers.values()) reader.wake();
  };
  const forget = ledger.onCommit(wakeAll);
  let stopped = false;

  return {
    async subscribe({ group, streams, from }, handler) {
      if (stopped) throw new TypeError('the bus has stopped');
      // Order holds within one reader; a second one of the same group would overtake it.
      if (readers.has(group)) throw new TypeError(`group ${group} is subscribed already`);
      const lease = leaseOf(group);
      const reader = new GroupReader(
        {
          ...{ group, streams, ledger, log: log.child({ group }), clock, retry },
          ...(lease === undefined ? {} : { lease }),
        },
        handler,
      );
      readers.set(group, reader);
      try {
        await reader.start(from);
      } catch (error) {
        readers.delete(group);
        throw error;
      }
      return {
        async stop() {
          await reader.stop();
          if (readers.get(group) === reader) readers.delete(group);
        },
      };
    },
    async seek(group, to) {
      const position = await positionAt(ledger, to);
      const reader = readers.get(group);
      // Whoever reads, here or elsewhere, finds that its fence has ended, and what the ledger says of the group then.
      if (reader === undefined || replica !== undefined) await ledger.groups.rewind(group, position);
      else await reader.seek(position);
    },
    lag: (): Promise<readonly BusLag[]> =>
      ledger.groups.lag([...readers.values()].map(({ group, streams }) => ({ group, streams }))),
    async stop() {
      stopped = true;
      forget();
      await Promise.all([...readers.values()].map((reader) => reader.stop()));
      readers.clear();
    },
  };
}
