/** DIMSE as a whole: its doors, who may come in, and the desk for storage commitments. */
import type { Ledger } from '../../core/ledger.ts';
import type { Whose } from '../../core/ledger/replicas.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { RetryPolicy } from '../../core/retry.ts';
import type { ObjectStore } from '../../core/store.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { RefusedCaller } from '../refusals.ts';
import {
  type AssociationPolicy,
  associationPolicy,
  type DimseSource,
  type DimseTitle,
  type Reporter,
} from './association-policy.ts';
import { CommitmentDesk } from './commitment/desk.ts';
import type { KeptRequests } from './commitment/kept-requests.ts';
import type { ReportAddress } from './commitment/new-association.ts';
import { DimseListener } from './listener.ts';
import type { DimseTimeouts } from './silence.ts';
import type { StoreHandling } from './store-service.ts';
import { TlsSettings, type TlsOptionsOfDoor } from './tls-settings.ts';

/** A source, and how it is told what its storage commitments came to. */
export interface CallingSource extends DimseSource {
  readonly storageCommitment?:
    | {
        /** Absent: only on its own associations. */
        readonly address?:
          | {
              readonly host: string;
              readonly port: number;
              readonly aeTitle?: string | undefined;
              readonly tls: boolean;
            }
          | undefined;
        readonly triesSameAssociation: boolean;
      }
    | undefined;
}

export interface DimseOptions {
  readonly host: string;
  readonly port: number;
  readonly titles: readonly DimseTitle[];
  /** Without any, only this machine may call. */
  readonly sources: readonly CallingSource[];
  /** Who may call because it is asked to send, each as the source named; looked at after the others. */
  readonly movers?: readonly DimseSource[];
  /** Who may call to say what came of storage commitments it was asked for. */
  readonly reporters?: readonly Reporter[];
  readonly maxAssociations?: number;
  readonly maxAssociationsPerAddress?: number | undefined;
  /** Announced and enforced; up to 256 KiB. */
  readonly maxPduLength?: number;
  readonly timeouts?: Partial<DimseTimeouts>;
  /** Without a port of its own TLS is spoken on `port`, and nothing is plain. */
  readonly tls?: (TlsOptionsOfDoor & { readonly port?: number | undefined }) | undefined;
  readonly commitment?: Partial<CommitmentRules>;
}

export interface CommitmentRules {
  readonly waitMs: number;
  readonly maxItems: number;
  readonly responseMs: number;
  readonly retry: RetryPolicy;
}

export interface DimsePorts extends StoreHandling {
  readonly ledger: Pick<Ledger, 'commitments' | 'askedCommitments'>;
  readonly objects: Pick<ObjectStore, 'open'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: GatewayMetrics;
  /** Whose storage commitments are decided and told here; undefined: all. */
  readonly whose: () => Whose | undefined;
  /** What the ledger does not know another gateway may have received. */
  readonly areOthersBehind: () => Promise<boolean>;
  /** The store takes nothing of what is received. */
  readonly isHeldUp: () => boolean;
  readonly keptRequests: KeptRequests;
  readonly isStopping: () => boolean;
  readonly isDiskLow: () => boolean;
  readonly isOnItsWay: (sopInstanceUid: string) => boolean;
  readonly onSeen: (source: string) => void;
  /** An association is over: by a release of its peer, or in any other way. */
  readonly onEnded?: ((associationId: string, isReleased: boolean) => void) | undefined;
  readonly onRefused: (caller: RefusedCaller) => void;
}

const DEFAULT_MAX_ASSOCIATIONS = 25;
const DEFAULT_MAX_PDU_LENGTH = 128 * 1024;
const PENDING = { total: 64, perAddress: 16 };
const DEFAULT_TIMEOUTS: DimseTimeouts = {
  associationMs: 30_000,
  idleMs: 600_000,
  progressMs: 30_000,
  minBytes: 1_024,
  closeMs: 5_000,
};
const DEFAULT_COMMITMENT: CommitmentRules = {
  waitMs: 30_000,
  maxItems: 50_000,
  responseMs: 30_000,
  retry: { attempts: 20, firstDelayMs: 10_000, maxDelayMs: 1_800_000 },
};
const BACKLOG_STATES = ['deciding', 'reporting', 'failed'] as const;

export class Dimse {
  readonly #listener: DimseListener;
  readonly #desk: CommitmentDesk;
  readonly #tls: TlsSettings | undefined;
  readonly #titles: readonly DimseTitle[];
  #policy: AssociationPolicy;
  #sources: ReadonlyMap<string, CallingSource['storageCommitment']>;
  #ports: readonly number[] = [];

  /** @throws {HubError} `config.invalid` */
  constructor(options: DimseOptions, ports: DimsePorts) {
    const { host, port, titles, sources } = options;
    const { ledger, objects: store, clock, log, metrics } = ports;
    const tls = options.tls === undefined ? undefined : new TlsSettings(options.tls, log);
    this.#tls = tls;
    const rules = { ...DEFAULT_COMMITMENT, ...options.commitment };
    this.#titles = titles;
    this.#policy = associationPolicy(titles, sources, options.movers, options.reporters);
    this.#sources = commitmentsOf(sources);
    const desk = new CommitmentDesk(
      {
        ...{ ledger, store, clock, log, metrics },
        random: Math.random,
        isOnItsWay: ports.isOnItsWay,
        ...{ whose: ports.whose, areOthersBehind: ports.areOthersBehind, isHeldUp: ports.isHeldUp },
        ...{ kept: ports.keptRequests, mayKeep: () => !ports.isDiskLow() },
      },
      {
        ...rules,
        addressOf: (source) => addressOf(this.#sources.get(source)?.address, tls),
        triesSameAssociation: (source) => this.#sources.get(source)?.triesSameAssociation ?? true,
      },
    );
    this.#desk = desk;
    const maxAssociations = options.maxAssociations ?? DEFAULT_MAX_ASSOCIATIONS;
    const limits = { maxAssociations, maxAssociationsPerAddress: options.maxAssociationsPerAddress ?? maxAssociations };
    const isOwnPort = tls !== undefined && options.tls?.port !== undefined;
    this.#listener = new DimseListener(
      {
        doors: isOwnPort
          ? [
              { host, port },
              { host, port: options.tls.port, tls },
            ]
          : [{ host, port, tls }],
        pending: PENDING,
      },
      {
        policy: (caller, load) => this.#policy(caller, load),
        load: () => ({
          isStopping: ports.isStopping(),
          isDiskLow: ports.isDiskLow(),
          associations: this.#listener.count(),
          ...limits,
          ofSource: (name) => this.#listener.count(({ source }) => source === name),
          ofAddress: (from) => this.#listener.count(({ address }) => address === from),
        }),
        maxPduLength: options.maxPduLength ?? DEFAULT_MAX_PDU_LENGTH,
        timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
        receive: ports.receive,
        store: ports.store,
        ...(ports.moves === undefined ? {} : { moves: ports.moves }),
        ...{ desk, askedCommitments: ledger.askedCommitments, metrics },
        log,
        onSeen: ports.onSeen,
        onEnded: ports.onEnded,
        onRefused: ports.onRefused,
        onSilent: () => metrics.silentConnections.increment({}),
      },
    );
    metrics.associations.collect(() => metrics.associations.set({}, this.#listener.count()));
    if (tls !== undefined) {
      const { certificateExpirySeconds: expiry } = metrics;
      expiry.collect(() => expiry.set({ door: 'dimse' }, (tls.expiresAt.getTime() - clock.now().getTime()) / 1000));
    }
    metrics.commitmentBacklog.collect(async () => {
      metrics.commitmentBacklog.set({ state: 'kept' }, ports.keptRequests.count);
      const backlog = await ledger.commitments.backlog();
      for (const state of BACKLOG_STATES) {
        const rows = backlog.filter((row) => row.state === state);
        metrics.commitmentBacklog.set(
          { state },
          rows.reduce((sum, row) => sum + row.commitments, 0),
        );
      }
    });
  }

  /** Of the plain door, or of the only one; valid after `listen`. */
  get port(): number | undefined {
    return this.#ports[0];
  }

  /** Of the TLS door; valid after `listen`. */
  get tlsPort(): number | undefined {
    return this.#tls === undefined ? undefined : this.#ports.at(-1);
  }

  /**
   * Who may call from now on. Associations that are open stay as they were accepted.
   *
   * @returns the switch
   * @throws {HubError} `config.invalid`; nothing has changed
   */
  prepare({ sources, movers, reporters }: Pick<DimseOptions, 'sources' | 'movers' | 'reporters'>): () => void {
    const policy = associationPolicy(this.#titles, sources, movers, reporters);
    return () => {
      this.#policy = policy;
      this.#sources = commitmentsOf(sources);
    };
  }

  async listen(): Promise<void> {
    this.#ports = await this.#listener.listen();
    this.#tls?.start();
    this.#desk.start();
  }

  /** The desk first: what it is just telling is told again after the next start. Harmless twice. */
  async stop(deadlineMs: number): Promise<void> {
    this.#tls?.stop();
    await this.#desk.stop();
    await this.#listener.stop(deadlineMs);
  }
}

function commitmentsOf(sources: readonly CallingSource[]): ReadonlyMap<string, CallingSource['storageCommitment']> {
  return new Map(sources.map((source) => [source.name, source.storageCommitment]));
}

function addressOf(
  address: NonNullable<CallingSource['storageCommitment']>['address'],
  tls: TlsSettings | undefined,
): ReportAddress | undefined {
  if (address === undefined) return undefined;
  const { host, port, aeTitle } = address;
  return {
    host,
    port,
    aeTitle,
    ...(address.tls && tls !== undefined ? { secureContext: () => tls.clientContext() } : {}),
  };
}
