import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ledger } from '../../../core/ledger.ts';
import type { EventBus, Logger } from '../../../core/ports.ts';
import { openEmbeddedBus } from '../../../platform/bus/embedded.ts';
import { openSqliteLedger } from '../../../platform/ledger/sqlite/client.ts';
import { describeEventBus } from '../../contracts/event-bus.ts';
import { audited } from '../../contracts/ledger-facts.ts';
import { waitFor } from '../../support/wait-for.ts';
import { mortal } from './mortal-ledger.ts';

const RETRY = { firstDelayMs: 20, maxDelayMs: 100 };
const silent: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silent,
};

describeEventBus('in the ledger', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bus-'));
  const ledger = await openSqliteLedger({ file: join(folder, 'ledger.db') });
  const buses: EventBus[] = [];
  /** Once cut off, nothing of the old bus reaches the ledger any more, as after a crash. */
  let isCutOff = (): void => undefined;
  const open = () => {
    let alive = true;
    isCutOff = () => (alive = false);
    const bus = openEmbeddedBus({ ledger: mortal(ledger, () => alive), log: silent, retry: RETRY });
    buses.push(bus);
    return bus;
  };
  return {
    bus: open(),
    publish: async (events) => {
      await ledger.events.append(events);
    },
    restart: async () => {
      isCutOff();
      return open();
    },
    remove: async () => {
      await Promise.all(buses.map((bus) => bus.stop()));
      await ledger.close();
      await rm(folder, { recursive: true });
    },
  };
});

describe('the embedded bus', () => {
  let folder: string;
  let ledger: Ledger;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bus-'));
    ledger = await openSqliteLedger({ file: join(folder, 'ledger.db') });
  });
  afterEach(async () => {
    await ledger.close();
    await rm(folder, { recursive: true });
  });

  it('waits for the ledger and skips nothing when a commit of its place fails', async () => {
    let failures = 3;
    const groups: Ledger['groups'] = {
      ...ledger.groups,
      commit: async (group, position) => {
        failures -= 1;
        if (failures >= 0) throw new Error('the disk is full');
        return ledger.groups.commit(group, position);
      },
    };
    const bus = openEmbeddedBus({ ledger: { ...ledger, groups }, log: silent, retry: RETRY });
    const seen = new Set<number>();
    await bus.subscribe({ group: 'router', streams: ['hub.audit.v1'], from: 'earliest' }, async ({ position }) => {
      seen.add(position);
    });

    await ledger.events.append([audited('a'), audited('b'), audited('c')]);

    await waitFor('the place', async () => (await bus.lag())[0]?.events === 0);
    await bus.stop();
    expect([...seen]).to.deep.equal([1, 2, 3]);
  });

  it('waits longer after each failure of an event', async () => {
    const waits: number[] = [];
    const groups: Ledger['groups'] = {
      ...ledger.groups,
      park: async (group, event, dueAt, reason, attempts) => {
        waits.push(dueAt.getTime() - now);
        return ledger.groups.park(group, event, dueAt, reason, attempts);
      },
    };
    let now = Date.parse('2026-03-01T08:00:00Z');
    const clock = { now: () => new Date(now) };
    const bus = openEmbeddedBus({ ledger: { ...ledger, groups }, log: silent, clock });
    let calls = 0;
    await bus.subscribe({ group: 'router', streams: ['hub.audit.v1'], from: 'earliest' }, async ({ key }) => {
      if (key !== 'a') return;
      calls += 1;
      throw new Error('cannot');
    });
    await ledger.events.append([audited('a')]);

    for (let round = 1; round <= 9; round += 1) {
      await waitFor(`try ${round}`, () => calls === round && waits.length === round);
      now += 61_000;
      // Any commit wakes the group; its clock then says that the time has come.
      await ledger.events.append([audited('b')]);
    }
    await bus.stop();

    for (const [index, wait] of waits.entries()) {
      const step = Math.min(60_000, 1000 * 2 ** index);
      expect(wait).to.be.within(step / 2, step);
    }
  });
});
