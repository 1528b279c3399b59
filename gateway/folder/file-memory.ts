/**
 * What the door remembers of the files in a watched folder between two looks: since when each is unchanged, and what
 * became of those it left there. All of it is found out again after a restart; bounded, whatever the folder holds.
 */

/**
 * `waiting`: not unchanged for long enough. `still`: to be taken. `resting`: it could not be read. The others are what
 * `settle` said of the unchanged file.
 */
export type FileState = 'waiting' | 'still' | 'resting' | Settled;
/** `refused`: has a note. `unnoted`: it could not be written. `other`: no instance. `taken`: in the hub, but it could not be moved away; `kept`: the same, and it is not to be deleted. `left`: in the hub, and to stay where it is. */
export type Settled = 'refused' | 'unnoted' | 'other' | 'taken' | 'kept' | 'left';

interface Seen {
  readonly fingerprint: string;
  readonly sinceMs: number;
  readonly settled?: Settled;
  readonly needsBytes?: number | undefined;
  look: number;
  restsUntilMs?: number;
}

/** Some 300 bytes each. What is beyond waits until others are taken. */
const MAX_WATCHED = 20_000;
/** What is beyond is looked into again and again: slower, with the same result. */
const MAX_SETTLED = 50_000;

export class FileMemory {
  readonly #minAgeMs: number;
  readonly #watched = new Map<string, Seen>();
  readonly #settled = new Map<string, Seen>();
  #look = 0;

  /** @param minAgeMs - so long a file must be seen unchanged: a copy may have its final size and date before its bytes */
  constructor(minAgeMs: number) {
    this.#minAgeMs = minAgeMs;
  }

  /**
   * @param nowMs - of a clock that is never set
   * @param roomBytes - how much there is for what was refused for want of it
   */
  observe(name: string, fingerprint: string, nowMs: number, roomBytes: () => number = () => 0): FileState {
    const settled = this.#settled.get(name);
    if (settled?.settled !== undefined) {
      const hasRoom = settled.needsBytes !== undefined && settled.needsBytes <= roomBytes();
      if (settled.fingerprint === fingerprint && !hasRoom) {
        settled.look = this.#look;
        return settled.settled;
      }
      this.#settled.delete(name);
    }
    const watched = this.#watched.get(name);
    if (watched?.fingerprint === fingerprint) {
      watched.look = this.#look;
      if (nowMs < (watched.restsUntilMs ?? 0)) return 'resting';
      return nowMs - watched.sinceMs >= this.#minAgeMs ? 'still' : 'waiting';
    }
    if (watched === undefined && this.#watched.size >= MAX_WATCHED) return 'waiting';
    this.#watched.set(name, { fingerprint, sinceMs: nowMs, look: this.#look });
    return this.#minAgeMs === 0 ? 'still' : 'waiting';
  }

  /** It cannot be read: others come first for a while. */
  rest(name: string, untilMs: number): void {
    const watched = this.#watched.get(name);
    if (watched !== undefined) watched.restsUntilMs = untilMs;
  }

  /**
   * Nothing is done with the file until it changes.
   *
   * @param needsBytes - or until there is so much room
   */
  settle(name: string, fingerprint: string, settled: Settled, needsBytes?: number): void {
    this.#watched.delete(name);
    const [oldest] = this.#settled.keys();
    if (this.#settled.size >= MAX_SETTLED && oldest !== undefined) this.#settled.delete(oldest);
    this.#settled.set(name, { fingerprint, sinceMs: 0, settled, needsBytes, look: this.#look });
  }

  /** It went away, or is to be looked at as if it were new. */
  forget(name: string): void {
    this.#watched.delete(name);
    this.#settled.delete(name);
  }

  /** A look at the whole folder is over: what was not seen in it is gone. */
  endLook(): void {
    for (const memory of [this.#watched, this.#settled]) {
      for (const [name, seen] of memory) if (seen.look !== this.#look) memory.delete(name);
    }
    this.#look += 1;
  }
}
