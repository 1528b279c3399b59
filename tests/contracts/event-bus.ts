import { expect } from 'chai';
import type { PositionedEvent } from '../../core/events.ts';
import type { NewEvent } from '../../core/ledger/common.ts';
import type { EventBus, SubscribeOptions } from '../../core/ports.ts';
import { waitFor } from '../support/wait-for.ts';
import { audited } from './ledger-facts.ts';

export interface BusUnderTest {
  readonly bus: EventBus;
  /** Makes facts true; they reach the bus by themselves. */
  readonly publish: (events: readonly NewEvent[]) => Promise<void>;
  /** Ends the bus without warning, as a crash would, and starts another on what it left behind. */
  readonly restart: () => Promise<EventBus>;
  /** A bus of another replica of the hub, beside the first; absent where there can be only one. */
  readonly another?: () => Promise<EventBus>;
}

const FROM_START: SubscribeOptions = { group: 'router', streams: ['hub.audit.v1'], from: 'earliest' };

/** What every bus does, whatever carries the facts. */
export function describeEventBus(
  name: string,
  open: () => Promise<BusUnderTest & { readonly remove: () => Promise<void> }>,
  options: { readonly hasReplicas?: boolean } = {},
): void {
  describe(`the event bus ${name}`, () => {
    let current: (BusUnderTest & { readonly remove: () => Promise<void> }) | undefined;
    const subject = (): BusUnderTest => {
      if (current === undefined) throw new Error('asked for outside of a test');
      return current;
    };

    const withReplicas = () => {
      const { another, ...rest } = subject();
      if (another === undefined) throw new Error('there is one replica only');
      return { ...rest, another };
    };

    beforeEach(async () => {
      current = await open();
    });

    afterEach(async () => {
      await current?.remove();
      current = undefined;
    });

    it('hands every fact of its streams to the group, in order per key', async () => {
      const { bus, publish } = subject();
      const seen = new Journal();
      await publish(numbered(['a', 'b', 'c'], 1, 100));

      await bus.subscribe(FROM_START, seen.handle);
      await publish(numbered(['a', 'b', 'c'], 101, 200));

      await waitFor('all facts', () => seen.total === 600);
      for (const key of ['a', 'b', 'c']) expect(seen.of(key)).to.deep.equal(range(1, 200));
    });

    it('hands every fact to each group', async () => {
      const { bus, publish } = subject();
      const journals = [new Journal(), new Journal()];
      for (const [index, journal] of journals.entries()) {
        await bus.subscribe({ ...FROM_START, group: `group-${index}` }, journal.handle);
      }

      await publish(numbered(['a'], 1, 20));

      for (const journal of journals) {
        await waitFor('all facts', () => journal.total === 20);
        expect(journal.of('a')).to.deep.equal(range(1, 20));
      }
    });

    it('hands over no fact of another stream, and begins with the next one when asked to', async () => {
      const { bus, publish } = subject();
      const [latest, other] = [new Journal(), new Journal()];
      await publish(numbered(['a'], 1, 5));
      await bus.subscribe({ ...FROM_START, group: 'latest', from: 'latest' }, latest.handle);
      await bus.subscribe({ ...FROM_START, group: 'other', streams: ['hub.work.v1'] }, other.handle);

      await publish(numbered(['a'], 6, 8));

      await waitFor('the new facts', () => latest.total >= 3);
      expect(latest.of('a')).to.deep.equal([6, 7, 8]);
      expect(other.total).to.equal(0);
    });

    it('repeats what was not finished when it was cut off, and loses nothing', async () => {
      const { bus, publish, restart } = subject();
      const before = new Journal();
      let hang = (): void => undefined;
      const hanging = new Promise<void>((resolve) => (hang = resolve));
      await bus.subscribe(FROM_START, async (event) => {
        if (before.total === 3) await hanging;
        await before.handle(event);
      });
      await publish(numbered(['a'], 1, 10));
      await waitFor('the first facts', () => before.total === 3);

      const after = new Journal();
      const next = await restart();
      await next.subscribe(FROM_START, after.handle);

      await waitFor('the last fact', () => after.of('a').includes(10));
      hang();
      const seen = after.of('a');
      expect(seen[0]).to.be.at.most(4);
      expect(seen).to.deep.equal(range(seen[0] ?? 0, 10));
    });

    it('goes on where it was after an orderly stop', async () => {
      const { bus, publish, restart } = subject();
      const before = new Journal();
      const subscription = await bus.subscribe(FROM_START, before.handle);
      await publish(numbered(['a'], 1, 5));
      await waitFor('the first facts', () => before.total === 5);
      await subscription.stop();
      await subscription.stop();
      await publish(numbered(['a'], 6, 7));

      const after = new Journal();
      const next = await restart();
      await next.subscribe(FROM_START, after.handle);

      await waitFor('the later facts', () => after.total >= 2);
      expect(before.total).to.equal(5);
      expect(after.of('a')).to.deep.equal([6, 7]);
    });

    it('sets a failing key aside, lets the others go on, and keeps its order when it comes back', async () => {
      const { bus, publish } = subject();
      const seen = new Journal();
      let isBroken = true;
      let failures = 0;
      await bus.subscribe(FROM_START, async (event) => {
        if (event.key === 'poison' && numberOf(event) === 3 && isBroken) {
          failures += 1;
          throw new Error('cannot');
        }
        await seen.handle(event);
      });

      await publish(numbered(['good', 'poison'], 1, 10));

      await waitFor('the other key', () => seen.of('good').length === 10);
      await waitFor('a second try', () => failures >= 2);
      expect(seen.of('poison')).to.deep.equal([1, 2]);
      const lag = await waitFor('the others to be behind', async () =>
        (await bus.lag()).find(({ events }) => events === 8),
      );
      expect(lag).to.include({ group: 'router', stream: 'hub.audit.v1', parkedKeys: 1 });
      expect(lag.seconds).to.be.greaterThan(0);
      isBroken = false;
      await waitFor('the parked key', () => seen.of('poison').length === 10);
      expect(seen.of('poison')).to.deep.equal(range(1, 10));
    });

    it('remembers what it set aside over a restart', async () => {
      const { bus, publish, restart } = subject();
      const before = new Journal();
      await bus.subscribe(FROM_START, async (event) => {
        if (event.key === 'poison') throw new Error('cannot');
        await before.handle(event);
      });
      await publish(numbered(['good', 'poison'], 1, 4));
      await waitFor('the other key', () => before.total === 4);
      await waitFor('the parked key', async () => (await bus.lag())[0]?.events === 4);

      const after = new Journal();
      const next = await restart();
      await next.subscribe(FROM_START, after.handle);
      await publish(numbered(['poison'], 5, 5));

      await waitFor('the parked key', () => after.of('poison').includes(5));
      expect(after.of('poison')).to.deep.equal(range(1, 5));
      expect(after.of('good')).to.deep.equal([]);
    });

    it('replays from a position', async () => {
      const { bus, publish } = subject();
      const seen: PositionedEvent[] = [];
      await bus.subscribe(FROM_START, async (event) => void seen.push(event));
      await publish(numbered(['a'], 1, 6));
      await waitFor('all facts', () => seen.length === 6);

      await bus.seek('router', seen[3]?.position ?? 0);

      await waitFor('the facts again', () => seen.length >= 9);
      expect(seen.slice(6).map(numberOf)).to.deep.equal([4, 5, 6]);
    });

    it('replays from a time', async () => {
      const { bus, publish } = subject();
      const seen: PositionedEvent[] = [];
      await bus.subscribe(FROM_START, async (event) => void seen.push(event));
      await publish(numbered(['a', 'b'], 1, 3));
      await waitFor('the first facts', () => seen.length === 6);
      const since = await waitFor('a later millisecond', () => {
        const now = new Date();
        return seen.every(({ time }) => Date.parse(time) < now.getTime()) && now;
      });
      await publish(numbered(['a', 'b'], 4, 5));
      await waitFor('all facts', () => seen.length === 10);

      await bus.seek('router', since);

      await waitFor('the facts again', () => seen.length >= 14);
      for (const key of ['a', 'b']) {
        expect(
          seen
            .slice(10)
            .filter((event) => event.key === key)
            .map(numberOf),
        ).to.deep.equal([4, 5]);
      }
    });

    it('replays as often as it is asked to', async () => {
      const { bus, publish } = subject();
      const seen: PositionedEvent[] = [];
      await bus.subscribe(FROM_START, async (event) => void seen.push(event));
      await publish(numbered(['a'], 1, 3));
      await waitFor('all facts', () => seen.length === 3);
      const from = seen[1]?.position ?? 0;

      await bus.seek('router', from);
      await waitFor('the facts again', () => seen.length === 5);
      await bus.seek('router', from);
      await publish(numbered(['a'], 4, 4));

      await waitFor('the facts once more', () => seen.length === 8);
      expect(seen.map(numberOf)).to.deep.equal([1, 2, 3, 2, 3, 2, 3, 4]);
    });

    it('keeps the order of a key over the streams of a group', async () => {
      const { bus, publish } = subject();
      const seen: PositionedEvent[] = [];
      await bus.subscribe(
        { group: 'both', streams: ['hub.audit.v1', 'hub.work.v1'], from: 'earliest' },
        async (event) => void seen.push(event),
      );

      for (let round = 1; round <= 20; round += 1) {
        await publish([audited('a', String(round)), unrouted('a'), audited('b', String(round)), unrouted('b')]);
      }

      await waitFor('all facts', () => seen.length === 80);
      for (const key of ['a', 'b']) {
        const positions = seen.filter((event) => event.key === key).map(({ position }) => position);
        expect(positions).to.deep.equal(positions.toSorted((a, b) => a - b));
        expect(new Set(positions).size).to.equal(40);
      }
    });

    it('replays for a group that is not there at the moment', async () => {
      const { bus, publish } = subject();
      const seen: PositionedEvent[] = [];
      const subscription = await bus.subscribe(FROM_START, async (event) => void seen.push(event));
      await publish(numbered(['a'], 1, 3));
      await waitFor('all facts', () => seen.length === 3);
      await subscription.stop();

      await bus.seek('router', seen[1]?.position ?? 0);
      const again = new Journal();
      await bus.subscribe(FROM_START, again.handle);

      await waitFor('the facts again', () => again.total >= 2);
      expect(again.of('a')).to.deep.equal([2, 3]);
    });

    it('says how far a group is behind', async () => {
      const { bus, publish } = subject();
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      const seen = new Journal();
      await bus.subscribe(FROM_START, async (event) => {
        await released;
        await seen.handle(event);
      });
      await publish(numbered(['a'], 1, 5));

      const [behind] = await bus.lag();
      release();
      const caughtUp = await waitFor('all facts', async () => (await bus.lag()).find(({ events }) => events === 0));

      expect(behind).to.include({ group: 'router', stream: 'hub.audit.v1', events: 5, parkedKeys: 0 });
      expect(behind?.seconds).to.be.at.least(0);
      expect(caughtUp).to.include({ events: 0, seconds: 0 });
    });

    it('tells the handler to hurry when it stops, waits for it, and forgets nothing', async () => {
      const { bus, publish, restart } = subject();
      let wasToldToStop = false;
      let started = false;
      const subscription = await bus.subscribe(FROM_START, async (_event, { signal }) => {
        started = true;
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        wasToldToStop = true;
        throw new Error('given up');
      });
      await publish(numbered(['a'], 1, 1));
      await waitFor('the handler', () => started);

      await subscription.stop();

      expect(wasToldToStop).to.equal(true);
      const after = new Journal();
      const next = await restart();
      await next.subscribe(FROM_START, after.handle);
      await waitFor('the fact again', () => after.total === 1);
    });

    it('refuses a second member of a group, which would break the order', async () => {
      const { bus } = subject();
      await bus.subscribe(FROM_START, async () => undefined);

      const second = await bus.subscribe(FROM_START, async () => undefined).catch((error: unknown) => error);

      expect(second).to.be.instanceOf(TypeError);
    });

    if (options.hasReplicas === true) {
      it('shares a group among replicas, and goes on with what one leaves', async () => {
        const { bus, publish, another } = withReplicas();
        const keys = Array.from({ length: 12 }, (_, index) => `study-${String(index)}`);
        const journal = new Journal();
        const first = await bus.subscribe(FROM_START, journal.handle);
        const other = await another();
        await other.subscribe(FROM_START, journal.handle);

        await publish(numbered(keys, 1, 20));
        await waitFor('the facts', () => keys.every((key) => journal.of(key).includes(20)));
        await first.stop();
        await publish(numbered(keys, 21, 30));

        await waitFor('the later facts', () => keys.every((key) => journal.of(key).includes(30)));
        // A replica that joins or leaves may see again what the one before it had seen; nobody sees it out of order.
        for (const key of keys) expect(firstTimes(journal.of(key))).to.deep.equal(range(1, 30));
      });

      it('replays a group whose members are elsewhere', async () => {
        const { bus, publish, another } = withReplicas();
        const seen: PositionedEvent[] = [];
        const other = await another();
        await other.subscribe(FROM_START, async (event) => void seen.push(event));
        await publish(numbered(['a'], 1, 4));
        await waitFor('all facts', () => seen.length === 4);

        await bus.seek('router', seen[2]?.position ?? 0);

        await waitFor('the facts again', () => seen.length === 6);
        expect(seen.slice(4).map(numberOf)).to.deep.equal([3, 4]);
      });
    }

    it('stops twice without harm and takes no subscription afterwards', async () => {
      const { bus } = subject();

      await bus.stop();
      await bus.stop();

      const late = await bus.subscribe(FROM_START, async () => undefined).catch((error: unknown) => error);
      expect(late).to.be.instanceOf(TypeError);
    });
  });
}

/** Without what was seen before. */
function firstTimes(numbers: readonly number[]): readonly number[] {
  return [...new Set(numbers)];
}

/** What a handler saw. */
class Journal {
  readonly #numbers = new Map<string, number[]>();
  total = 0;

  readonly handle = async (event: PositionedEvent): Promise<void> => {
    this.total += 1;
    const numbers = this.#numbers.get(event.key) ?? [];
    numbers.push(numberOf(event));
    this.#numbers.set(event.key, numbers);
  };

  of(key: string): readonly number[] {
    return this.#numbers.get(key) ?? [];
  }
}

function numbered(keys: readonly string[], first: number, last: number): readonly NewEvent[] {
  return range(first, last).flatMap((number) => keys.map((key) => audited(key, String(number))));
}

function unrouted(key: string): NewEvent {
  const data = { studyInstanceUid: '1.2', revision: 1, instances: 1, routesTried: 0, configVersion: 'x' };
  return { type: 'study.unrouted', stream: 'hub.work.v1', key, data };
}

function numberOf(event: PositionedEvent): number {
  return 'subject' in event.data ? Number(event.data.subject) : NaN;
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
