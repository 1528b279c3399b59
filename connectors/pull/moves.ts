/**
 * The moves that peers were asked for and make, for the DIMSE door: a C-STORE that comes for one of them is the pull's,
 * and brings the study that was asked for. A peer need not say for which move it sends (PS3.7 Section 9.1.1.1.8).
 */
import { HubError } from '../../core/errors.ts';
import type { StudyInstanceUid } from '../../core/identifiers.ts';
import type { IncomingStore, MoveOrigin, MoveOrigins } from '../../core/intake.ts';

export interface AskedMove {
  readonly pull: string;
  readonly studyInstanceUid: StudyInstanceUid;
  /** Who asked. */
  readonly callingAeTitle: string;
  /** Who was asked, and sends. */
  readonly peerAeTitle: string;
  readonly onStored: (sizeBytes: number) => void;
}

/** What is still on its way when we gave it up is taken all the same. */
const REMEMBERED_MS = 10 * 60_000;
const MAX_REMEMBERED = 1_000;
const MAX_MESSAGE_ID = 0xffff;

interface KnownMove extends AskedMove {
  endedMs: number | undefined;
}

export class Moves implements MoveOrigins {
  readonly #moves = new Map<number, KnownMove>();
  #pulls: ReadonlySet<string>;
  readonly #isAlone: boolean;
  #lastId = 0;

  /**
   * @param pulls - names of those whose peers need not be configured as sources
   * @param isAlone - there is no other gateway, so a move that is not known here was not asked for
   */
  constructor(pulls: readonly string[], isAlone: boolean) {
    this.#pulls = new Set(pulls);
    this.#isAlone = isAlone;
  }

  /** The pulls there are from now on; what was asked for before is still known. */
  rename(pulls: readonly string[]): void {
    this.#pulls = new Set(pulls);
  }

  /** The Message ID to ask with, and how to say that the move is over. */
  begin(move: AskedMove): { readonly messageId: number; readonly end: () => void } {
    this.#forget();
    do this.#lastId = (this.#lastId % MAX_MESSAGE_ID) + 1;
    while (this.#moves.has(this.#lastId));
    const messageId = this.#lastId;
    const known: KnownMove = { ...move, endedMs: undefined };
    this.#moves.set(messageId, known);
    return {
      messageId,
      end: () => {
        known.endedMs = performance.now();
      },
    };
  }

  originOf({ source, callingAeTitle, originator }: IncomingStore): MoveOrigin | undefined {
    this.#forget();
    const named = originator === undefined ? undefined : this.#moves.get(originator.messageId);
    const isMeant = named?.callingAeTitle === originator?.aeTitle && named?.peerAeTitle === callingAeTitle;
    if (named !== undefined && isMeant) return originOf(named);
    // Who is configured as a source may send what it likes, and as itself.
    if (!this.#pulls.has(source)) return undefined;
    const candidates = [...this.#moves.values()].filter(({ peerAeTitle }) => peerAeTitle === callingAeTitle);
    const [only, second] = candidates;
    if (only !== undefined && second === undefined) return originOf(only);
    if (only !== undefined) return { source: only.pull };
    return this.#isAlone ? { source, refusal: new HubError('pull.unasked') } : { source };
  }

  #forget(): void {
    const limitMs = performance.now() - REMEMBERED_MS;
    let excess = this.#moves.size - MAX_REMEMBERED;
    for (const [messageId, { endedMs }] of this.#moves) {
      if (endedMs === undefined || (endedMs > limitMs && excess <= 0)) continue;
      this.#moves.delete(messageId);
      excess -= 1;
    }
  }
}

function originOf({ pull, studyInstanceUid, onStored }: KnownMove): MoveOrigin {
  return { source: pull, studyInstanceUid, onStored };
}
