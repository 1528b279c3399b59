/**
 * The shapes of the two kinds of plug-in. Adding one is a folder and a line in its stage's registry. A plug-in says what
 * it is without its libraries, for every thread that reads a configuration; it works with what `load` brings, in the
 * thread that needs it and only when a configuration names it.
 */
import type * as z from 'zod';
import type { Diagnosis } from './diagnosis.ts';
import type { AskedCommitmentsLedger } from './ledger/asked-commitments.ts';
import type { NewEvent } from './ledger/common.ts';
import type { CrosswalkLedger, CrosswalkPart } from './ledger/crosswalk.ts';
import type { PastQuestion, PastScan, QcScan } from './ledger/qc-history.ts';
import type { BreakerRule, DeliveryPriority } from './ledger/deliveries.ts';
import type { Logger } from './ports.ts';
import type { RetryPolicy } from './retry.ts';
import type { InstanceItem, ObjectStore, PackWriter, RunItem } from './store.ts';
import type { OpenTopics } from './topics.ts';

/** Named entries of the configuration a step may refer to: `{ deidentify: kct }` names an entry of `policies`. */
export interface Catalogue {
  readonly policies: readonly { readonly name: string; readonly partner?: string | undefined }[];
  readonly models: readonly {
    readonly name: string;
    readonly path: string;
    /** What the model may hold beside what every model may. */
    readonly allow?: readonly ('control-flow' | 'com.microsoft')[] | undefined;
  }[];
}

/**
 * A processor transforms the working set of one run. `resolve` decides at start, on the main thread, without I/O
 * beyond the plug-in's own bundled files; what `load` brings works in a worker thread, may be killed at any time and repeated.
 */
export interface ProcessorPlugin<Options = unknown> {
  readonly name: string;
  /**
   * From the step's argument (`undefined` for a bare name) to frozen options that survive structured cloning.
   *
   * @throws {HubError} `config.invalid` with a `detail` that says what is wrong
   */
  resolve(argument: unknown, catalogue: Catalogue): Options;
  /** The partner this step releases for, if it is the step that releases. */
  releasesFor?(options: Options): string | undefined;
  /**
   * Its argument is a partner's name. As the first step of a route it gets what that partner returned, and nothing else.
   */
  readonly takesReturned?: true;
  /**
   * A run may go on without what it makes, where a person says so of one study. Never of a step that takes away what must
   * not leave.
   */
  readonly isPassable?: true;
  load(): Promise<ProcessorModule<Options>>;
}

/** What works a step. */
export interface ProcessorModule<Options = unknown> {
  run(context: ProcessorContext<Options>): Promise<ProcessorResult>;
}

export interface ProcessorContext<Options> {
  readonly options: Options;
  readonly runId: string;
  readonly route: string;
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly items: readonly RunItem[];
  readonly store: ObjectStore;
  /** Results go here; the runner commits it after `run` and before the ledger hears of it. */
  readonly pack: PackWriter;
  /** 32 secret bytes that belong to the purpose; the same on every start. */
  secret(purpose: string): Promise<Uint8Array>;
  /** Absent where a step is worked without a ledger. */
  readonly crosswalk?: CrosswalkLedger;
  /** Absent where a step is worked without a ledger. */
  readonly quality?: QualityPast;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** 0 … 1, for whoever watches. */
  progress(fraction: number): void;
}

/** What earlier scans were like, and by what their scanner is known. */
export interface QualityPast {
  past(question: PastQuestion): Promise<readonly PastScan[]>;
  /** Of the study as it was received: de-identification may have taken it out of the instances since. */
  device(): Promise<Device>;
}

/** Stays in the hub: whoever keeps it keeps a keyed digest of it. */
export interface Device {
  /** Name of the configured source. */
  readonly source: string;
  readonly serialNumber?: string;
  readonly stationName?: string;
  readonly model?: string;
}

/** What a step made. */
interface StepDone {
  readonly outcome: 'done';
  readonly items: readonly RunItem[];
  readonly events: readonly ResultEvent[];
  /** What got new identifiers, or is known by those it came with. */
  readonly crosswalk?: readonly CrosswalkPart[];
  /** What was measured; kept with the result, and later scans are held against it. */
  readonly quality?: readonly QcScan[];
}

export type ProcessorResult =
  | StepDone
  /** The whole run is held; nothing of it leaves. */
  | {
      readonly outcome: 'held';
      readonly reason: string;
      readonly detail: string;
      readonly sopInstanceUids: readonly string[];
      /** What the run goes on with where a person says so all the same; of a step that may be passed, and of no other. */
      readonly kept?: Pick<StepDone, 'items' | 'events' | 'quality'>;
    };

/** A result event without the envelope, which the runner adds; `studyInstanceUid`, `revision`, `runId`, `route` too. */
export type ResultEvent = {
  [T in NewEvent['type']]: {
    readonly type: T;
    readonly data: Omit<Extract<NewEvent, { type: T }>['data'], 'studyInstanceUid' | 'revision' | 'runId' | 'route'>;
  };
}['study.deidentified' | 'study.reidentified' | 'qc.completed' | 'segmentation.completed'];

/** A connector delivers a run's results to one destination. */
export interface ConnectorPlugin<Options extends DestinationOptions = DestinationOptions> {
  readonly type: string;
  /** The destination's entry in the configuration, `type` included. */
  readonly options: z.ZodType<Options>;
  /**
   * Of secrets in the options that have a form of their own, by their place there (`auth.key`): reads one as `open` will,
   * so that whoever checks a configuration hears of it. A certificate or key in PEM below `tls` needs none.
   *
   * @throws {HubError} `config.invalid`; the secret is not in it
   */
  readonly secretForms?: Readonly<Record<string, (text: string) => unknown>>;
  /** For each destination of the type, when it is opened: what is missing shows at the start, not at the first study. */
  load(): Promise<ConnectorModule<Options>>;
}

/** What works for a destination. */
export interface ConnectorModule<Options extends DestinationOptions = DestinationOptions> {
  /** @throws {HubError} `config.invalid` when a secret cannot be had */
  open(options: Options, context: ConnectorContext): Connector;
  /**
   * Tries the way to the destination, step by step, and ends with the first that makes the others pointless. What goes
   * wrong is a diagnosis, not an error. Nothing is delivered unless `sendTest` says so.
   */
  probe(options: Options, context: ProbeContext): AsyncIterable<Diagnosis>;
}

/** What a probe is handed. */
export interface ProbeContext extends Pick<ConnectorContext, 'hubName' | 'secret' | 'openTopics'> {
  /** One instance or event of an unmistakable test patient may really be delivered. */
  readonly sendTest: boolean;
  readonly signal: AbortSignal;
}

/** Keys every destination may have. */
export interface DestinationOptions {
  readonly name: string;
  readonly type: string;
  readonly partner?: string | undefined;
  readonly concurrency?: number | undefined;
  readonly retry?: RetryPolicy | undefined;
  /** Of its deliveries, where their route names none. */
  readonly priority?: DeliveryPriority | undefined;
  /** `study`: a revision waits for the earlier ones of its study. */
  readonly order?: 'none' | 'study' | undefined;
  /** Whether the destination is asked afterwards for what it confirmed, and how. */
  readonly verify?: 'none' | 'after' | 'commitment' | undefined;
  /** Bytes a second, of all its deliveries together. */
  readonly bandwidth?: number | undefined;
  /** When deliveries may begin; absent: always. */
  readonly sendWindow?: SendWindow | undefined;
  readonly breaker?: (BreakerRule & { readonly patienceMs: number }) | undefined;
}

/** Hours of the days named; past midnight they belong to the day they began on. */
export interface SendWindow {
  /** Minutes since midnight; the same twice is the whole day. */
  readonly fromMinute: number;
  readonly toMinute: number;
  /** 0 is Sunday. */
  readonly days: readonly number[];
  /** A name of the IANA time zone database. */
  readonly timeZone: string;
}

export interface ConnectorContext {
  readonly store: ObjectStore;
  readonly hubName: string;
  readonly log: Logger;
  /** Value of a secret the options name by environment or file reference. @throws {HubError} `config.invalid` */
  secret(reference: SecretReference): string;
  readonly openTopics: OpenTopics;
  readonly decoded: DecodedInstances;
  /**
   * Storage commitments that are reported whenever they are: a door of the hub answers to the AE title the destination
   * knows us by. Absent: none does.
   */
  readonly askedCommitments?: AskedCommitmentsLedger | undefined;
}

/** Instances in explicit VR little endian, their pixels decoded: for peers that do not take what they are in. */
export interface DecodedInstances {
  /** By its transfer syntax; what is damaged shows when it is read. */
  isPossible(item: InstanceItem): boolean;
  /** The Part 10 file. @throws {HubError} `pixels.…`, `dataset.…` while it is read */
  file(item: InstanceItem, store: ObjectStore, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export type SecretReference = { readonly env: string } | { readonly file: string };

export interface Connector {
  /**
   * Resolves when the destination has confirmed everything. `onDelivered` is called for each instance the destination
   * has confirmed; after a failure the next attempt gets these in `delivered`.
   *
   * @throws {HubError} whose row says how to retry
   */
  deliver(delivery: DeliveryOrder, onDelivered: (sopInstanceUid: string) => void): Promise<void>;
  /**
   * Asks the destination whether it has what the order holds, after it has confirmed everything. Where it is configured
   * (`verify`), and only there; a connector without it takes no `verify`.
   *
   * @throws {HubError} when it cannot be asked
   */
  reconcile?(delivery: DeliveryOrder): Promise<Reconciliation>;
  close(): Promise<void>;
}

/** What the destination has of an order. */
export interface Reconciliation {
  /** SOP Instance UIDs, and names of files, that it does not have, or not whole. */
  readonly missing: readonly string[];
  /** It is going to say so, at the latest by then; nothing is missing as far as is known. */
  readonly waitUntil?: Date;
  /** How it was asked and what it said, in a line without values of a data set. */
  readonly detail?: string;
}

export interface DeliveryOrder {
  /** The same for every attempt: the destination's way to see a repeat. */
  readonly deliveryId: string;
  readonly attempt: number;
  readonly runId: string;
  readonly route: string;
  readonly destination: string;
  readonly partner?: string;
  /** As the destination may know it. */
  readonly studyInstanceUid: string;
  readonly revision: number;
  /** Only what the destination may have. */
  readonly items: readonly RunItem[];
  readonly delivered: ReadonlySet<string>;
  /** SOP Instance UIDs of which the destination may have another content: "I have that" is no receipt for this one. */
  readonly revised: ReadonlySet<string>;
  readonly signal: AbortSignal;
}
