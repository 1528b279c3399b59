/** The object store of the configuration, secrets read, and what its packs of results are removed by. */
import { type Environment, readSecret } from '../config/environment.ts';
import { toHubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import { type OpenStore, openStore, type StoreAccess } from '../platform/store/open.ts';
import { removeResultPacks } from '../platform/store/sweeps.ts';
import { packNameOf, packOriginOf } from '../processors/pack-name.ts';
import type { Config } from './shapes.ts';

/** What a thread needs to know to open the store; survives structured cloning. */
export type StorePlace = Config['store'];

/** What a processor's worker thread is told. */
export interface WorkerOrder {
  readonly dataDir: string;
  readonly store: StorePlace;
  /** Of the ledger that its results are told to. */
  readonly ledgerId: string;
  readonly node: string;
}

/** For an answer of the store at the start: the doors do not wait longer for it. */
const PATIENCE_MS = 3_000;
const DAY_MS = 86_400_000;
/** Twice the longest that a step may take, and a day at least: what is older belongs to no attempt under way. */
const STEPS = 2;
const EVER = new Date(8.64e15);

/** For a thread of its own: no state is shared. Asks nobody. */
export async function openHubStore(
  place: StorePlace,
  env: Environment,
  dataDir: string,
  access: StoreAccess = {},
): Promise<OpenStore> {
  return openStore(place, dataDir, (reference) => readSecret(reference, env), access);
}

/**
 * Takes the store for the ledger, or finds that it has it. One that does not answer is asked again before anything is
 * written there.
 *
 * @throws {HubError} `store.foreign`
 */
export async function requireOwnStore({ ownership }: Pick<OpenStore, 'ownership'>): Promise<void> {
  try {
    await ownership?.check(AbortSignal.timeout(PATIENCE_MS));
  } catch (error) {
    if (toHubError(error).code === 'store.foreign') throw error;
  }
}

/**
 * Before work begins, where the store is this hub's alone: what a crash left of packs, and packs of attempts whose result
 * was not taken (the process died, or had lost its lease, between the two). In a store that several hubs share an attempt
 * of another hub looks the same: there `removeResults` waits until none can be that old.
 *
 * @returns how many
 */
export async function removeAbandoned(store: OpenStore, ledger: Ledger): Promise<number> {
  if (store.uploads !== undefined) return 0;
  await store.shelf.removeUnfinished(EVER);
  return removeResultPacks(store.shelf, store.results, (names) => abandoned(ledger, names));
}

/** Packs of runs whose results were given up, and in a store that hubs share what attempts have left. @returns how many */
export async function removeResults(
  store: OpenStore,
  ledger: Ledger,
  { timeLimitMs, timeLimitsMs }: Config['processors'],
): Promise<number> {
  const expired = await removeResultPacks(store.shelf, store.results, (names) => givenUp(ledger, names));
  if (store.uploads === undefined) return expired;
  const before = new Date(Date.now() - Math.max(DAY_MS, STEPS * Math.max(timeLimitMs, ...Object.values(timeLimitsMs))));
  await store.shelf.removeUnfinished(before);
  return expired + (await removeResultPacks(store.shelf, store.results, (names) => abandoned(ledger, names), before));
}

async function abandoned(ledger: Ledger, names: readonly string[]): Promise<readonly string[]> {
  const origins = names.map(packOriginOf).filter((origin) => origin !== undefined);
  return (await ledger.runs.resultless(origins)).map(packNameOf);
}

async function givenUp(ledger: Ledger, names: readonly string[]): Promise<readonly string[]> {
  const origins = names.map(packOriginOf).filter((origin) => origin !== undefined);
  const expired = new Set(await ledger.retention.expiredRuns(origins.map(({ runId }) => runId)));
  return origins.filter(({ runId }) => expired.has(runId)).map(packNameOf);
}
