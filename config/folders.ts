/** `gateway.folders`: watched folders, the door for what can only write files. */
import { resolve } from 'node:path';
import * as z from 'zod';
import { duration, size } from '../core/quantities.ts';
import { partialCompletion } from './completion.ts';
import { entryName } from './entries.ts';

/** Unfinished copies, and what systems leave in folders by themselves. */
const IGNORED_BY_DEFAULT: readonly string[] = [
  ...['.*', '~*', '*~', '*.tmp', '*.temp', '*.part', '*.partial', '*.filepart', '*.crdownload', '*.lock'],
  ...['Thumbs.db', 'desktop.ini', '$RECYCLE.BIN', 'System Volume Information', 'lost+found', '@eaDir', '__MACOSX'],
];
/** Where taken files are kept, below the watched folder unless it says otherwise. */
export const KEPT_IN = 'done';

export const watchedFolder = z
  .strictObject({
    name: entryName.describe('The source of what comes from here, as routes call it'),
    path: z.string().min(1),
    scan: duration('100ms', '1d').prefault('5s'),
    minAge: duration('0ms', '1d').prefault('10s'),
    removeEmpty: z.union([z.literal('never'), duration('1s', '365d')]).prefault('1d'),
    whenTaken: z.enum(['keep', 'delete']).default('keep'),
    keepIn: z.string().min(1).default(KEPT_IN),
    ignore: z
      .array(z.string().min(1).max(200))
      .max(200)
      .default([...IGNORED_BY_DEFAULT]),
    zip: z
      .strictObject({
        maxEntries: z.int().min(1).max(10_000_000).default(100_000),
        maxSize: size('1MB', '100TB').prefault('50GB'),
        maxRatio: z.int().min(1).max(1100).default(100),
      })
      .prefault({})
      .transform(({ maxEntries, maxSize, maxRatio }) => ({ maxEntries, maxBytes: maxSize, maxRatio })),
    paravision: z
      .strictObject({
        whenTaken: z
          .enum(['keep', 'leave', 'ignore'])
          .default('keep')
          .describe(
            'Study folders of ParaVision: moved to keepIn, left where they are, or nothing but folders of files',
          ),
      })
      .prefault({}),
    completion: partialCompletion.optional(),
  })
  .transform(({ path, scan, minAge, removeEmpty, whenTaken, keepIn, zip, paravision, ...rest }) => ({
    ...rest,
    path: resolve(path),
    scanMs: scan,
    minAgeMs: minAge,
    removeEmptyMs: removeEmpty === 'never' ? undefined : removeEmpty,
    whenTaken:
      whenTaken === 'delete'
        ? ({ kind: 'delete' } as const)
        : ({ kind: 'keep', folder: keptIn(path, keepIn) } as const),
    archives: zip,
    studies:
      paravision.whenTaken === 'ignore'
        ? undefined
        : paravision.whenTaken === 'leave'
          ? ({ kind: 'leave' } as const)
          : ({ kind: 'keep', folder: keptIn(path, keepIn) } as const),
  }));

/** Relative to the watched folder, or absolute. */
export function keptIn(path: string, keepIn: string): string {
  return resolve(path, keepIn);
}
