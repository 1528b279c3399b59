import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ledger } from '../../../../core/ledger.ts';
import type { Logger } from '../../../../core/ports.ts';
import { type KafkaBus, type KafkaBusOptions, openKafkaBus } from '../../../../platform/bus/kafka/bus.ts';
import { openSqliteLedger } from '../../../../platform/ledger/sqlite/client.ts';
import type { BusUnderTest } from '../../../contracts/event-bus.ts';
import { adminOf } from '../../../support/kafka.ts';
import { silentLog } from '../../../support/silent-log.ts';
import { waitFor } from '../../../support/wait-for.ts';
import { mortal } from '../mortal-ledger.ts';

const RETRY = { firstDelayMs: 20, maxDelayMs: 100 };
/** A member that is gone is missed in a second, not in half a minute. */
const TIMINGS = {
  sessionMs: 1_500,
  heartbeatMs: 300,
  rebalanceMs: 3_000,
  maxWaitMs: 200,
  stallMs: 60_000,
  lookMs: 500,
};
export const PARTITIONS = 6;

/** Few partitions: what is tested is what happens in them, and one broker has to make them for each test. */
export function busOptions(ledger: Ledger, broker: string, changes: Partial<KafkaBusOptions> = {}): KafkaBusOptions {
  return {
    ledger,
    log: silentLog,
    hubName: 'test',
    owner: 'replica-1',
    connection: { clientId: 'hub-test', brokers: [broker] },
    topics: { partitions: PARTITIONS, replication: 1, mayCreate: true },
    groupPrefix: 'hub.test.',
    partners: [],
    retry: RETRY,
    relayRetry: RETRY,
    timings: TIMINGS,
    ...changes,
  };
}

/** A ledger of its own and a bus on it, on a broker whose topics are thrown away afterwards. */
export async function busOnKafka(
  broker: string,
  log: Logger = silentLog,
): Promise<BusUnderTest & { readonly ledger: Ledger; readonly remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'bus-'));
  const ledger = await openSqliteLedger({ file: join(folder, 'ledger.db') });
  const buses: KafkaBus[] = [];
  let cut = (): void => undefined;
  const open = (owner: string) => {
    const wires = new Wires();
    let alive = true;
    cut = () => {
      alive = false;
      wires.cut();
    };
    const bus = openKafkaBus(
      busOptions(
        mortal(ledger, () => alive),
        broker,
        { owner, log, socketFactory: (args) => wires.open(args) },
      ),
    );
    buses.push(bus);
    return bus;
  };
  return {
    ledger,
    bus: open('replica-1'),
    publish: async (events) => {
      await ledger.events.append(events);
    },
    restart: () => {
      cut();
      return Promise.resolve(open('replica-1'));
    },
    another: () => Promise.resolve(open('replica-2')),
    remove: async () => {
      await Promise.all(buses.map((bus) => bus.stop()));
      await ledger.close();
      await rm(folder, { recursive: true });
      await removeEverything(broker);
    },
  };
}

/** Topics and groups: the next test begins with an empty broker. */
export async function removeEverything(broker: string, users?: Readonly<Record<string, string>>): Promise<void> {
  const admin = adminOf(broker, users);
  await admin.connect();
  try {
    // A broker hears of what the controller made or removed a little later: it is asked until it knows of none.
    await waitFor('an empty broker', async () => {
      const topics = (await admin.listTopics()).filter((topic) => !topic.startsWith('__'));
      if (topics.length > 0) await admin.deleteTopics({ topics }).catch(() => undefined);
      return topics.length === 0;
    });
    const { groups } = await admin.listGroups();
    // One whose members are not missed yet cannot go; its offsets went with the topics.
    await admin.deleteGroups(groups.map(({ groupId }) => groupId)).catch(() => undefined);
  } finally {
    await admin.disconnect();
  }
}

/** The sockets of one bus: cut, it says goodbye to nobody and reaches nobody again. */
class Wires {
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  open({
    host,
    port,
    onConnect,
  }: {
    readonly host: string;
    readonly port: number;
    readonly onConnect: () => void;
  }): Socket {
    const socket = connect({ host, port: this.#isCut ? 1 : port }, onConnect);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}
