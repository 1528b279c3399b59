/** Open pack files, shared by the objects that are being read, and kept a while for those that will be. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { HubError } from '../../core/errors.ts';

/** Handles kept though nobody reads from them. Objects of a study lie in few packs, one after the other. */
const MAX_IDLE_FILES = 32;
const IDLE_MS = 5_000;

interface OpenFile {
  readonly handle: Promise<FileHandle>;
  users: number;
  idleSince: number;
}

export interface UsedFile {
  readonly handle: FileHandle;
  /** Once a use. */
  release(): Promise<void>;
}

export class PackFiles {
  readonly #folder: string;
  /** In the order of last use: the first idle one is the oldest. */
  readonly #files = new Map<string, OpenFile>();
  #sweep: NodeJS.Timeout | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * @param pack - relative path of harmless characters, as `parseBlobRef` answers it
   * @throws {HubError} `store.missing`, `store.failed`
   */
  async use(pack: string): Promise<UsedFile> {
    const file = this.#files.get(pack) ?? { handle: open(join(this.#folder, pack), 'r'), users: 0, idleSince: 0 };
    file.users += 1;
    this.#files.delete(pack);
    this.#files.set(pack, file);
    try {
      const handle = await file.handle;
      return { handle, release: () => this.#release(file) };
    } catch (error) {
      file.users -= 1;
      if (this.#files.get(pack) === file) this.#files.delete(pack);
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      throw new HubError(isMissing ? 'store.missing' : 'store.failed', { pack }, error);
    }
  }

  async #release(file: OpenFile): Promise<void> {
    file.users -= 1;
    if (file.users > 0) return;
    // A segment that was removed keeps its place on the disk for as long as somebody has it open.
    file.idleSince = performance.now();
    this.#sweep ??= setTimeout(() => this.#closeOld(), IDLE_MS).unref();
    const idle = [...this.#files].filter(([, { users }]) => users === 0);
    await this.#close(idle.slice(0, Math.max(0, idle.length - MAX_IDLE_FILES)));
  }

  #closeOld(): void {
    this.#sweep = undefined;
    const before = performance.now() - IDLE_MS;
    const idle = [...this.#files].filter(([, { users }]) => users === 0);
    const old = idle.filter(([, { idleSince }]) => idleSince <= before);
    if (old.length < idle.length) this.#sweep = setTimeout(() => this.#closeOld(), IDLE_MS).unref();
    // A file that was only read has nothing to lose when closing it fails.
    this.#close(old).catch(() => undefined);
  }

  async #close(files: readonly (readonly [string, OpenFile])[]): Promise<void> {
    for (const [pack] of files) this.#files.delete(pack);
    await Promise.all(files.map(async ([, { handle }]) => (await handle).close()));
  }
}
