/**
 * The note beside a file that was not taken: `NAME.error`, plain words for whoever looks into the folder. It carries
 * what the file looked like, so that after a restart the hub knows that it has tried this very file.
 */
import { constants, type Stats } from 'node:fs';
import { lstat, open, rm } from 'node:fs/promises';
import { HubError } from '../../core/errors.ts';
import { isVanished } from './file-errors.ts';

const SUFFIX = '.error';
/** What a note speaks of, and when the hub comes back to it. */
const LINES = {
  file: {
    first: 'The hub did not take this file.',
    last: 'It is tried again when the file changes, or when this note is deleted.',
  },
  /** Refused for want of room. */
  large: {
    first: 'The hub did not take this file yet.',
    last: 'It is tried again by itself when there is room, when the file changes, or when this note is deleted.',
  },
  study: {
    first: 'The hub did not take all of this study.',
    last: 'It is tried again when something in the folder changes, or when this note is deleted.',
  },
  scan: {
    first: 'The hub did not take this scan.',
    last: 'It is tried again when something in the study folder changes, or when the note beside that is deleted.',
  },
} as const;
const OURS = /^The hub did not take /u;
const MAX_NOTE_BYTES = 16 * 1024;

export interface Note {
  /** `file` without it. */
  readonly about?: keyof typeof LINES;
  /** What was not taken and why, a line each: no patient value. */
  readonly lines: readonly string[];
  /** Of the file it speaks of; undefined: the next start of the hub tries the file again. */
  readonly fingerprint: string | undefined;
  readonly at: Date;
}

/** True for a name that is never taken for an instance. */
export function isNote(name: string): boolean {
  return name.toLowerCase().endsWith(SUFFIX);
}

/** Puts the note in place of an older one. */
export async function writeNote(path: string, { about = 'file', lines, fingerprint, at }: Note): Promise<void> {
  const known = fingerprint === undefined ? [] : [`file as it was: ${fingerprint}`];
  const { first, last } = LINES[about];
  const text = [first, '', ...lines, `when: ${at.toISOString()}`, ...known, '', last];
  await rm(`${path}${SUFFIX}`, { force: true });
  // Never through a link that somebody laid there: the hub would write over whatever it leads to.
  const file = await open(`${path}${SUFFIX}`, 'wx', 0o644);
  try {
    // Survives no power cut, and need not: without it, or with a part of it, the file is tried once more.
    await file.writeFile(`${text.join('\n')}\n`);
  } finally {
    await file.close();
  }
}

/** The fingerprint of the file that a note says was not taken; undefined without a note of ours. */
export async function notedFingerprint(path: string): Promise<string | undefined> {
  const text = await readNote(`${path}${SUFFIX}`);
  return text === undefined ? undefined : /^file as it was: (\S+)$/mu.exec(text)?.[1];
}

/** False when somebody took the note away: the file is to be tried again. */
export async function isNoted(path: string): Promise<boolean> {
  return (await exists(`${path}${SUFFIX}`).catch(() => true)) !== undefined;
}

export async function removeNote(path: string): Promise<void> {
  if ((await readNote(`${path}${SUFFIX}`)) !== undefined) await rm(`${path}${SUFFIX}`, { force: true });
}

/** Takes a note away whose file is gone. @param notePath - of the note itself */
export async function removeOrphanNote(notePath: string): Promise<void> {
  if (await exists(notePath.slice(0, -SUFFIX.length))) return;
  if ((await readNote(notePath)) !== undefined) await rm(notePath, { force: true });
}

/** What a failure is called in a note. */
export function noteLines(error: HubError): readonly string[] {
  const fields = Object.entries(error.fields).filter(([, value]) => value !== undefined);
  return [
    `why: ${error.row.title}`,
    ...fields.map(([name, value]) => `${name}: ${String(value)}`),
    `what to do: ${error.row.remedy}`,
    `code: ${error.code}`,
  ];
}

/** Undefined for what is not there or was not written by a hub. */
async function readNote(notePath: string): Promise<string | undefined> {
  let file;
  try {
    file = await open(notePath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isVanished(error) || isLink(error)) return undefined;
    throw error;
  }
  try {
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > MAX_NOTE_BYTES) return undefined;
    const text = await file.readFile('utf8');
    return OURS.test(text) ? text : undefined;
  } finally {
    await file.close();
  }
}

async function exists(path: string): Promise<Stats | undefined> {
  return await lstat(path).catch((error: unknown) => {
    if (isVanished(error)) return undefined;
    throw error;
  });
}

function isLink(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ELOOP';
}
