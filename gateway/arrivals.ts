/**
 * What has arrived and the ledger does not know yet: together with the ledger's own answer it tells a repeat, a reused
 * UID and a second patient from something new, before the sender gets its status.
 *
 * Bound: one entry an unrecorded instance, some 300 bytes; the disk reserve limits how many there can be.
 */
import type { SopInstanceUid, StudyInstanceUid } from '../core/identifiers.ts';

/** What identifies an instance's place and content. */
export interface Arrival {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly sopInstanceUid: SopInstanceUid;
  readonly dataSetSha256: string;
  readonly patientDigest: string;
}

/** `same` carries the promise that decides whether the earlier arrival is durable. */
export type Verdict =
  | { readonly kind: 'new' }
  | { readonly kind: 'same'; readonly durable: Promise<unknown> }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'patient-mismatch' };

/** The ledger's `instances.known`. */
export interface Known {
  readonly dataSetSha256?: string;
  readonly patientDigest?: string;
  readonly hasSeveralPatients?: true;
}

export class Arrivals {
  readonly #instances = new Map<
    SopInstanceUid,
    { readonly dataSetSha256: string; readonly durable: Promise<unknown> }
  >();
  readonly #studies = new Map<StudyInstanceUid, { readonly patientDigest: string; instances: number }>();

  judge(arrival: Arrival, known: Known): Verdict {
    // The ledger's word counts first: what waits here may be a copy that it is going to refuse.
    const pending = known.dataSetSha256 === undefined ? this.#instances.get(arrival.sopInstanceUid) : undefined;
    const digest = known.dataSetSha256 ?? pending?.dataSetSha256;
    if (digest === arrival.dataSetSha256) return { kind: 'same', durable: pending?.durable ?? Promise.resolve() };
    if (digest !== undefined) return { kind: 'conflict' };
    if (known.hasSeveralPatients === true) return { kind: 'new' };
    const patient = known.patientDigest ?? this.#studies.get(arrival.studyInstanceUid)?.patientDigest;
    return { kind: patient === undefined || patient === arrival.patientDigest ? 'new' : 'patient-mismatch' };
  }

  /** @param durable - a repeat that comes meanwhile is as good as this */
  add(arrival: Arrival, durable: Promise<unknown>): void {
    if (this.#instances.has(arrival.sopInstanceUid)) return;
    this.#instances.set(arrival.sopInstanceUid, { dataSetSha256: arrival.dataSetSha256, durable });
    const study = this.#studies.get(arrival.studyInstanceUid);
    if (study === undefined) {
      this.#studies.set(arrival.studyInstanceUid, { patientDigest: arrival.patientDigest, instances: 1 });
    } else study.instances += 1;
  }

  /** The ledger knows it now, or it did not become durable. */
  forget(arrival: Pick<Arrival, 'studyInstanceUid' | 'sopInstanceUid' | 'dataSetSha256'>): void {
    // A refused copy with other bytes was never added; it must not take the first one's entry away.
    if (this.#instances.get(arrival.sopInstanceUid)?.dataSetSha256 !== arrival.dataSetSha256) return;
    this.#instances.delete(arrival.sopInstanceUid);
    const study = this.#studies.get(arrival.studyInstanceUid);
    if (study === undefined) return;
    study.instances -= 1;
    if (study.instances === 0) this.#studies.delete(arrival.studyInstanceUid);
  }
}
