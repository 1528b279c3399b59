/** Exports leave empty folders behind, and each costs every look a question: those the hub emptied go after a while. */
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FileMemory } from './file-memory.ts';
import { isThere, type WhenTaken } from './put-away.ts';

/** What is beyond stays, and so does what a restart forgets. */
const MAX_TOOK_FROM = 20_000;

export class EmptiedFolders {
  readonly #memory: FileMemory;
  readonly #whenTaken: WhenTaken;
  /** Where files were deleted: nothing else is left to tell by. */
  readonly #tookFrom = new Set<string>();

  /** @param afterMs - so long a folder must be seen empty; undefined: none is ever removed */
  constructor(afterMs: number | undefined, whenTaken: WhenTaken) {
    this.#memory = new FileMemory(afterMs ?? Infinity);
    this.#whenTaken = whenTaken;
  }

  /** @param name - of a file, relative to the watched folder */
  took(name: string): void {
    if (this.#whenTaken.kind === 'keep') return;
    for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1)) {
      if (this.#tookFrom.size < MAX_TOOK_FROM) this.#tookFrom.add(name.slice(0, end));
    }
  }

  /** A folder was seen without an entry. @param name - relative to the watched folder */
  async seen(name: string, path: string): Promise<void> {
    if (this.#memory.observe(name, 'empty', performance.now()) !== 'still') return;
    this.#memory.forget(name);
    // One that nothing was taken from is somebody's own order of folders.
    const isOurs =
      this.#whenTaken.kind === 'keep' ? await isThere(join(this.#whenTaken.folder, name)) : this.#tookFrom.delete(name);
    if (!isOurs) return;
    // Refused when something came into it in this moment; then it is no empty folder.
    await rmdir(path).catch(() => undefined);
  }

  endLook(): void {
    this.#memory.endLook();
  }
}
