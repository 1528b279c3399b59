/** What the API is handed by the composition root. */
import type { WaitReason } from '../core/completion.ts';
import type { Hold } from '../core/destination-hold.ts';
import type { StudyInstanceUid } from '../core/identifiers.ts';
import type { Ledger } from '../core/ledger.ts';
import type { RunStep } from '../core/ledger/runs.ts';
import type { QcHistoryRow } from '../core/ledger/qc-history.ts';
import type { PartnerSettings } from '../core/partners.ts';
import type { Clock, Logger } from '../core/ports.ts';
import type { ObjectStore } from '../core/store.ts';
import type * as z from 'zod';
import type { Access } from './operation.ts';
import type { reidentified } from './shapes.ts';

/** The configuration in force, as far as the API shows it. */
export interface Catalogue {
  readonly configVersion: string;
  readonly routes: readonly {
    readonly name: string;
    readonly enabled: boolean;
    readonly when: unknown;
    readonly process: readonly RunStep[];
    readonly deliver: readonly string[];
    readonly perSeries: boolean;
    readonly owner?: string | undefined;
    readonly contact?: string | undefined;
    readonly fallback?: boolean | undefined;
    readonly effectiveFrom?: string | undefined;
    readonly effectiveUntil?: string | undefined;
  }[];
  readonly partners: readonly PartnerSettings[];
  readonly destinations: readonly { readonly name: string; readonly partner?: string | undefined }[];
  readonly policies: readonly { readonly name: string; readonly partner?: string | undefined }[];
  readonly pulls?: readonly {
    readonly name: string;
    readonly isEnabled: boolean;
    /** Where it fetches from. */
    readonly source: string;
    readonly retrieve: 'c-move' | 'c-get' | 'wado-rs';
    readonly schedule?: string | undefined;
    /** When its windows open; undefined: they are, or it has none. */
    readonly opensAt?: (now: Date) => Date | undefined;
  }[];
}

/** What the doors of this process know of those who call. */
export interface Doors {
  /** Of the configuration, and when each was last seen since the start. */
  sources(): readonly { readonly name: string; readonly lastSeenAt?: Date }[];
  /** Associations rejected since the start, the latest first. */
  refusals(): readonly {
    readonly address: string;
    readonly callingAeTitle: string;
    readonly calledAeTitle: string;
    readonly why: string;
    readonly count: number;
    readonly firstAt: Date;
    readonly lastAt: Date;
  }[];
}

/** Why a study is not complete yet. */
export interface WaitingStudy {
  /** The strongest first; none: it is about to be. */
  readonly reasons: readonly WaitReason[];
  /** Absent: until something arrives, or somebody completes it. */
  readonly until?: Date;
}

/** The configuration of this process, and trying another one. What is answered the operations check and document. */
export interface ConfigurationControl {
  /** Takes what the file says. @throws {HubError} `config.not-taken` */
  reload(actor: string): Promise<unknown>;
  /** @throws {HubError} `config.not-taken` */
  rollback(version: string, actor: string): Promise<unknown>;
  /** @throws {HubError} `request.invalid`, `request.too-many` */
  whatIf(draft: {
    /** The changed file. */
    readonly configuration: string;
    readonly since: Date;
    readonly atMs?: number;
    readonly maxChanges: number;
  }): Promise<unknown>;
}

export interface ApiPorts {
  readonly ledger: Ledger;
  /** Absent where no gateway runs in this process. */
  readonly doors?: Doors | undefined;
  readonly access: Access;
  readonly clock: Clock;
  readonly log: Logger;
  readonly hubName: string;
  /** Absent where no hub runs: its file is read when it starts. */
  readonly configuration?: ConfigurationControl | undefined;
  /** Asked for each request, so that a reloaded configuration shows. */
  readonly catalogue: () => Catalogue;
  /** What a study that is being received waits for; undefined where it does not, or where no gateway runs. */
  readonly waiting?: (study: StudyInstanceUid) => Promise<WaitingStudy | undefined>;
  /** Why nothing goes to a destination now; absent: nobody knows. */
  readonly holds?: (destination: string) => Promise<readonly Hold[]>;
  /** Absent where there is no key of the crosswalk. */
  readonly reidentify?: (
    uid: string,
    recipients: readonly string[],
  ) => Promise<readonly z.input<typeof reidentified>[]>;
  /** Where results are; absent where no page of them is shown. */
  readonly store?: Pick<ObjectStore, 'open'>;
  /** A page that draws the course of what was measured. */
  readonly trendPage?: (rows: readonly QcHistoryRow[]) => string;
  /** What was granted to a partner has changed: it holds in this process at once. */
  readonly onGrant?: () => void;
  readonly mintToken: () => { readonly tokenId: string; readonly token: string; readonly secretSha256: string };
}
