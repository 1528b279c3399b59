/** Whether the object store answers: for probes and for whoever watches. Nothing that is received waits for it. */
import { HubError, toHubError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';
import type { OpenStore } from './open.ts';

export interface StoreWatch {
  /** Resolves while the store answers and lets the hub in. @throws {HubError} `store.…` */
  check(): Promise<void>;
}

/** Scrapes and probes come more often than a store need be asked. */
const FRESH_MS = 10_000;
const PATIENCE_MS = 2_500;

/** One page of packs is asked for, which needs the same rights as the hub's own sweeps. And whose it is: that may change. */
export function watchStore({
  shelf,
  ownership,
  results,
  log,
}: Pick<OpenStore, 'ownership' | 'results'> & {
  readonly shelf: Pick<OpenStore['shelf'], 'list'>;
  readonly log: Logger;
}): StoreWatch {
  let problem: HubError | undefined;
  let askedMs = -Infinity;
  let asking: Promise<void> | undefined;

  const ask = async () => {
    const before = problem?.code;
    problem = await inTime(async () => {
      for await (const _ of shelf.list(results)) break;
      await ownership?.check();
    });
    askedMs = performance.now();
    if (problem?.code === before) return;
    if (problem === undefined) log.info('object store can be used again');
    else {
      log.error('object store cannot be used; what is received is kept in the spool', {
        code: problem.code,
        reason: problem.message,
        remedy: problem.row.remedy,
      });
    }
  };
  const check = async () => {
    if (performance.now() - askedMs > FRESH_MS) asking ??= ask().finally(() => (asking = undefined));
    await asking;
    if (problem !== undefined) throw problem;
  };
  return { check };
}

async function inTime(question: () => Promise<void>): Promise<HubError | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new HubError('store.unreachable')), PATIENCE_MS);
  });
  try {
    await Promise.race([question(), late]);
    return undefined;
  } catch (error) {
    return toHubError(error);
  } finally {
    clearTimeout(timer);
  }
}
