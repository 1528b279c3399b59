/**
 * What has arrived and the ledger does not know yet: together with the ledger's own answer it tells a repeat, a reused
 * UID and a second patient from something new, before the sender gets its status.
 *
 * Bound: one entry an unrecorded instance, some 300 bytes; the disk reserve limits how many there can be.
 */
import assert from 'node:assert/strict';
import {
  isUid,
  parseSopInstanceUid,
  type SeriesInstanceUid,
  type SopInstanceUid,
  type StudyInstanceUid,
} from '../core/identifiers.ts';

/** What identifies an instance's place, and its content where that was looked at. */
export interface Arrival {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly seriesInstanceUid: SeriesInstanceUid;
  readonly sopInstanceUid: SopInstanceUid;
  readonly patientDigest: string;
  /** Left out where nothing has its UID: the digest costs more than all else, and there is nothing to compare. */
  readonly dataSetSha256?: string | undefined;
}

/** What an arrival is once it is durable. */
export interface Durable {
  readonly dataSetSha256: () => Promise<string>;
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
  dataSetSha256: string | undefined;
  /** The record's own; the pump says by it what the ledger knows. */
  readonly description: object;
  readonly durable: Promise<Durable>;
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

  /** False while something that waits under this UID has to be read before another can be told from it. */
  isComparable(sopInstanceUid: SopInstanceUid): boolean {
    const waiting = this.#instances.get(sopInstanceUid) ?? [];
    return waiting.every(({ dataSetSha256 }) => dataSetSha256 !== undefined);
  }

  /**
   * Reads what waits under this UID, as soon as it is durable; what does not become so is not compared with anything.
   *
   * @throws what reading it failed of
   */
  async makeComparable(sopInstanceUid: SopInstanceUid): Promise<void> {
    for (const pending of this.#instances.get(sopInstanceUid) ?? []) {
      const durable = await pending.durable.catch(() => undefined);
      if (durable !== undefined) pending.dataSetSha256 ??= await durable.dataSetSha256();
    }
  }

  /** Where something waits under its UID, or is known, the arrival's digest is given, and all that waits is comparable. */
  judge(arrival: Arrival, known: Known): Verdict {
    // The ledger's word counts first: what waits here may be a copy that it is going to refuse.
    const waiting = this.#instances.get(arrival.sopInstanceUid) ?? [];
    const pending = known.dataSetSha256 === undefined ? waiting : waiting.filter(({ isRevision }) => isRevision);
    const isUnique = waiting.length === 0 && known.dataSetSha256 === undefined;
    assert(isUnique || (arrival.dataSetSha256 !== undefined && this.isComparable(arrival.sopInstanceUid)));
    const own = pending.find(({ dataSetSha256 }) => dataSetSha256 === arrival.dataSetSha256);
    if (own !== undefined) return { kind: 'same', durable: own.durable };
    if (!isUnique && known.dataSetSha256 === arrival.dataSetSha256) return { kind: 'same', durable: Promise.resolve() };
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
   * @param description - of its record: `forget` knows it by this object
   * @param durable - a repeat that comes meanwhile is as good as this
   * @param isRevision - it may take the place of another content of its UID
   */
  add(arrival: Arrival, description: object, durable: Promise<Durable>, isRevision = false): void {
    const waiting = this.#instances.get(arrival.sopInstanceUid);
    if (waiting !== undefined && !isRevision) return;
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, dataSetSha256, patientDigest } = arrival;
    const pending: Pending = {
      studyInstanceUid,
      seriesInstanceUid,
      sopInstanceUid,
      dataSetSha256,
      patientDigest,
      description,
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
  forget(description: { readonly sopInstanceUid: string }): void {
    const sopInstanceUid = parseSopInstanceUid(description.sopInstanceUid);
    const waiting = this.#instances.get(sopInstanceUid);
    const pending = waiting?.find((one) => one.description === description);
    // A refused copy with other bytes was never added; it must not take the first one's entry away.
    if (waiting === undefined || pending === undefined) return;
    if (waiting.length === 1) this.#instances.delete(sopInstanceUid);
    else
      this.#instances.set(
        sopInstanceUid,
        waiting.filter((one) => one !== pending),
      );
    const study = this.#studies.get(pending.studyInstanceUid);
    if (study === undefined) return;
    study.durable.delete(pending.durable);
    if (study.durable.size === 0) this.#studies.delete(pending.studyInstanceUid);
  }

  #isOtherPatient(arrival: Arrival, known: Known): boolean {
    if (known.otherPatients?.includes(arrival.patientDigest) === true) return false;
    const patient = known.patientDigest ?? this.#studies.get(arrival.studyInstanceUid)?.patientDigest;
    return patient !== undefined && patient !== arrival.patientDigest;
  }
}
