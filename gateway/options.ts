/** What the gateway stage needs of the house, and what may be set of it. */
import type { MoveOrigins } from '../core/intake.ts';
import type { Ledger } from '../core/ledger.ts';
import type { SameUidRule } from '../core/ledger/instances.ts';
import type { Clock, Logger, Metrics } from '../core/ports.ts';
import type { CompletionOptions } from './completion/rules.ts';
import type { DimseOptions } from './dimse/dimse.ts';
import type { StowLimits } from './dicomweb/stow.ts';
import type { StudyReader } from './folder/found-study.ts';
import type { WatchedFolderOptions } from './folder/watched-folder.ts';
import type { ReplicaOptions } from './replicas/presence.ts';
import type { RetentionOptions } from './retention.ts';
import type { ReturnedOptions } from './returned.ts';
import type { DiskLimits } from './spool/disk-guard.ts';
import type { SpoolFiles } from './spool/files.ts';
import type { RemoteOptions, RemoteStore } from './spool/remote.ts';

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
