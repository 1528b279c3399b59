/**
 * The bus through Kafka. Facts are appended to the ledger first, which is the outbox; a relay brings them to the brokers,
 * groups take them from there. Kafka is transport: while it is down events wait, nothing else stops, and what it loses
 * the ledger still has.
 */
import type { ISocketFactory } from 'kafkajs';
import type { HubError } from '../../../core/errors.ts';
import type { PositionedEvent } from '../../../core/events.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { Clock, EventBus, Logger } from '../../../core/ports.ts';
import { type HubStream, type PartnerStream, type Stream, STREAMS } from '../../../core/streams.ts';
import { type ParkedRetry, unparkFrom } from '../parked-keys.ts';
import { positionAt } from '../position-at.ts';
import { type KafkaConnection, openKafka } from './client.ts';
import { KafkaGroup } from './group.ts';
import { type GroupTimings, TIMINGS } from './group-options.ts';
import { type KnownOffsets, lagOf } from './lag.ts';
import { moveGroup } from './lanes.ts';
import { Offsets } from './offsets.ts';
import { whyNotKafka } from './probe.ts';
import { type Passage, Relay, type RelayOptions } from './relay.ts';
import { ensureStreams, type TopicRules } from './streams.ts';

export interface KafkaBusOptions {
  readonly ledger: Ledger;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
  readonly hubName: string;
  /** Of this replica of the hub. */
  readonly owner: string;
  readonly connection: Omit<KafkaConnection, 'socketFactory'>;
  readonly topics: TopicRules;
  /** Before the names of the hub's consumer groups. */
  readonly groupPrefix: string;
  /** Partners that read from Kafka. */
  readonly partners: readonly string[];
  /** What of a partner's stream may go to its topic, asked when it is about to; absent: all of it. */
  readonly passage?: ((partner: string, event: PositionedEvent) => Promise<Passage>) | undefined;
  readonly retry?: ParkedRetry | undefined;
  readonly relayRetry?: ParkedRetry | undefined;
  readonly timings?: GroupTimings | undefined;
  readonly socketFactory?: ISocketFactory | undefined;
  readonly counts?: KafkaCounts | undefined;
}

/** What is counted as it happens. */
export interface KafkaCounts {
  sent(stream: Stream, events: number): void;
  restarted(group: string): void;
  foreign(stream: HubStream): void;
}

/** What is wrong with the bus, and how much so. */
export interface BusProblem {
  /** `degraded`: events wait, the rest works. `crashed`: this replica reads nothing. `stalled`: restart it. */
  readonly severity: 'degraded' | 'crashed' | 'stalled';
  readonly error: HubError;
}

export interface KafkaBus extends EventBus {
  problems(): readonly BusProblem[];
  /** What waits for Kafka, by relay. */
  waiting(): Promise<readonly { readonly relay: string; readonly events: number; readonly seconds: number }[]>;
}

const RETRY: ParkedRetry = { firstDelayMs: 1_000, maxDelayMs: 60_000 };
/** So many are asked whether they are Kafka at all. */
const PROBED_BROKERS = 3;

export function openKafkaBus(options: KafkaBusOptions): KafkaBus {
  const { ledger, log, clock = { now: () => new Date() }, connection, socketFactory, topics, retry = RETRY } = options;
  const kafka = openKafka({ ...connection, socketFactory }, log);
  const offsets = new Offsets(kafka);
  const known: KnownOffsets = new Map();
  const groups = new Map<string, KafkaGroup>();
  const verifyHub = shared(() => ensureStreams(kafka, STREAMS, topics));
  const diagnose = async (error: HubError) => {
    if (error.code !== 'bus.unreachable' && error.code !== 'bus.failed') return error;
    const brokers = connection.brokers.slice(0, PROBED_BROKERS);
    const reasons = await Promise.all(brokers.map((broker) => whyNotKafka(broker, connection)));
    return reasons.find((reason) => reason !== undefined) ?? error;
  };
  const identity = identityOf(ledger);
  const relayOf = (
    name: string,
    streams: readonly Stream[],
    verify: () => Promise<void>,
    passage?: RelayOptions['passage'],
  ) =>
    new Relay({
      name: `kafka/${name}`,
      streams,
      verify,
      passage,
      diagnose,
      ledger,
      kafka,
      clock,
      hubName: options.hubName,
      partitions: topics.partitions,
      identity,
      owner: options.owner,
      log: log.child({ relay: name }),
      onSent: (stream, events) => options.counts?.sent(stream, events),
      retry: options.relayRetry,
    });
  const hubRelay = relayOf('hub', STREAMS, verifyHub);
  // One for each: a topic that one partner lost must keep nobody else waiting.
  const relays = [
    hubRelay,
    ...options.partners.map((partner) => {
      const stream: PartnerStream = `partner.${partner}.v1`;
      const passage = (event: PositionedEvent) => options.passage?.(partner, event) ?? Promise.resolve('pass' as const);
      return relayOf(stream, [stream], () => ensureStreams(kafka, [stream], topics), passage);
    }),
  ];
  const forget = ledger.onCommit(() => relays.forEach((relay) => relay.wake()));
  for (const relay of relays) relay.start();
  let stopped: Promise<void> | undefined;

  return {
    async subscribe({ group, streams, from }, handler) {
      if (stopped !== undefined) throw new TypeError('the bus has stopped');
      // Order holds within one reader of a process; other processes share the group by partitions.
      if (groups.has(group)) throw new TypeError(`group ${group} is subscribed already`);
      const reader = new KafkaGroup(
        {
          group,
          groupId: options.groupPrefix + group,
          streams,
          partitions: topics.partitions,
          hubName: options.hubName,
          identity,
          ledger,
          kafka,
          offsets,
          verify: verifyHub,
          diagnose,
          log: log.child({ group }),
          clock,
          retry,
          timings: options.timings ?? TIMINGS,
          onRestart: () => options.counts?.restarted(group),
          onForeign: (stream) => options.counts?.foreign(stream),
        },
        handler,
      );
      groups.set(group, reader);
      try {
        // Where a group begins is decided now, and not when Kafka answers.
        await ledger.groups.open(group, from);
      } catch (error) {
        groups.delete(group);
        throw error;
      }
      reader.start();
      return {
        async stop() {
          await reader.stop();
          if (groups.get(group) === reader) groups.delete(group);
        },
      };
    },
    async seek(group, to) {
      const position = await positionAt(ledger, to);
      await moveGroup(ledger, group, position);
      await unparkFrom(ledger, group, position);
      await groups.get(group)?.moved();
    },
    async lag() {
      const ports = { ledger, offsets, relay: hubRelay, clock, partitions: topics.partitions };
      const rows = await Promise.all([...groups.values()].map(({ options: group }) => lagOf(group, ports, known)));
      return rows.flat();
    },
    problems: () => [
      ...relays.flatMap(({ problem }) =>
        problem === undefined ? [] : [{ severity: 'degraded' as const, error: problem }],
      ),
      ...[...groups.values()].flatMap(({ problem }) => problem ?? []),
    ],
    waiting: () => Promise.all(relays.map(async (relay) => ({ relay: relay.name, ...(await relay.waiting()) }))),
    stop() {
      stopped ??= (async () => {
        forget();
        await Promise.all([...groups.values()].map((group) => group.stop()));
        groups.clear();
        await Promise.all(relays.map((relay) => relay.stop()));
        await offsets.close();
      })();
      return stopped;
    },
  };
}

/**
 * What tells this ledger from one that was there before under the same topics: its first event. A ledger that was made
 * anew counts from 1 again, and what the one before it sent would be taken for places of this one.
 */
function identityOf(ledger: Pick<Ledger, 'events'>): () => Promise<string> {
  let known: string | undefined;
  return async () => {
    known ??= (await ledger.events.read({ streams: STREAMS, after: 0, limit: 1 }))[0]?.id;
    return known ?? 'empty';
  };
}

/** Who asks while somebody waits for the answer gets the same one. */
function shared(ask: () => Promise<void>): () => Promise<void> {
  let asking: Promise<void> | undefined;
  return () => {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}
