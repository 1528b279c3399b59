/** What the API is handed by the composition root. */
import type { Ledger, RunStep } from '../core/ledger.ts';
import type { Clock, Logger } from '../core/ports.ts';
import type { Access } from './operation.ts';

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
  }[];
  readonly partners: readonly { readonly name: string }[];
  readonly destinations: readonly { readonly name: string; readonly partner?: string | undefined }[];
  readonly policies: readonly { readonly name: string; readonly partner?: string | undefined }[];
}

export interface ApiPorts {
  readonly ledger: Ledger;
  readonly access: Access;
  readonly clock: Clock;
  readonly log: Logger;
  readonly hubName: string;
  /** Asked for each request, so that a reloaded configuration shows. */
  readonly catalogue: () => Catalogue;
  readonly mintToken: () => { readonly tokenId: string; readonly token: string; readonly secretSha256: string };
}
