/**
 * A simulated study as a preclinical 7 T scanner would send it: one T2-weighted series of coronal slices. The animal,
 * the people and the place are invented; the header is full of them, so that de-identification has something to do.
 */
import { createHash } from 'node:crypto';
import { type Attributes, encodePart10 } from '../../core/dicom/encode.ts';
import { generateHead, type Head, type HeadOptions } from './head.ts';

export interface StudyOptions extends HeadOptions {
  /** YYYYMMDD. The same options give the same bytes, dates included. */
  readonly studyDate?: string;
  readonly studyDescription?: string;
  readonly patientName?: string;
  readonly patientId?: string;
  /** Further attributes of every instance, or other values for those it has. */
  readonly attributes?: Attributes;
}

export interface PhantomInstance {
  /** File name, unique in the study. */
  readonly name: string;
  /** A DICOM file, explicit VR little endian. */
  readonly bytes: Uint8Array;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
}

export const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';
/** Stored value of cerebrospinal fluid; leaves head room for fat and eyes below 16 bit. */
const STORED_PER_SIGNAL = 12_000;
const STORED_MAX = 65_535;

/** Simulates a head and puts each coronal slice into an instance of MR Image Storage, back to front. */
export function phantomStudy(options: StudyOptions = {}): readonly PhantomInstance[] {
  const head = generateHead(options);
  const uids = uidsOf(head, options);
  const common = commonAttributes(head, options, uids);
  return Array.from({ length: head.dims[1] }, (_, slice) => {
    const sopInstanceUid = uids.instance(slice);
    return {
      name: `MR${String(slice + 1).padStart(4, '0')}.dcm`,
      bytes: encodePart10({ ...common, ...sliceAttributes(head, slice, sopInstanceUid), ...options.attributes }),
      studyInstanceUid: uids.study,
      seriesInstanceUid: uids.series,
      sopInstanceUid,
    };
  });
}

interface Uids {
  readonly study: string;
  readonly series: string;
  readonly frameOfReference: string;
  instance(slice: number): string;
}

/** From what makes the study what it is: the same study again has the same UIDs, another one others. */
function uidsOf(head: Head, options: StudyOptions): Uids {
  const { dims, spacingMm, seed, species } = head;
  const identity = JSON.stringify([dims, spacingMm, seed, species, options]);
  const uid = (part: string) => {
    const digest = createHash('sha256').update(`phantom ${part} ${identity}`).digest();
    // PS3.5 Section B.2: a UUID as a decimal number under 2.25; version 8, variant 1 (RFC 9562).
    digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x80;
    digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
    return `2.25.${BigInt(`0x${digest.subarray(0, 16).toString('hex')}`)}`;
  };
  return {
    study: uid('study'),
    series: uid('series'),
    frameOfReference: uid('frame'),
    instance: (slice) => uid(`instance ${slice}`),
  };
}

const SPECIES = {
  mouse: { description: 'Mus musculus', code: '447612001', breed: 'C57BL/6J', weightKg: 0.0243 },
  rat: { description: 'Rattus norvegicus', code: '371564000', breed: 'Sprague Dawley', weightKg: 0.312 },
} as const;

function commonAttributes(head: Head, options: StudyOptions, uids: Uids): Attributes {
  const species = SPECIES[head.species];
  const date = options.studyDate ?? '20260914';
  const number = String(1000 + (Math.abs(head.seed) % 9000));
  const patientId = options.patientId ?? `INV-${number}`;
  const [sx, sy, sz] = head.spacingMm;
  return {
    ImageType: ['ORIGINAL', 'PRIMARY', 'OTHER'],
    InstanceCreationDate: date,
    SOPClassUID: MR_IMAGE_STORAGE,
    StudyDate: date,
    SeriesDate: date,
    AcquisitionDate: date,
    ContentDate: date,
    StudyTime: '091500',
    SeriesTime: '092210',
    AccessionNumber: `INV${number}A`,
    Modality: 'MR',
    Manufacturer: 'Simulated Scanner Works',
    InstitutionName: 'Keksitty kuvantamiskeskus',
    InstitutionAddress: 'Olematonkatu 7, 00000 Keksilä',
    ReferringPhysicianName: 'Keksitty^Eeva',
    StationName: 'SIM-7T',
    StudyDescription: options.studyDescription ?? `${head.species} brain T2w`,
    SeriesDescription: 'T2_TurboRARE',
    PhysiciansOfRecord: 'Keksitty^Eeva',
    OperatorsName: 'Hämäräinen^Väinö',
    ManufacturerModelName: 'SimSpec 70/20',
    PatientName: options.patientName ?? `Mallieläin^${head.species === 'mouse' ? 'Hiiri' : 'Rotta'} ${number}`,
    PatientID: patientId,
    IssuerOfPatientID: 'Keksitty kuvantamiskeskus',
    PatientBirthDate: '20260601',
    PatientSex: 'F',
    PatientSexNeutered: 'UNALTERED',
    PatientAge: '015W',
    PatientWeight: species.weightKg,
    PatientSpeciesDescription: species.description,
    PatientSpeciesCodeSequence: [
      { CodeValue: species.code, CodingSchemeDesignator: 'SCT', CodeMeaning: species.description },
    ],
    PatientBreedDescription: species.breed,
    PatientBreedCodeSequence: [],
    BreedRegistrationSequence: [],
    ResponsiblePerson: 'Keksitty^Eeva',
    ResponsiblePersonRole: 'INVESTIGATOR',
    ResponsibleOrganization: 'Keksitty kuvantamiskeskus',
    PatientComments: `Simulated animal ${patientId}, no living subject`,
    BodyPartExamined: 'HEAD',
    ScanningSequence: 'SE',
    SequenceVariant: 'SK',
    ScanOptions: '',
    MRAcquisitionType: '2D',
    SequenceName: 'RARE',
    SliceThickness: sy,
    RepetitionTime: 3200,
    EchoTime: 36,
    NumberOfAverages: 2,
    ImagingFrequency: 300.3,
    ImagedNucleus: '1H',
    EchoNumbers: 1,
    MagneticFieldStrength: 7,
    SpacingBetweenSlices: sy,
    NumberOfPhaseEncodingSteps: head.dims[2],
    EchoTrainLength: 8,
    PercentSampling: 100,
    PercentPhaseFieldOfView: 100,
    PixelBandwidth: 390,
    DeviceSerialNumber: 'SIM-000-7',
    SoftwareVersions: 'SimVision 1.0',
    ProtocolName: 'T2_TurboRARE',
    ReceiveCoilName: 'Sim surface',
    TransmitCoilName: 'Sim volume',
    AcquisitionMatrix: [0, head.dims[0], head.dims[2], 0],
    InPlanePhaseEncodingDirection: 'COL',
    FlipAngle: 90,
    PatientPosition: 'HFP',
    StudyInstanceUID: uids.study,
    SeriesInstanceUID: uids.series,
    StudyID: `INV${number}`,
    SeriesNumber: 3,
    AcquisitionNumber: 1,
    ImageOrientationPatient: [1, 0, 0, 0, 0, -1],
    FrameOfReferenceUID: uids.frameOfReference,
    PositionReferenceIndicator: '',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: head.dims[2],
    Columns: head.dims[0],
    PixelSpacing: [sz, sx],
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 0,
    WindowCenter: STORED_PER_SIGNAL * 0.45,
    WindowWidth: STORED_PER_SIGNAL * 0.9,
    BurnedInAnnotation: 'NO',
    LossyImageCompression: '00',
  };
}

function sliceAttributes(head: Head, slice: number, sopInstanceUid: string): Attributes {
  const [nx, ny, nz] = head.dims;
  const [sx, sy, sz] = head.spacingMm;
  const time = timeOf(slice);
  return {
    SOPInstanceUID: sopInstanceUid,
    InstanceNumber: slice + 1,
    InstanceCreationTime: time,
    AcquisitionTime: '092211',
    ContentTime: time,
    // The first pixel is the animal's right, dorsal corner: columns run to its left (+x), rows towards its belly.
    ImagePositionPatient: [(-(nx - 1) / 2) * sx, -(slice - (ny - 1) / 2) * sy, ((nz - 1) / 2) * sz],
    SliceLocation: round((slice - (ny - 1) / 2) * sy),
    PixelData: { vr: 'OW', value: storedValues(head, slice) },
  };
}

function storedValues(head: Head, slice: number): Uint8Array {
  const [nx, ny, nz] = head.dims;
  const bytes = new Uint8Array(nx * nz * 2);
  const view = new DataView(bytes.buffer);
  for (let row = 0, pixel = 0; row < nz; row++) {
    for (let column = 0; column < nx; column++, pixel++) {
      const voxel = nx - 1 - column + nx * (slice + ny * (nz - 1 - row));
      const stored = Math.round((head.voxels[voxel] ?? 0) * STORED_PER_SIGNAL);
      view.setUint16(pixel * 2, Math.min(STORED_MAX, Math.max(0, stored)), true);
    }
  }
  return bytes;
}

const round = (mm: number): number => Math.round(mm * 1e4) / 1e4;

/** A slice every 100 ms from 09:22:11 on. */
function timeOf(slice: number): string {
  const tenths = 110 + slice;
  return `09${String(22 + Math.floor(tenths / 600)).padStart(2, '0')}${((tenths % 600) / 10).toFixed(1).padStart(4, '0')}`;
}
