/** The gateway stage: its doors, the spool behind them, the pump to the ledger and the watcher of quiet studies. */
import { join } from 'node:path';
import { HubError } from '../core/errors.ts';
import type { StudyInstanceUid } from '../core/identifiers.ts';
import type { Intake, MoveOrigins } from '../core/intake.ts';
import type { Ledger } from '../core/ledger.ts';
import type { SameUidRule } from '../core/ledger/instances.ts';
import type { Clock, Logger, Metrics } from '../core/ports.ts';
import { Arrivals } from './arrivals.ts';
import { Batches } from './completion/batches.ts';
import { askSource } from './completion/query.ts';
import { ChangingRules, type CompletionOptions } from './completion/rules.ts';
import { Dimse, type DimseOptions } from './dimse/dimse.ts';
import { sourceOfAddress } from './dicomweb/source.ts';
import { type PartnerOf, partnerStowRouter } from './dicomweb/partner-stow.ts';
import { stowRouter, type StowLimits, type StowPorts } from './dicomweb/stow.ts';
import { FolderDoor } from './folder/folder-door.ts';
import type { StudyReader } from './folder/found-study.ts';
import type { WatchedFolderOptions } from './folder/watched-folder.ts';
import { HeaderReader } from './header/header-reader.ts';
import { ingest, type IngestPorts } from './ingest.ts';
import { reportDisk } from './disk-metrics.ts';
import { gatewayMetrics, type GatewayMetrics } from './metrics.ts';
import { ledgerPatience } from './ledger-patience.ts';
import type { Offer } from './offer.ts';
import { PullDoor } from './pull-door.ts';
import { type Refusal, Refusals } from './refusals.ts';
import { ALONE, joinReplicas, type Presence, type ReplicaOptions } from './replicas/presence.ts';
import { resume } from './resume.ts';
import { Retention, type RetentionOptions } from './retention.ts';
import { type SourceSeen, SourcesSeen } from './sources-seen.ts';
import type { DiskLimits } from './spool/disk-guard.ts';
import { openReceived } from './spool/byte-sources.ts';
import { DigestThread } from './spool/digest-thread.ts';
import { type Digester, digesterHere } from './spool/digester.ts';
import { openSpoolFolder, type SpoolFiles } from './spool/files.ts';
import { SpoolPump } from './spool/pump.ts';
import type { Reception } from './spool/reception.ts';
import { openRemote, type Remote, type RemoteOptions, type RemoteStore } from './spool/remote.ts';
import { openSpool, type Spool } from './spool/spool.ts';
import { StudyWatcher, type Waiting } from './study-watcher.ts';

export interface GatewayPorts {
  readonly ledger: Ledger;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** The real folder unless a test watches or breaks it. */
  readonly files?: SpoolFiles;
  /** Entry of a thread for digests: it calls `serveDigests`. Absent: they are made in the thread of the doors. */
  readonly digestWorker?: URL;
  /** Removes packs of results that the ledger has given up; how many. */
  readonly removeResults?: () => Promise<number>;
  /** Who knows of what peers were asked to send; absent: none was. */
  readonly moves?: MoveOrigins;
  /** Knows a scanner's own study folders in watched folders; absent: there are only files. */
  readonly studies?: StudyReader;
  /** Whether a partner has access now: asked for each object of a source that is bound to one; absent: it has. */
  readonly hasAccess?: (partner: string) => Promise<boolean>;
  /** Where what was received is copied to; absent where the spool itself is the store. */
  readonly remote?: RemoteStore;
}

export interface ReturnedOptions {
  /** The partner that a source is bound to. */
  readonly partnerOf: (source: string) => string | undefined;
  /** The source of what the partner returns over HTTP; undefined: it may not. */
  readonly sourceOf: (partner: string) => string | undefined;
  readonly fileName: (partner: string, uid: string) => string;
}

export interface GatewayOptions {
  readonly dataDir: string;
  /** Absent: no DIMSE door. */
  readonly dimse?: DimseOptions;
  readonly stow?: Partial<StowLimits>;
  /** Watched folders; each is a source. */
  readonly folders?: readonly WatchedFolderOptions[];
  /** Names of those who fetch; each is a source. */
  readonly pulls?: readonly string[];
  readonly completion: CompletionOptions;
  /** What a known SOP Instance UID with other bytes means; `quarantine` unless said otherwise. */
  readonly sameUid?: { readonly rule: SameUidRule; readonly sources?: Readonly<Record<string, SameUidRule>> };
  /** Sources whose instances are filed under names of the hub's own: what partners return. */
  readonly returned?: ReturnedOptions;
  readonly disk?: Partial<DiskLimits>;
  /** Absent: nothing is ever removed. */
  readonly retention?: RetentionOptions;
  /** For `remote`. */
  readonly shipping?: RemoteOptions;
  /** Absent: there is no other gateway on this ledger. */
  readonly replica?: ReplicaOptions;
  readonly spool?: {
    readonly segmentBytes?: number;
    readonly maxInFlightBytes?: number;
    readonly maxObjectBytes?: number;
  };
}

/** What a running gateway can take anew. `dimse` only for who may call. */
export type ChangingOptions = Pick<GatewayOptions, 'dimse' | 'completion' | 'sameUid' | 'pulls' | 'returned'>;

export interface Gateway {
  /** Valid after `accept`; undefined without a DIMSE door. */
  readonly dimsePort: number | undefined;
  /** The one of `dimsePort` where nothing is plain; undefined without TLS. */
  readonly dimseTlsPort: number | undefined;
  /** STOW-RS, to be mounted at /dicom-web. It answers 503 before `accept` and after `stop`. */
  readonly stowRouter: ReturnType<typeof stowRouter>;
  /** The way in for what the hub fetches itself. */
  readonly intake: Intake;
  /** STOW-RS for partners, to be mounted at /partner/v1. @param partnerOf - of a request; throws what refuses it */
  partnerStowRouter(partnerOf: PartnerOf): ReturnType<typeof partnerStowRouter>;
  /** Why it takes nothing right now, for a readiness probe; resolves when it does. @throws {HubError} `gateway.stopping`, `store.full` */
  check(): Promise<void>;
  /** The configured sources, and when each was last seen since the start. */
  sources(): readonly SourceSeen[];
  /** Associations rejected since the start, the latest first; a bounded number of different ones. */
  refusals(): readonly Refusal[];
  /** Resolves while every watched folder can be used. What else the hub does goes on without. @throws {HubError} `folder.unavailable` */
  checkFolders(): Promise<void>;
  /** Resolves while what is received gets to the object store, or none is used. Senders do not wait for it. @throws {HubError} `store.*` */
  checkStore(): Promise<void>;
  /** What a study that is being received waits for; undefined: it is not. */
  waiting(study: StudyInstanceUid): Promise<Waiting | undefined>;
  /**
   * Reads what may change while the doors are open: who may call, when a study is complete, what the same UID again means.
   *
   * @returns the switch, all at once; associations that are open stay as they were accepted
   * @throws {HubError} `config.invalid`; nothing has changed
   */
  prepare(options: ChangingOptions): () => void;
  /** Opens the doors. */
  accept(): Promise<void>;
  /** Closes the doors, lets what is under way become durable, tells the ledger; the rest is told after the next start. Harmless twice. */
  stop(deadlineMs: number): Promise<void>;
}

const DEFAULT_DISK: DiskLimits = { maxUsedFraction: 0.75, minFreeBytes: 5 * 1024 ** 3 };
const DEFAULT_SPOOL = {
  segmentBytes: 256 * 1024 ** 2,
  maxInFlightBytes: 256 * 1024 ** 2,
  maxObjectBytes: 16 * 1024 ** 3,
};
/** A source that is bound to a partner is filed under that partner's names. */
function fileNames(returned: ReturnedOptions | undefined): IngestPorts['namesOf'] {
  return (source) => {
    const partner = returned?.partnerOf(source);
    return partner === undefined ? undefined : (uid) => returned?.fileName(partner, uid) ?? uid;
  };
}

function namesOfSources({
  dimse,
  folders,
  pulls,
}: Pick<GatewayOptions, 'dimse' | 'folders' | 'pulls'>): readonly string[] {
  return [...[...(dimse?.sources ?? []), ...(folders ?? [])].map(({ name }) => name), ...(pulls ?? [])];
}

/** Of the time to stop, what the doors may use; the pump gets the rest. */
const DOORS_SHARE = 0.6;

/**
 * Mends what a crash left in the spool and makes the gateway ready; no door is open yet.
 *
 * @throws {HubError} `config.invalid`
 */
export async function openGateway(ports: GatewayPorts, options: GatewayOptions): Promise<Gateway> {
  const log = ports.log.child({ stage: 'gateway' });
  const { ledger, clock } = ports;
  const folders = (options.folders ?? []).map(({ name }) => name);
  // First: under the name of another data folder's hub the ledger answers with that one's positions. By them a recovery
  // would cut off what it should tell.
  const presence =
    options.replica === undefined ? ALONE : await joinReplicas({ ledger, clock, log }, options.replica, folders);
  try {
    return await openInside({ ...ports, log }, options, presence);
  } catch (error) {
    await presence.stop(true);
    throw error;
  }
}

async function openInside(ports: GatewayPorts, options: GatewayOptions, presence: Presence): Promise<Gateway> {
  const { ledger, clock, log } = ports;
  const folder = join(options.dataDir, 'spool');
  const files = ports.files ?? (await openSpoolFolder(folder));
  const digester =
    ports.digestWorker === undefined ? digesterHere(files) : new DigestThread(ports.digestWorker, folder);
  const metrics = gatewayMetrics(ports.metrics);
  const arrivals = new Arrivals();
  const rules = new ChangingRules(options.completion);
  const positions = await ledger.instances.spoolPositions();
  let isOpen: (segment: string) => boolean = () => true;
  const remote =
    ports.remote === undefined || options.shipping === undefined
      ? undefined
      : openRemote(
          { ledger, files, digester, log, clock, store: ports.remote, isOpen: (segment) => isOpen(segment) },
          options.shipping,
          new Map(positions.map(({ segment, offset }) => [segment, offset])),
        );
  const pump = new SpoolPump({
    ledger,
    files,
    digester,
    log,
    clock,
    metrics,
    completionOf: (source) => rules.timerOf(source),
    onRecorded: (instance) => arrivals.forget(instance),
    ...(remote === undefined
      ? {}
      : { shipping: remote.shipping, onTold: (segment, offset) => remote.segments.told(segment, offset) }),
  });
  const { spool, unrecorded } = await openSpool(
    files,
    positions,
    {
      ...DEFAULT_SPOOL,
      ...options.spool,
      disk: { ...DEFAULT_DISK, ...options.disk },
      // The bucket may hold packs that the ledger does not know, perhaps all that is left of what was received: it was lost,
      // or is one of an older backup. A segment that had the number of one of theirs would let the sweep take them for its
      // own. Seconds since 1970 are more than a hub has counted that began like this and made less than a segment a second.
      ...(remote === undefined ? {} : { firstSequence: Math.floor(clock.now().getTime() / 1000) }),
    },
    log,
  );
  isOpen = (segment) => spool.isOpen(segment);
  if (unrecorded.length > 0) log.info('spool holds instances the ledger does not know', { records: unrecorded.length });
  await resume(unrecorded, arrivals, pump);
  return new RunningGateway(ports, options, {
    presence,
    spool,
    pump,
    digester,
    arrivals,
    headers: new HeaderReader(),
    metrics,
    rules,
    openReceived: async (blob) => ports.remote?.objects.open(blob) ?? openReceived(files, blob),
    remote,
    retention:
      options.retention === undefined
        ? undefined
        : new Retention(
            {
              ledger: ports.ledger,
              files,
              log,
              clock: ports.clock,
              nextName: spool.nextName,
              isOpen: (segment) => spool.isOpen(segment),
              isCaretaker: () => presence.isCaretaker(),
              removeResults: ports.removeResults ?? (() => Promise.resolve(0)),
              ...(remote === undefined ? {} : { sweepPacks: remote.sweep }),
            },
            options.retention,
          ),
  });
}

class RunningGateway implements Gateway {
  readonly stowRouter: ReturnType<typeof stowRouter>;
  readonly intake: Intake;
  readonly #inner: {
    readonly spool: Spool;
    readonly pump: SpoolPump;
    readonly digester: Digester;
    readonly retention: Retention | undefined;
    readonly remote: Remote | undefined;
    readonly presence: Presence;
    readonly rules: ChangingRules;
  };
  /** In force now. */
  #options: GatewayOptions;
  #sourceAt: (address: string) => string;
  readonly #dimse: Dimse | undefined;
  readonly #watcher: StudyWatcher;
  readonly #batches: Batches;
  readonly #folders: FolderDoor;
  readonly #refusals: Refusals;
  readonly #sourcesSeen: SourcesSeen;
  readonly #partnerStow: Gateway['partnerStowRouter'];
  #state: 'closed' | 'open' | 'stopping' = 'closed';
  #stopped: Promise<void> | undefined;

  constructor(
    ports: GatewayPorts,
    options: GatewayOptions,
    inner: {
      readonly spool: Spool;
      readonly pump: SpoolPump;
      readonly digester: Digester;
      readonly arrivals: Arrivals;
      readonly retention: Retention | undefined;
      readonly remote: Remote | undefined;
      readonly presence: Presence;
      readonly metrics: GatewayMetrics;
      readonly rules: ChangingRules;
    } & Pick<IngestPorts, 'headers' | 'openReceived'>,
  ) {
    const { spool, metrics } = inner;
    const { ledger, log, clock } = ports;
    const { presence } = inner;
    this.#options = options;
    const hub: IngestPorts = {
      ...{ ledger, log, clock, patience: ledgerPatience({ log }) },
      namesOf: (source) => fileNames(this.#options.returned)(source),
      sameUidOf: (source) => {
        const { sameUid } = this.#options;
        return sameUid?.sources?.[source] ?? sameUid?.rule ?? 'quarantine';
      },
      ...inner,
    };
    const sourcesSeen = new SourcesSeen(namesOfSources(options), clock, metrics);
    this.#sourceAt = sourceOfAddress(options.dimse?.sources ?? []);
    const onSeen = (source: string) => sourcesSeen.seen(source);
    this.#inner = inner;
    this.#sourcesSeen = sourcesSeen;
    this.#refusals = new Refusals(() => clock.now());
    const { rules } = inner;
    const batches = new Batches({ ledger, clock, log, afterReleaseMsOf: (source) => rules.afterReleaseMsOf(source) });
    this.#batches = batches;
    this.#watcher = new StudyWatcher({
      ...{ ledger, clock, log, metrics, rules },
      whose: () => presence.whose(),
      isPending: (study) => inner.arrivals.hasPending(study),
      isSenderConnected: (study) => batches.isOpen(study),
      ask: async (source, study, signal) => {
        const query = rules.queryOf(source);
        if (query === undefined) throw new TypeError(`the source ${source} cannot be asked`);
        return askSource(query, study, signal);
      },
    });
    const store = async (reception: Reception, offer: Offer) => {
      try {
        await this.#requireAccess(reception, offer.provenance.source, ports.hasAccess);
        const ingested = await ingest(reception, offer, hub);
        batches.brought(offer.provenance, ingested.filedStudyInstanceUid);
        return ingested;
      } catch (error) {
        batches.refused(offer.provenance);
        throw error;
      }
    };
    this.#dimse =
      options.dimse === undefined
        ? undefined
        : new Dimse(options.dimse, {
            ...{ ledger, clock, log, metrics, store, onSeen },
            objects: { open: inner.openReceived },
            whose: () => presence.whose(),
            isStopping: () => this.#state === 'stopping',
            isDiskLow: () => spool.isFull,
            isOnItsWay: (sopInstanceUid) => inner.arrivals.has(sopInstanceUid) || inner.pump.isBehind(sopInstanceUid),
            receive: (prefix) => spool.receive(prefix),
            ...(ports.moves === undefined ? {} : { moves: ports.moves }),
            onRefused: (caller) => this.#refusals.add(caller),
            onEnded: (associationId, isReleased) => batches.ended(associationId, isReleased),
          });
    this.#folders = new FolderDoor(options.folders ?? [], {
      receive: (prefix) => spool.receive(prefix),
      store,
      canTake: () => !spool.isFull,
      mayWatch: (folder) => presence.mayWatch(folder),
      onSeen,
      onEnded: (associationId, isWhole) => batches.ended(associationId, isWhole),
      studies: ports.studies,
      metrics,
      clock,
      log,
    });
    const stow: StowPorts = {
      receive: (prefix) => spool.receive(prefix),
      store,
      sourceOf: ({ socket }) => this.#sourceAt(socket.remoteAddress ?? ''),
      isOpen: () => this.#state === 'open',
      isFull: () => spool.isFull,
      onSeen,
      onEnded: (associationId, isWhole) => batches.ended(associationId, isWhole),
      log,
      limits: options.stow ?? {},
    };
    this.stowRouter = stowRouter(stow);
    this.#partnerStow = (partnerOf) =>
      partnerStowRouter(stow, partnerOf, (partner) => this.#options.returned?.sourceOf(partner));
    this.intake = new PullDoor({
      receive: (prefix) => spool.receive(prefix),
      store,
      isOpen: () => this.#state === 'open',
      isFull: () => spool.isFull,
      onSeen,
      onEnded: (associationId, isWhole) => batches.ended(associationId, isWhole),
    });
    reportDisk(metrics, spool);
    metrics.spoolPendingBytes.collect(() => metrics.spoolPendingBytes.set({}, inner.pump.pendingBytes));
    metrics.spoolOldestAgeSeconds.collect(() => metrics.spoolOldestAgeSeconds.set({}, inner.pump.oldestAgeSeconds()));
  }

  /**
   * By whatever door it comes, on an association that is open too: access ends while it is.
   *
   * @throws {HubError} `source.not-allowed`; nothing of the object is kept
   */
  async #requireAccess(
    reception: Reception,
    source: string,
    hasAccess: GatewayPorts['hasAccess'] = () => Promise.resolve(true),
  ): Promise<void> {
    const partner = this.#options.returned?.partnerOf(source);
    if (partner === undefined) return;
    try {
      if (await hasAccess(partner)) return;
    } catch (error) {
      await reception.abandon();
      throw error;
    }
    await reception.abandon();
    throw new HubError('source.not-allowed', { detail: 'the access of this partner has ended' });
  }

  partnerStowRouter(partnerOf: PartnerOf): ReturnType<typeof partnerStowRouter> {
    return this.#partnerStow(partnerOf);
  }

  get dimsePort(): number | undefined {
    return this.#dimse?.port;
  }

  get dimseTlsPort(): number | undefined {
    return this.#dimse?.tlsPort;
  }

  check(): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(new HubError('gateway.stopping'));
    const { refusal } = this.#inner.spool;
    return refusal === undefined ? Promise.resolve() : Promise.reject(refusal);
  }

  sources(): readonly SourceSeen[] {
    return this.#sourcesSeen.list();
  }

  waiting(study: StudyInstanceUid): Promise<Waiting | undefined> {
    return this.#watcher.waiting(study);
  }

  refusals(): readonly Refusal[] {
    return this.#refusals.list();
  }

  checkStore(): Promise<void> {
    const problem = this.#inner.remote?.shipping.problem;
    return problem === undefined ? Promise.resolve() : Promise.reject(problem);
  }

  checkFolders(): Promise<void> {
    return this.#folders.check();
  }

  prepare(options: ChangingOptions): () => void {
    const sources = options.dimse?.sources ?? [];
    const switchCallers = options.dimse === undefined ? undefined : this.#dimse?.prepare(options.dimse);
    const sourceAt = sourceOfAddress(sources);
    return () => {
      const { dimse: _, ...changing } = options;
      this.#options = { ...this.#options, ...changing };
      this.#sourceAt = sourceAt;
      switchCallers?.();
      this.#sourcesSeen.rename(namesOfSources({ ...this.#options, ...options }));
      this.#inner.rules.set(options.completion);
      this.#watcher.reconsider();
    };
  }

  async accept(): Promise<void> {
    this.#watcher.start();
    this.#inner.retention?.start();
    await this.#dimse?.listen();
    this.#state = 'open';
    this.#folders.open();
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped ??= this.#stop(deadlineMs);
    await this.#stopped;
  }

  async #stop(deadlineMs: number): Promise<void> {
    const wasOpen = this.#state === 'open';
    this.#state = 'stopping';
    const startedMs = performance.now();
    if (wasOpen) {
      const doorsMs = deadlineMs * DOORS_SHARE;
      await Promise.all([this.#dimse?.stop(doorsMs), this.#folders.close(doorsMs)]);
    }
    await this.#watcher.stop();
    await this.#batches.stop();
    await this.#inner.retention?.stop();
    await this.#inner.spool.close();
    await this.#inner.pump.stop(Math.max(0, deadlineMs - (performance.now() - startedMs)));
    await this.#inner.remote?.segments.stop();
    await this.#inner.presence.stop(this.#inner.pump.pendingBytes > 0);
    await this.#inner.digester.close();
  }
}
