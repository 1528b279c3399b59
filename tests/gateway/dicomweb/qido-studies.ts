/** What QIDO-RS is asked for in the tests of it. */
import type { Attributes } from '../../../core/dicom/encode.ts';

export const STUDY = '2.25.100';

/** Six studies; what is not said is as `mrInstance` has it. */
export const STUDIES: readonly (readonly Attributes[])[] = [
  [
    {
      StudyInstanceUID: `${STUDY}.1`,
      SeriesInstanceUID: `${STUDY}.1.1`,
      SOPInstanceUID: `${STUDY}.1.1.1`,
      PatientName: 'Müller^Jörg',
      PatientID: 'RAT-1',
      PatientBirthDate: '20250101',
      PatientSex: 'M',
      StudyDate: '20260301',
      StudyTime: '0915',
      AccessionNumber: 'A1',
      StudyID: 'S1',
      StudyDescription: 'rat brain [T2]',
      ReferringPhysicianName: 'Kanervisto^Mikko',
      SeriesNumber: '1',
      SeriesDescription: 'T2 TurboRARE',
      ProtocolName: 'T2',
      InstanceNumber: '1',
      PerformedProcedureStepStartDate: '20260301',
      PerformedProcedureStepStartTime: '091500',
      SliceThickness: '0.5',
    },
    {
      StudyInstanceUID: `${STUDY}.1`,
      SeriesInstanceUID: `${STUDY}.1.1`,
      SOPInstanceUID: `${STUDY}.1.1.2`,
      PatientID: 'RAT-1',
      PatientName: 'Müller^Jörg',
      InstanceNumber: '2',
    },
    {
      StudyInstanceUID: `${STUDY}.1`,
      SeriesInstanceUID: `${STUDY}.1.2`,
      SOPInstanceUID: `${STUDY}.1.2.1`,
      PatientID: 'RAT-1',
      PatientName: 'Müller^Jörg',
      Modality: 'SEG',
      SeriesNumber: '2',
      InstanceNumber: '1',
    },
  ],
  [
    named(2, {
      PatientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう',
      PatientID: 'RAT-2',
      StudyDate: '20260302',
      StudyTime: '101530.250',
    }),
  ],
  [named(3, { PatientName: 'Ahonen^Mika', PatientID: 'RAT-3', StudyDate: '20260315', StudyTime: '10' })],
  [
    named(4, {
      PatientName: 'ahonen^MIKA^',
      PatientID: 'RAT-33',
      StudyDate: '20260401',
      StudyTime: '110000',
      Modality: 'CT',
    }),
  ],
  [named(5, { PatientName: undefined, PatientID: 'MOUSE-5', StudyDate: '', StudyDescription: 'mouse heart' })],
  [named(6, { PatientName: 'Plain', PatientID: 'rat-1', StudyDate: '20250101', AccessionNumber: 'A*1' })],
];

function named(n: number, over: Attributes): Attributes {
  const uid = `${STUDY}.${n}`;
  return { StudyInstanceUID: uid, SeriesInstanceUID: `${uid}.1`, SOPInstanceUID: `${uid}.1.1`, StudyTime: '', ...over };
}
