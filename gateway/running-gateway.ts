/** A gateway from the moment that its doors may open: how they hang together, and are opened, changed and closed. */
import { HubError } from '../core/errors.ts';
import type { StudyInstanceUid } from '../core/identifiers.ts';
import type { Intake } from '../core/intake.ts';
import type { Arrivals } from './arrivals.ts';
import { Batches } from './completion/batches.ts';
import { askSource } from './completion/query.ts';
import type { ChangingRules } from './completion/rules.ts';
import type { KeptRequests } from './dimse/commitment/kept-requests.ts';
import { Dimse } from './dimse/dimse.ts';
import { sourceOfAddress } from './dicomweb/source.ts';
import { type PartnerOf, partnerStowRouter } from './dicomweb/partner-stow.ts';
import { stowRouter, type StowPorts } from './dicomweb/stow.ts';
import { FolderDoor } from './folder/folder-door.ts';
import { ingest, type IngestPorts } from './ingest.ts';
import { reportDisk } from './disk-metrics.ts';
import type { GatewayMetrics } from './metrics.ts';
import { ledgerPatience } from './ledger-patience.ts';
import type { Offer } from './offer.ts';
import type { ChangingOptions, GatewayOptions, GatewayPorts } from './options.ts';
import { PullDoor } from './pull-door.ts';
import { type Refusal, Refusals } from './refusals.ts';
import type { Presence } from './replicas/presence.ts';
import type { Retention } from './retention.ts';
import { namesOfSource, requireAccess } from './returned.ts';
import { type SourceSeen, SourcesSeen } from './sources-seen.ts';
import { roomAbove } from './spool/disk-guard.ts';
import type { Digester } from './spool/digester.ts';
import type { SpoolPump } from './spool/pump.ts';
import type { Reception } from './spool/reception.ts';
import type { Remote } from './spool/remote.ts';
import type { Spool } from './spool/spool.ts';
import { StudyWatcher, type Waiting } from './study-watcher.ts';

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

function namesOfSources({
  dimse,
  folders,
  pulls,
}: Pick<GatewayOptions, 'dimse' | 'folders' | 'pulls'>): readonly string[] {
  return [...[...(dimse?.sources ?? []), ...(folders ?? [])].map(({ name }) => name), ...(pulls ?? [])];
}

/** What was received has long been told by then, unless something is down. */
const BEHIND_SECONDS = 5;
/** Of the time to stop, what the doors may use; the pump gets the rest. */
const DOORS_SHARE = 0.6;

export class RunningGateway implements Gateway {
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
      readonly keptRequests: KeptRequests;
      readonly metrics: GatewayMetrics;
      readonly rules: ChangingRules;
      /** The folder where studies in archives are unpacked. */
      readonly unpacked: string;
    } & Pick<IngestPorts, 'headers' | 'openReceived'>,
  ) {
    const { spool, metrics } = inner;
    const { ledger, log, clock } = ports;
    const { presence } = inner;
    this.#options = options;
    const hub: IngestPorts = {
      ...{ ledger, log, clock, patience: ledgerPatience({ log }) },
      namesOf: (source) => namesOfSource(this.#options.returned, source),
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
        const partner = this.#options.returned?.partnerOf(offer.provenance.source);
        await requireAccess(reception, partner, ports.hasAccess);
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
            areOthersBehind: () => presence.areOthersBehind(),
            keptRequests: inner.keptRequests,
            isHeldUp: () => inner.remote?.shipping.problem !== undefined,
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
      scratch: { folder: inner.unpacked, roomBytes: () => roomAbove(spool.disk) },
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
    this.#inner.presence.announce(() => this.#inner.pump.oldestAgeSeconds() > BEHIND_SECONDS);
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
