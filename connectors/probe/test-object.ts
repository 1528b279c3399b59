/** A tiny MR instance of a patient nobody can take for a real one, to see whether a destination really keeps what it gets. */
import { randomUUID } from 'node:crypto';
import { encodePart10 } from '../../core/dicom/encode.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';

const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';
const PATIENT = { id: 'HUB-DOCTOR-TEST', name: 'HUB^DOCTOR TEST^DELETE ME' };
const SIZE = 16;

export interface TestObject {
  readonly patientId: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
  /** The whole Part 10 file. */
  readonly bytes: Uint8Array;
  readonly pixels: Uint8Array;
}

/** Fresh UIDs each time, so that no destination can call it a duplicate. */
export function makeTestObject(hubName: string, now: Date): TestObject {
  const [studyInstanceUid, seriesInstanceUid, sopInstanceUid, frameOfReferenceUid] = [
    newUid(),
    newUid(),
    newUid(),
    newUid(),
  ];
  const [date = '', time = ''] = now.toISOString().replace(/[-:]/g, '').split(/[T.]/);
  // A chequerboard: whoever opens it sees that it is no anatomy.
  const pixels = new Uint8Array(
    Uint16Array.from({ length: SIZE * SIZE }, (_, n) => (((n >> 2) + (n >> 6)) % 2 === 0 ? 4000 : 100)).buffer,
  );
  const bytes = encodePart10({
    SOPClassUID: MR_IMAGE_STORAGE,
    SOPInstanceUID: sopInstanceUid,
    StudyInstanceUID: studyInstanceUid,
    SeriesInstanceUID: seriesInstanceUid,
    FrameOfReferenceUID: frameOfReferenceUid,
    PositionReferenceIndicator: '',
    PatientID: PATIENT.id,
    PatientName: PATIENT.name,
    PatientBirthDate: '',
    PatientSex: '',
    StudyDate: date,
    StudyTime: time,
    StudyID: 'TEST',
    AccessionNumber: '',
    ReferringPhysicianName: '',
    StudyDescription: `Connection test of the hub ${hubName}`,
    SeriesDescription: 'No image of anybody: may be deleted',
    Modality: 'MR',
    SeriesNumber: 1,
    InstanceNumber: 1,
    Manufacturer: 'imaging-hub',
    ImageType: ['DERIVED', 'SECONDARY', 'OTHER'],
    ScanningSequence: 'RM',
    SequenceVariant: 'NONE',
    ScanOptions: '',
    MRAcquisitionType: '2D',
    RepetitionTime: '',
    EchoTime: '',
    EchoTrainLength: '',
    SliceThickness: 1,
    Laterality: '',
    PatientPosition: 'HFS',
    ImagePositionPatient: [0, 0, 0],
    ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
    PixelSpacing: [1, 1],
    Rows: SIZE,
    Columns: SIZE,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    BitsAllocated: 16,
    BitsStored: 12,
    HighBit: 11,
    PixelRepresentation: 0,
    PixelData: { vr: 'OW', value: pixels },
  });
  return {
    patientId: PATIENT.id,
    studyInstanceUid,
    seriesInstanceUid,
    sopInstanceUid,
    sopClassUid: MR_IMAGE_STORAGE,
    transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN,
    bytes,
    pixels,
  };
}

/** PS3.5 Section B.2: a UUID as a UID. */
function newUid(): string {
  return `2.25.${BigInt(`0x${randomUUID().replaceAll('-', '')}`).toString()}`;
}
