/** The embedded bus where several hubs share a ledger: one at a time reads for a group. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect } from 'chai';
import type { EventBus } from '../../../core/ports.ts';
import { openEmbeddedBus } from '../../../platform/bus/embedded.ts';
import type { PostgresLedger } from '../../../platform/ledger/postgres/client.ts';
import type { PostgresServer } from '../../../platform/ledger/postgres/connection.ts';
import { describeEventBus } from '../../contracts/event-bus.ts';
import { audited } from '../../contracts/ledger-facts.ts';
import { execute, postgres } from '../../support/postgres.ts';
import { silentLog } from '../../support/silent-log.ts';
import { waitFor } from '../../support/wait-for.ts';
import { Replicas } from '../ledger/postgres-ledgers.ts';
import type { MemberNews, MemberOrder } from './group-member.ts';
import { mortal } from './mortal-ledger.ts';

const RETRY = { firstDelayMs: 20, maxDelayMs: 100 };
const LEASE_MS = 2_000;
const MACHINE_CLOCK = { now: () => new Date() };

before(async function () {
  this.timeout(60_000);
  await postgres();
});

describeEventBus(
  'in a ledger that replicas share',
  async () => {
    const server = await (await postgres()).createDatabase();
    const replicas = new Replicas();
    const ledgers = [
      await replicas.open(server, { clock: MACHINE_CLOCK }),
      await replicas.open(server, { clock: MACHINE_CLOCK }),
    ] as const;
    const buses: EventBus[] = [];
    let die = (): void => undefined;
    const open = (ledger: PostgresLedger, owner: string) => {
      let isAlive = true;
      die = () => (isAlive = false);
      const bus = openEmbeddedBus({
        ...{ ledger: mortal(ledger, () => isAlive), log: silentLog, retry: RETRY, clock: ledger.clock },
        replica: { owner, leaseMs: LEASE_MS },
      });
      buses.push(bus);
      return bus;
    };
    return {
      bus: open(ledgers[0], 'replica-1'),
      publish: async (events) => {
        await ledgers[0].events.append(events);
      },
      restart: () => {
        die();
        return Promise.resolve(open(ledgers[0], 'replica-1'));
      },
      another: () => Promise.resolve(open(ledgers[1], 'replica-2')),
      remove: async () => {
        await Promise.all(buses.map((bus) => bus.stop()));
        await replicas.close();
      },
    };
  },
  { hasReplicas: true },
);

describe('a group of the embedded bus whose reader', function () {
  this.timeout(40_000);
  let replicas: Replicas;
  let server: PostgresServer;
  let ledger: PostgresLedger;
  const members: Member[] = [];
  beforeEach(async () => {
    server = await (await postgres()).createDatabase();
    replicas = new Replicas();
    ledger = await replicas.open(server, { clock: MACHINE_CLOCK });
  });
  afterEach(async () => {
    await Promise.all(members.splice(0).map((member) => member.kill()));
    await replicas.close();
  });
  const member = async (owner: string) => {
    const started = new Member({ server, owner, leaseMs: LEASE_MS });
    members.push(started);
    await started.ready();
    return started;
  };
  const place = async () => {
    const [row] = await execute(server, `SELECT position FROM groups WHERE group_name = 'router'`);
    return Number(row?.['position']);
  };

  it('was killed is read by another one as soon as its lease is over, from where it was', async () => {
    const first = await member('first');
    const second = await member('second');
    await ledger.events.append([audited('a'), audited('b'), audited('slow'), audited('a')]);
    await waitFor('the third event', () => first.begun.includes(3));
    expect(second.begun, 'read by both').to.deep.equal([]);

    const killedMs = performance.now();
    await first.kill();
    await waitFor('the second replica', () => second.begun.includes(3));
    const tookMs = performance.now() - killedMs;
    second.goOn();
    await waitFor('everything', () => second.done.includes(4));

    // The page was not committed: it is seen again from its beginning, in order.
    expect(second.begun).to.deep.equal([1, 2, 3, 4]);
    expect(tookMs).to.be.greaterThan(LEASE_MS / 2);
    process.stdout.write(`        taken over ${tookMs.toFixed(0)} ms after the kill, with a lease of ${LEASE_MS} ms\n`);
    await waitFor('its place', async () => (await place()) === 4);
  });

  it('was stopped in the middle, and goes on when another one reads, writes nothing any more', async () => {
    const first = await member('first');
    await ledger.events.append([audited('a'), audited('slow')]);
    await waitFor('the slow event', () => first.begun.includes(2));
    first.signal('SIGSTOP');
    const second = await member('second');
    await waitFor('the second replica', () => second.begun.includes(2));
    second.goOn();
    await ledger.events.append([audited('a'), audited('b')]);
    await waitFor('its place', async () => (await place()) === 4);

    first.signal('SIGCONT');
    first.goOn();
    await waitFor('the first replica', () => first.done.includes(2));
    await ledger.events.append([audited('a')]);
    await waitFor('the next event', () => [first, second].some(({ done }) => done.includes(5)));
    await waitFor('its place', async () => (await place()) === 5);
    await second.kill();
    await ledger.events.append([audited('b')]);
    await waitFor('the first replica again', () => first.done.includes(6));

    // Neither 3 and 4 again, which it never had, nor its own page once more: it begins where the other one was.
    expect(first.begun.filter((position) => position < 5)).to.deep.equal([1, 2]);
    expect(second.begun.filter((position) => position < 5)).to.deep.equal([1, 2, 3, 4]);
    await waitFor('its place', async () => (await place()) === 6);
  });

  it('is moved by a third one begins there at once', async () => {
    const first = await member('first');
    await ledger.events.append([audited('a'), audited('b'), audited('c')]);
    await waitFor('everything', async () => (await place()) === 3);
    const bus = openEmbeddedBus({ ledger, log: silentLog, clock: ledger.clock, replica: { owner: 'third' } });

    await bus.seek('router', 2);
    await waitFor('the events again', () => first.done.length === 5);
    await bus.stop();

    expect(first.done).to.deep.equal([1, 2, 3, 2, 3]);
  });
});

class Member {
  readonly begun: number[] = [];
  readonly done: number[] = [];
  readonly #child: ChildProcess;
  readonly #ready: Promise<void>;

  constructor(order: MemberOrder) {
    const args = [JSON.stringify(order)];
    this.#child = fork(join(import.meta.dirname, 'group-member.ts'), args, { execArgv: process.execArgv });
    this.#ready = new Promise((resolve, reject) => {
      this.#child.on('message', ({ what, position = 0 }: MemberNews) => {
        if (what === 'ready') resolve();
        else this[what].push(position);
      });
      this.#child.on('exit', (code) => reject(new Error(`the replica ended with ${String(code)}`)));
    });
    this.#ready.catch(() => undefined); // Killed when the test is over.
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  goOn(): void {
    this.#child.send('go on');
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
