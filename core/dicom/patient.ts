/** One patient, recognised without keeping who it is. */
import { hash } from 'node:crypto';
import type { DataSet } from './data-set.ts';

/** SHA-256 over issuer and trimmed patient ID, as hex: equal for two instances of one patient (PS3.3 Section C.7.1.1). */
export function patientDigest(dataSet: DataSet): string {
  const issuer = dataSet.string('IssuerOfPatientID') ?? '';
  const id = dataSet.string('PatientID') ?? '';
  return hash('sha256', JSON.stringify([issuer, id]));
}
