/** The gateway stage: its doors, the spool behind them, the pump to the ledger and the watcher of quiet studies. */
import { join } from 'node:path';
import { HubError } from '../core/errors.ts';
import type { CompletionRule, Ledger } from '../core/ledger.ts';
import type { Clock, Logger, Metrics } from '../core/ports.ts';
import { Arrivals } from './arrivals.ts';
import { associationPolicy, type DimseSource } from './dimse/association-policy.ts';
import type { DimseTimeouts } from './dimse/association.ts';
import { DimseListener } from './dimse/listener.ts';
import { sourceOfAddress } from './dicomweb/source.ts';
import { stowRouter, type StowLimits } from './dicomweb/stow.ts';
import { ingest, type IngestPorts } from './ingest.ts';
import { gatewayMetrics, type GatewayMetrics } from './metrics.ts';
import { type Refusal, Refusals } from './refusals.ts';
import type { DiskLimits } from './spool/disk-guard.ts';
import { openSpoolFolder, type SpoolFiles } from './spool/files.ts';
import { SpoolPump } from './spool/pump.ts';
import type { SpooledRecord } from './spool/recovery.ts';
import { openSpool, type Spool } from './spool/spool.ts';
import { StudyWatcher } from './study-watcher.ts';
import { parseSopInstanceUid, parseStudyInstanceUid } from '../core/identifiers.ts';

export interface GatewayPorts {
  readonly ledger: Ledger;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** The real folder unless a test watches or breaks it. */
  readonly files?: SpoolFiles;
}

export interface GatewayOptions {
  readonly dataDir: string;
  /** Absent: no DIMSE door. */
  readonly dimse?: {
    readonly host: string;
    readonly port: number;
    readonly aeTitles: readonly string[];
    /** Without any, only this machine may call. */
    readonly sources: readonly DimseSource[];
    readonly maxAssociations?: number;
    /** Announced and enforced; 64 to 256 KiB. */
    readonly maxPduLength?: number;
    readonly timeouts?: Partial<DimseTimeouts>;
  };
  readonly stow?: Partial<StowLimits>;
  readonly completion: CompletionRule & {
    /** By source name. */
    readonly sources?: Readonly<Record<string, Partial<CompletionRule>>>;
  };
  readonly disk?: Partial<DiskLimits>;
  readonly spool?: {
    readonly segmentBytes?: number;
    readonly maxInFlightBytes?: number;
    readonly maxObjectBytes?: number;
  };
}

export interface Gateway {
  /** Valid after `accept`; undefined without a DIMSE door. */
  readonly dimsePort: number | undefined;
  /** STOW-RS, to be mounted at /dicom-web. It answers 503 before `accept` and after `stop`. */
  readonly stowRouter: ReturnType<typeof stowRouter>;
  /** Why it takes nothing right now, for a readiness probe; resolves when it does. @throws {HubError} `gateway.stopping`, `store.full` */
  check(): Promise<void>;
  /** The configured sources, and when each was last seen since the start. */
  sources(): readonly { readonly name: string; readonly lastSeenAt?: Date }[];
  /** Associations rejected since the start, the latest first; a bounded number of different ones. */
  refusals(): readonly Refusal[];
  /** Opens the doors. */
  accept(): Promise<void>;
  /** Closes the doors, lets what is under way become durable, tells the ledger; the rest is told after the next start. Harmless twice. */
  stop(deadlineMs: number): Promise<void>;
}

const DEFAULT_MAX_ASSOCIATIONS = 25;
const DEFAULT_MAX_PDU_LENGTH = 128 * 1024;
const MAX_PENDING_CONNECTIONS = 64;
const DEFAULT_TIMEOUTS: DimseTimeouts = {
  associationMs: 30_000,
  idleMs: 600_000,
  progressMs: 30_000,
  minBytes: 1_024,
  closeMs: 5_000,
};
const DEFAULT_DISK: DiskLimits = { maxUsedFraction: 0.75, minFreeBytes: 5 * 1024 ** 3 };
const DEFAULT_SPOOL = {
  segmentBytes: 256 * 1024 ** 2,
  maxInFlightBytes: 256 * 1024 ** 2,
  maxObjectBytes: 16 * 1024 ** 3,
};
/** Of the time to stop, what the doors may use; the pump gets the rest. */
const DOORS_SHARE = 0.6;

/**
 * Mends what a crash left in the spool and makes the gateway ready; no door is open yet.
 *
 * @throws {HubError} `config.invalid`
 */
export async function openGateway(ports: GatewayPorts, options: GatewayOptions): Promise<Gateway> {
  const log = ports.log.child({ stage: 'gateway' });
  const files = ports.files ?? (await openSpoolFolder(join(options.dataDir, 'spool')));
  const metrics = gatewayMetrics(ports.metrics);
  const arrivals = new Arrivals();
  const pump = new SpoolPump({
    ledger: ports.ledger,
    files,
    log,
    clock: ports.clock,
    metrics,
    completionOf: (source) => ({ ...pick(options.completion), ...options.completion.sources?.[source] }),
    onRecorded: (instance) => arrivals.forget(identityOf(instance)),
  });
  const positions = await ports.ledger.instances.spoolPositions();
  const { spool, unrecorded } = await openSpool(
    files,
    positions,
    { ...DEFAULT_SPOOL, ...options.spool, disk: { ...DEFAULT_DISK, ...options.disk } },
    log,
  );
  if (unrecorded.length > 0) log.info('spool holds instances the ledger does not know', { records: unrecorded.length });
  for (const record of unrecorded) resume(record, arrivals, pump);
  return new RunningGateway({ ...ports, log }, options, { spool, pump, arrivals, metrics });
}

class RunningGateway implements Gateway {
  readonly stowRouter: ReturnType<typeof stowRouter>;
  readonly #inner: { readonly spool: Spool; readonly pump: SpoolPump };
  readonly #listener: DimseListener | undefined;
  readonly #watcher: StudyWatcher;
  readonly #refusals: Refusals;
  readonly #seenAt: ReadonlyMap<string, Date | undefined>;
  #dimsePort: number | undefined;
  #state: 'closed' | 'open' | 'stopping' = 'closed';
  #stopped: Promise<void> | undefined;

  constructor(
    ports: GatewayPorts,
    options: GatewayOptions,
    inner: {
      readonly spool: Spool;
      readonly pump: SpoolPump;
      readonly arrivals: Arrivals;
      readonly metrics: GatewayMetrics;
    },
  ) {
    const { spool, metrics } = inner;
    const { ledger, log, clock } = ports;
    const hub: IngestPorts = { ledger, log, clock, ...inner };
    const sources = options.dimse?.sources ?? [];
    const startedAt = clock.now();
    const seenAt = new Map<string, Date | undefined>(sources.map(({ name }) => [name, undefined]));
    const onSeen = (source: string) => void seenAt.set(source, clock.now());
    this.#inner = inner;
    this.#seenAt = seenAt;
    this.#refusals = new Refusals(() => clock.now());
    this.#watcher = new StudyWatcher({ ledger, clock, log, metrics });
    this.#listener = options.dimse === undefined ? undefined : this.#dimseListener(options.dimse, hub, spool, onSeen);
    this.stowRouter = stowRouter({
      receive: (prefix) => spool.receive(prefix),
      store: async (reception, offer) => ingest(reception, offer, hub),
      sourceOf: sourceOfAddress(sources),
      isOpen: () => this.#state === 'open',
      onSeen,
      log,
      limits: options.stow ?? {},
    });
    metrics.associations.collect(() => metrics.associations.set({}, this.#listener?.associations ?? 0));
    metrics.spoolPendingBytes.collect(() => metrics.spoolPendingBytes.set({}, inner.pump.pendingBytes));
    metrics.spoolOldestAgeSeconds.collect(() => metrics.spoolOldestAgeSeconds.set({}, inner.pump.oldestAgeSeconds()));
    metrics.sourceLastSeenSeconds.collect(() => {
      const nowMs = clock.now().getTime();
      for (const [source, at = startedAt] of seenAt) {
        metrics.sourceLastSeenSeconds.set({ source }, Math.max(0, (nowMs - at.getTime()) / 1000));
      }
    });
  }

  get dimsePort(): number | undefined {
    return this.#dimsePort;
  }

  check(): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(new HubError('gateway.stopping'));
    const { refusal } = this.#inner.spool;
    return refusal === undefined ? Promise.resolve() : Promise.reject(refusal);
  }

  sources(): readonly { readonly name: string; readonly lastSeenAt?: Date }[] {
    return [...this.#seenAt].map(([name, lastSeenAt]) => ({
      name,
      ...(lastSeenAt === undefined ? {} : { lastSeenAt }),
    }));
  }

  refusals(): readonly Refusal[] {
    return this.#refusals.list();
  }

  async accept(): Promise<void> {
    this.#watcher.start();
    this.#dimsePort = await this.#listener?.listen();
    this.#state = 'open';
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs);
    await this.#stopped;
  }

  async #stop(deadlineMs: number): Promise<void> {
    const wasOpen = this.#state === 'open';
    this.#state = 'stopping';
    const startedMs = performance.now();
    if (wasOpen) await this.#listener?.stop(deadlineMs * DOORS_SHARE);
    await this.#watcher.stop();
    await this.#inner.spool.close();
    await this.#inner.pump.stop(Math.max(0, deadlineMs - (performance.now() - startedMs)));
  }

  #dimseListener(
    options: NonNullable<GatewayOptions['dimse']>,
    hub: IngestPorts,
    spool: Spool,
    onSeen: (source: string) => void,
  ): DimseListener {
    const { host, port, aeTitles, sources } = options;
    const maxAssociations = options.maxAssociations ?? DEFAULT_MAX_ASSOCIATIONS;
    return new DimseListener(
      { host, port, maxPending: MAX_PENDING_CONNECTIONS },
      {
        policy: associationPolicy(aeTitles, sources),
        load: () => ({
          isStopping: this.#state === 'stopping',
          isDiskLow: spool.isFull,
          associations: this.#listener?.associations ?? 0,
          maxAssociations,
        }),
        maxPduLength: options.maxPduLength ?? DEFAULT_MAX_PDU_LENGTH,
        timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
        receive: (prefix) => spool.receive(prefix),
        store: async (reception, offer) => ingest(reception, offer, hub),
        log: hub.log,
        onSeen,
        onRefused: (caller) => this.#refusals.add(caller),
      },
    );
  }
}

/** A record of before the restart is judged like a new one, so that its repeat is known for a repeat. */
function resume(record: SpooledRecord, arrivals: Arrivals, pump: SpoolPump): void {
  const { description } = record;
  if (description.kind === 'instance') {
    arrivals.add({ ...identityOf(description), patientDigest: description.patientDigest }, Promise.resolve());
  }
  pump.add(record);
}

function identityOf(instance: { studyInstanceUid: string; sopInstanceUid: string; dataSetSha256: string }) {
  return {
    studyInstanceUid: parseStudyInstanceUid(instance.studyInstanceUid),
    sopInstanceUid: parseSopInstanceUid(instance.sopInstanceUid),
    dataSetSha256: instance.dataSetSha256,
  };
}

function pick({ quietMs, forceMs }: CompletionRule): CompletionRule {
  return { quietMs, forceMs };
}
