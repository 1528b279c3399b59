/** What one study's de-identification gave new names to, and whose it was: what leads back, for the crosswalk. */
import { latin1 } from '../../core/dicom/character-sets.ts';
import { DataSet } from '../../core/dicom/data-set.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import { toExplicitLittleEndian } from '../../core/dicom/to-explicit.ts';
import { walk } from '../../core/dicom/walker.ts';
import { isKeptOfOriginal } from '../crosswalk/patient-and-study.ts';

/** Of the patient and study modules; what is longer is a document, and not who somebody is. */
const LONGEST_ATTRIBUTE_BYTES = 64 * 1024;
/** Different days in a study; a longitudinal one has a few dozen. */
const MOST_DAYS = 4096;

/** Whose study it was, as its first instance says. */
export interface OriginalStudy {
  readonly issuer: string;
  readonly patientId: string;
  /** Empty when the released instance has none. */
  readonly releasedPatientId: string;
  /** In explicit VR little endian. */
  readonly attributes: Uint8Array;
}

/** Filled while a study is de-identified; worth something once it is released. */
export class Mapped {
  /** Original by released; what was kept stands for itself. */
  readonly uids = new Map<string, string>();
  readonly texts = new Map<string, string>();
  /** As they were, `YYYYMMDD`. */
  readonly days = new Set<string>();
  #study: OriginalStudy | undefined;
  #shiftDays: number | undefined;

  get study(): OriginalStudy | undefined {
    return this.#study;
  }

  /** Undefined: no date was moved. */
  get shiftDays(): number | undefined {
    return this.#shiftDays;
  }

  uid(original: string, released: string): void {
    this.uids.set(released, original);
  }

  text(original: string, released: string): void {
    this.texts.set(released, original);
  }

  /** A date or date time that was moved. @param days - by which those of the patient are */
  shifted(value: Uint8Array, days: number): void {
    this.#shiftDays = days;
    for (const one of latin1(value).split('\\')) {
      const day = one.trim().replaceAll('.', '').slice(0, 8);
      if (this.days.size < MOST_DAYS) this.days.add(day);
    }
  }

  /** @param bytes - the rewritten header, in the encoding of the original */
  released({ dataSet }: Part10Header, bytes: Uint8Array): void {
    if (this.#study !== undefined) return;
    const { item } = dataSet;
    const kept = item.elements.filter(
      ({ tag, start, end }) => isKeptOfOriginal(tag) && end - start <= LONGEST_ATTRIBUTE_BYTES,
    );
    this.#study = {
      issuer: dataSet.string('IssuerOfPatientID') ?? '',
      patientId: dataSet.string('PatientID') ?? '',
      releasedPatientId: new DataSet(walk(bytes, item.encoding).root).string('PatientID') ?? '',
      attributes: toExplicitLittleEndian({ ...item, elements: kept }),
    };
  }
}
