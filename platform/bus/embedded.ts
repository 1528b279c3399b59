/**
 * The bus of a hub without a broker: the ledger's log is the topic, a group is a position in it. Commits wake the
 * groups, a slow timer wakes them too, for what a lost wake-up or another clock leaves behind.
 */
import type { Ledger } from '../../core/ledger.ts';
import type { BusLag, Clock, EventBus, Logger } from '../../core/ports.ts';
import { GroupReader } from './group-reader.ts';
import { type ParkedRetry, unparkFrom } from './parked-keys.ts';
import { positionAt } from './position-at.ts';

export interface EmbeddedBusOptions {
  readonly ledger: Ledger;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly retry?: ParkedRetry;
}

const RETRY = { firstDelayMs: 1_000, maxDelayMs: 60_000 };

export function openEmbeddedBus(options: EmbeddedBusOptions): EventBus {
  const { ledger, log, clock = { now: () => new Date() }, retry = RETRY } = options;
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
      const reader = new GroupReader({ group, streams, ledger, log: log.child({ group }), clock, retry }, handler);
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
      if (reader !== undefined) return reader.seek(position);
      await ledger.groups.commit(group, position - 1);
      await unparkFrom(ledger, group, position);
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
