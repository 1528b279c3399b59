/** Studies full of identifiers that must not get out, as files for a scanner, and the search for them in what got out. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { phantomStudy, type PhantomInstance, type StudyOptions } from '../../demo/phantom/study.ts';

/** The smallest head that the model still sees a brain in. */
const SMALL: StudyOptions = { columns: 64, rows: 48, slices: 12 };

export interface WrittenStudy {
  readonly studyInstanceUid: string;
  readonly instances: readonly PhantomInstance[];
  /** Paths, in the order of `instances`. */
  readonly files: readonly string[];
}

/** Writes a simulated study into a folder. */
export async function writeStudy(folder: string, options: StudyOptions = {}): Promise<WrittenStudy> {
  const instances = phantomStudy({ ...SMALL, ...options });
  await mkdir(folder, { recursive: true });
  const files: string[] = [];
  for (const { name, bytes } of instances) {
    const file = join(folder, name);
    await writeFile(file, bytes);
    files.push(file);
  }
  const [first] = instances;
  if (first === undefined) throw new Error('a study has instances');
  return { studyInstanceUid: first.studyInstanceUid, instances, files };
}

/** Header values that say who was scanned, by whom and where. In places where people really write them. */
export const PLANTED: StudyOptions = {
  patientName: 'Vuolukivi^Zebrafinch',
  patientId: 'ZEBRA-4711',
  studyDescription: 'rat brain of ZEBRA-4711',
  attributes: {
    AccessionNumber: 'ACC-90210-Q',
    OtherPatientNames: 'Vuolukivi^Entinen',
    ImageComments: 'moved twice, says Piilosalo',
    RequestedProcedureDescription: 'Zebrafinch follow-up',
    PerformedProcedureStepDescription: 'scan of Vuolukivi',
    AdditionalPatientHistory: 'born at Olematonkatu 7',
    RequestAttributesSequence: [
      { RequestedProcedureID: 'RP-55512-Z', ScheduledProcedureStepDescription: 'for Piilosalo, ZEBRA-4711' },
    ],
    ReferencedStudySequence: [
      { ReferencedSOPClassUID: '1.2.840.10008.3.1.2.3.1', ReferencedSOPInstanceUID: '1.2.826.0.1.3680043.10.511.9.77' },
    ],
  },
};

/** What nobody but the hub's own people may read, in files, events, metrics and logs. */
export const PATIENT_VALUES = [
  'Vuolukivi',
  'Zebrafinch',
  'ZEBRA-4711',
  'ACC-90210',
  'Entinen',
  'Piilosalo',
  'RP-55512',
  'Keksit',
  'Olematonkatu',
  'SIM-000-7',
];

/** UIDs by which a partner could recognize the study elsewhere. */
export function originalUids(study: WrittenStudy): readonly string[] {
  const uids = study.instances.flatMap((each) => [each.studyInstanceUid, each.seriesInstanceUid, each.sopInstanceUid]);
  return [...new Set(uids), '1.2.826.0.1.3680043.10.511.9.77'];
}

/** Those of the values that occur in the bytes, in upper or lower case. */
export function foundIn(bytes: Uint8Array | string, values: readonly string[]): readonly string[] {
  const text = Buffer.from(bytes).toString('latin1').toLowerCase();
  return values.filter((value) => text.includes(Buffer.from(value, 'utf8').toString('latin1').toLowerCase()));
}
