/** `hub store backup DIR` and `hub store restore BACKUP`: the data folder of one machine, copied beside the running hub, and put back. */
import { resolve } from 'node:path';
import { HubError } from '../core/errors.ts';
import { restoreBackup } from '../platform/backup/restore.ts';
import { takeBackup } from '../platform/backup/take.ts';
import type { Config } from '../wiring/shapes.ts';
import { EXIT } from './exit-codes.ts';
import { progressBar } from './progress.ts';
import { interruptible } from './signals.ts';
import { bytesText } from './terminal.ts';

/** What a command answers: for programs, in lines for people, and its exit code if it is not done. */
export interface Said {
  readonly answer: unknown;
  readonly lines: readonly string[];
  readonly exit?: number;
}

export interface BackupWanted {
  readonly target: string;
  readonly keep: string | undefined;
  readonly withoutKeys: boolean;
}

/** @throws {HubError} `command.usage` where the data is not on this machine */
export async function backup(config: Config, { target, keep, withoutKeys }: BackupWanted): Promise<Said> {
  requireLocal(config);
  const kept = keep === undefined ? undefined : Number(keep);
  if (kept !== undefined && !(Number.isInteger(kept) && kept >= 1))
    throw new HubError('command.usage', { detail: '--keep takes a number from 1 on' });
  const taken = await withBar((onProgress, signal) =>
    takeBackup({
      dataDir: resolve(config.hub.data),
      target: resolve(target),
      ...{ hub: config.hub.name, node: config.hub.node, withKeys: !withoutKeys, keep: kept },
      ...{ signal, onProgress },
    }),
  );
  return {
    answer: taken,
    lines: [
      taken.path,
      `${String(taken.files)} files, ${bytesText(taken.bytes)}, of which ${bytesText(taken.copiedBytes)} were copied now`,
      `everything acknowledged before ${taken.takenAt} is in it`,
      ...(withoutKeys ? ['without keys: pseudonyms can only go on with the keys you keep elsewhere'] : []),
      ...taken.removed.map((name) => `removed ${name}`),
      ...taken.unreadable.map((path) => `NOT in it, the disk does not give it back: ${path}`),
    ],
    ...(taken.unreadable.length === 0 ? {} : { exit: EXIT.failed }),
  };
}

/** @throws {HubError} `backup.unusable`; `command.usage` where the data is not on this machine */
export async function restore(config: Config, from: string): Promise<Said> {
  requireLocal(config);
  const dataDir = resolve(config.hub.data);
  const { takenAt, hub, node, files, unreadable } = await withBar((onProgress, signal) =>
    restoreBackup({ backup: resolve(from), dataDir, signal, onProgress }),
  );
  const isRenamed = hub !== config.hub.name || node !== config.hub.node;
  const hasKeys = files.some(({ path }) => path.startsWith('keys/'));
  return {
    answer: { dataDir, takenAt, hub, node, files: files.length, unreadable },
    lines: [
      `${dataDir} is what hub ${hub} had at ${takenAt}: ${String(files.length)} files, each as it was backed up`,
      ...(isRenamed
        ? [`it was taken of hub ${hub}, node ${node}: this configuration says ${config.hub.name}, ${config.hub.node}`]
        : []),
      ...(hasKeys ? [] : ['it has no keys: put yours into keys/ before you start, or pseudonyms become others']),
      ...unreadable.map((path) => `was not in it: ${path}`),
      'hub start goes on from there: what was to be delivered then is delivered, destinations may get what they have',
    ],
  };
}

function requireLocal(config: Config): void {
  if (config.ledger.kind === 'sqlite' && config.store.kind === 'file') return;
  throw new HubError('command.usage', {
    detail:
      'the data of this hub is not on this machine alone: PostgreSQL and the bucket are backed up by their own means (docs/operations.md)',
  });
}

async function withBar<T>(
  work: (onProgress: (bytes: number, ofBytes: number) => void, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  let bar: ReturnType<typeof progressBar> | undefined;
  try {
    return await interruptible((signal) =>
      work((bytes, ofBytes) => (bar ??= progressBar('bytes', ofBytes)).update(bytes), signal),
    );
  } finally {
    bar?.stop();
  }
}
