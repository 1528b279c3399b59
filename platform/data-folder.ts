/** The hub's own folder: spool, store, keys. Nobody else on the machine may look into it. */
import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { HubError } from '../core/errors.ts';
import { syncFolder } from './sync-folder.ts';

export interface DataFolder {
  /** Absolute. */
  readonly path: string;
  /** Segments of what was received. */
  readonly spool: string;
  /** Packs of results. */
  readonly store: string;
  readonly ledgerFile: string;
  /**
   * 32 secret bytes that belong to the purpose; the same on every start and for every thread. From `HUB_<PURPOSE>_KEY`
   * (hex or base64), else from `keys/<purpose>.key`, which is made on first use.
   *
   * @param purpose - `deidentify`: lower-case words joined by hyphens
   * @throws {HubError} `config.invalid` when there is a key that is not 32 bytes
   */
  secret(purpose: string): Promise<Uint8Array>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const KEY_BYTES = 32;
const OWNER_ONLY_FOLDER = 0o700;
const OWNER_ONLY_FILE = 0o600;

/** Makes what is missing. @throws {HubError} `store.no-folder` */
export async function openDataFolder(dir: string, env: Environment): Promise<DataFolder> {
  const path = resolve(dir);
  const keys = join(path, 'keys');
  const spool = join(path, 'spool');
  const store = join(path, 'store');
  try {
    // The first start: a power cut must not take the folder's own name, and with it everything acknowledged inside.
    const made = await makeFolder(path);
    if (made !== undefined) await syncNames(dirname(made), path);
    for (const folder of [path, spool, store, keys]) {
      await makeFolder(folder);
      // `mode` is only for what is made; a folder that was there may be open to everybody.
      if (folder !== path) await chmod(folder, OWNER_ONLY_FOLDER);
    }
    await syncFolder(path);
  } catch (error) {
    throw new HubError('store.no-folder', { folder: path }, error);
  }
  return {
    path,
    spool,
    store,
    ledgerFile: join(path, 'ledger.db'),
    secret: (purpose) => secretOf(purpose, keys, env),
  };
}

/**
 * A hub that lost its ledger must not begin with an empty one: it would take everything in the spool for new and deliver
 * it all again.
 *
 * @throws {HubError} `ledger.missing`
 */
export async function requireLedger({ spool, ledgerFile }: Pick<DataFolder, 'spool' | 'ledgerFile'>): Promise<void> {
  const isThere = await stat(ledgerFile).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const segments = await countSegments({ spool });
  if (segments > 0) throw new HubError('ledger.missing', { segments });
}

/** How many segments of what was received there are. */
export async function countSegments({ spool }: Pick<DataFolder, 'spool'>): Promise<number> {
  return (await readdir(spool)).filter((name) => name.endsWith('.seg')).length;
}

/**
 * As `DataFolder.secret`, for a command that needs a key and nothing else: makes the key folder when it makes the key,
 * and nothing at all when the environment has it.
 *
 * @throws {HubError} `config.invalid`, `store.failed`
 */
export async function openSecret(purpose: string, dir: string, env: Environment): Promise<Uint8Array> {
  const keys = join(resolve(dir), 'keys');
  const given = env[variableOf(purpose)];
  if (given === undefined || given === '') {
    try {
      await makeFolder(keys);
      await chmod(keys, OWNER_ONLY_FOLDER);
    } catch (error) {
      throw new HubError('store.failed', { detail: 'the key folder cannot be made' }, error);
    }
  }
  return secretOf(purpose, keys, env);
}

async function secretOf(purpose: string, keys: string, env: Environment): Promise<Uint8Array> {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(purpose)) throw new TypeError(`${purpose} is not a purpose`);
  const variable = variableOf(purpose);
  const given = env[variable];
  if (given !== undefined && given !== '') return parseKey(given, variable);

  const name = `${purpose}.key`;
  const path = join(keys, name);
  const text = (await readText(path)) ?? (await makeKey(path, keys));
  return parseKey(text, `keys/${name}`);
}

function variableOf(purpose: string): string {
  return `HUB_${purpose.toUpperCase().replaceAll('-', '_')}_KEY`;
}

/** @param origin - for the message; the key itself never stands in one */
function parseKey(text: string, origin: string): Uint8Array {
  const trimmed = text.trim();
  const isHex = /^[0-9a-fA-F]{64}$/.test(trimmed);
  // Standard and URL-safe alphabet, with or without padding.
  const isBase64 = /^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed);
  const bytes = isHex ? Buffer.from(trimmed, 'hex') : isBase64 ? Buffer.from(trimmed, 'base64') : undefined;
  if (bytes?.byteLength !== KEY_BYTES) {
    throw new HubError('config.invalid', { detail: `${origin} is not 32 bytes in hex or base64` });
  }
  return new Uint8Array(bytes);
}

/**
 * A key that is lost takes with it what was made with it: the bytes are on the disk before they get their name, and
 * the name before anybody uses them. `link` refuses a name that is taken, so that of two threads one wins.
 */
async function makeKey(path: string, keys: string): Promise<string> {
  const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', OWNER_ONLY_FILE);
    try {
      await file.writeFile(`${randomBytes(KEY_BYTES).toString('hex')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, path).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error;
    });
    await rm(temporary);
    await syncFolder(keys);
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new HubError('store.failed', { detail: 'a key cannot be kept' }, error);
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw new HubError('store.failed', { detail: 'a key cannot be read' }, error);
  }
}

/**
 * With the folders above it. Node's own `recursive` asks for ever where a system has no folders to be made: /proc says
 * that the parent is missing, and it is there.
 *
 * @returns the topmost that was made; undefined when it was there
 */
async function makeFolder(path: string): Promise<string | undefined> {
  try {
    return (await makeOne(path)) ? path : undefined;
  } catch (error) {
    if (!hasCode(error, 'ENOENT') || path === dirname(path)) throw error;
  }
  const above = await makeFolder(dirname(path));
  return (await makeOne(path)) ? (above ?? path) : above;
}

/** @returns false when it was there */
async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path, OWNER_ONLY_FOLDER);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST') && (await stat(path)).isDirectory()) return false;
    throw error;
  }
}

/** fsync of every folder from `top` down to the one that holds `path`. */
async function syncNames(top: string, path: string): Promise<void> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    await syncFolder(folder);
    if (folder === top || folder === dirname(folder)) return;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
