/**
 * What has arrived and the ledger does not know yet: together with the ledger's own answer it tells a repeat, a reused
 * UID and a second patient from something new, before the sender gets its status.
 *
 * Bound: one entry an unrecorded instance, some 300 bytes; the disk reserve limits how many there can be.
 */
import {
  isUid,
  parseSopInstanceUid,
  type SeriesInstanceUid,
  type SopInstanceUid,
  type StudyInstanceUid,
} from '../core/identifiers.ts';

/** What identifies an instance's place and content. */
export interface Arrival {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly seriesInstanceUid: SeriesInstanceUid;
  readonly sopInstanceUid: SopInstanceUid;
  readonly dataSetSha256: string;
  readonly patientDigest: string;
}

/** `same` carries the promise that decides whether the earlier arrival is durable. */
export type Verdict =
  | { readonly kind: 'new' }
  | { readonly kind: 'same'; readonly durable: Promise<unknown> }
  | Conflict
  | {
      readonly kind: 'patient-mismatch';
      /** Fulfilled when something of the study's patient is; absent when the ledger has that. */
      readonly durable?: Promise<unknown>;
    };

/** The UID is taken by other bytes. */
export interface Conflict {
  readonly kind: 'conflict';
  /** Of the content that is current. */
  readonly against: string;
  /** Where that content waits to be recorded; absent when the ledger has it. */
  readonly pending?: Pick<Arrival, 'studyInstanceUid' | 'seriesInstanceUid'> & { readonly durable: Promise<unknown> };
  /** The study holds another patient. */
  readonly isOtherPatient: boolean;
}

/** The ledger's `instances.known`. */
export interface Known {
  readonly dataSetSha256?: string;
  readonly patientDigest?: string;
  readonly otherPatients?: readonly string[];
}

interface Pending extends Arrival {
  readonly durable: Promise<unknown>;
  /** It was let in as a later version of what was there. */
  readonly isRevision: boolean;
}

export class Arrivals {
  /** By UID, in the order they came; nearly always one. */
  readonly #instances = new Map<SopInstanceUid, readonly Pending[]>();
  readonly #studies = new Map<
    StudyInstanceUid,
    { readonly patientDigest: string; readonly durable: Set<Promise<unknown>> }
  >();

  judge(arrival: Arrival, known: Known): Verdict {
    // The ledger's word counts first: what waits here may be a copy that it is going to refuse.
    const waiting = this.#instances.get(arrival.sopInstanceUid) ?? [];
    const pending = known.dataSetSha256 === undefined ? waiting : waiting.filter(({ isRevision }) => isRevision);
    const own = pending.find(({ dataSetSha256 }) => dataSetSha256 === arrival.dataSetSha256);
    if (own !== undefined) return { kind: 'same', durable: own.durable };
    if (known.dataSetSha256 === arrival.dataSetSha256) return { kind: 'same', durable: Promise.resolve() };
    const current = pending.at(-1);
    const against = current?.dataSetSha256 ?? known.dataSetSha256;
    const isOtherPatient = this.#isOtherPatient(arrival, known);
    if (against === undefined) {
      if (!isOtherPatient) return { kind: 'new' };
      const first =
        known.patientDigest === undefined ? this.#studies.get(arrival.studyInstanceUid)?.durable : undefined;
      return { kind: 'patient-mismatch', ...(first === undefined ? {} : { durable: Promise.any(first) }) };
    }
    return { kind: 'conflict', against, isOtherPatient, ...(current === undefined ? {} : { pending: current }) };
  }

  /**
   * @param durable - a repeat that comes meanwhile is as good as this
   * @param isRevision - it may take the place of another content of its UID
   */
  add(arrival: Arrival, durable: Promise<unknown>, isRevision = false): void {
    const waiting = this.#instances.get(arrival.sopInstanceUid);
    if (waiting !== undefined && !isRevision) return;
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, dataSetSha256, patientDigest } = arrival;
    const pending = {
      studyInstanceUid,
      seriesInstanceUid,
      sopInstanceUid,
      dataSetSha256,
      patientDigest,
      durable,
      isRevision,
    };
    this.#instances.set(sopInstanceUid, waiting === undefined ? [pending] : [...waiting, pending]);
    const study = this.#studies.get(studyInstanceUid);
    if (study === undefined) this.#studies.set(studyInstanceUid, { patientDigest, durable: new Set([durable]) });
    else study.durable.add(durable);
  }

  /** True while the ledger does not know everything that arrived of the study. */
  hasPending(study: StudyInstanceUid): boolean {
    return this.#studies.has(study);
  }

  /** True while a content of this UID has arrived that the ledger does not know. */
  has(sopInstanceUid: string): boolean {
    return isUid(sopInstanceUid) && this.#instances.has(parseSopInstanceUid(sopInstanceUid));
  }

  /** The ledger knows it now, or it did not become durable. */
  forget(arrival: Pick<Arrival, 'studyInstanceUid' | 'sopInstanceUid' | 'dataSetSha256'>): void {
    const waiting = this.#instances.get(arrival.sopInstanceUid);
    const rest = waiting?.filter(({ dataSetSha256 }) => dataSetSha256 !== arrival.dataSetSha256);
    // A refused copy with other bytes was never added; it must not take the first one's entry away.
    if (waiting === undefined || rest === undefined || rest.length === waiting.length) return;
    if (rest.length === 0) this.#instances.delete(arrival.sopInstanceUid);
    else this.#instances.set(arrival.sopInstanceUid, rest);
    const study = this.#studies.get(arrival.studyInstanceUid);
    if (study === undefined) return;
    for (const pending of waiting) if (!rest.includes(pending)) study.durable.delete(pending.durable);
    if (study.durable.size === 0) this.#studies.delete(arrival.studyInstanceUid);
  }

  #isOtherPatient(arrival: Arrival, known: Known): boolean {
    if (known.otherPatients?.includes(arrival.patientDigest) === true) return false;
    const patient = known.patientDigest ?? this.#studies.get(arrival.studyInstanceUid)?.patientDigest;
    return patient !== undefined && patient !== arrival.patientDigest;
  }
}
