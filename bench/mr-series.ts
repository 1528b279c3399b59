/** One MR series as a clinical scanner writes it: a hundred attributes, sequences, private blocks with vendor headers. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { element, type SampleElement, sampleFile, uint16s } from '../tests/support/dicom-samples.ts';
import { newUid } from '../tests/support/mr-instance.ts';

const PIXELS = 256;
const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';

/** The same in each instance, texts by keyword. */
const SERIES: Readonly<Record<string, string>> = {
  SpecificCharacterSet: 'ISO_IR 100',
  ImageType: 'ORIGINAL\\PRIMARY\\M\\ND',
  SOPClassUID: MR_IMAGE_STORAGE,
  InstanceCreationDate: '20260301',
  StudyDate: '20260301',
  SeriesDate: '20260301',
  AcquisitionDate: '20260301',
  ContentDate: '20260301',
  StudyTime: '091502.123000',
  SeriesTime: '092011.411000',
  AccessionNumber: 'ACC0047112',
  Modality: 'MR',
  Manufacturer: 'SIEMENS',
  InstitutionName: 'Savilahti Imaging Centre',
  InstitutionAddress: 'Harbour Street 1, Kuopio',
  ReferringPhysicianName: 'Virtanen^Maija',
  StationName: 'MRC35131',
  StudyDescription: 'head^routine',
  SeriesDescription: 't2_tse_tra_3mm',
  InstitutionalDepartmentName: 'Radiology',
  PerformingPhysicianName: 'Korhonen^Pekka',
  OperatorsName: 'Nieminen^Liisa',
  ManufacturerModelName: 'TrioTim',
  PatientName: 'Laaksonen^Aino',
  PatientID: '0100564-912K',
  PatientBirthDate: '19640510',
  PatientSex: 'F',
  PatientAge: '061Y',
  PatientWeight: '63',
  BodyPartExamined: 'HEAD',
  ScanningSequence: 'SE',
  SequenceVariant: 'SK\\SP\\OSP',
  ScanOptions: 'PFP',
  MRAcquisitionType: '2D',
  SequenceName: '*tse2d1_15',
  AngioFlag: 'N',
  SliceThickness: '3',
  RepetitionTime: '4000',
  EchoTime: '101',
  NumberOfAverages: '2',
  ImagingFrequency: '123.254432',
  ImagedNucleus: '1H',
  EchoNumbers: '1',
  MagneticFieldStrength: '3',
  SpacingBetweenSlices: '3.6',
  NumberOfPhaseEncodingSteps: '255',
  EchoTrainLength: '15',
  PercentSampling: '80',
  PercentPhaseFieldOfView: '100',
  PixelBandwidth: '220',
  DeviceSerialNumber: '35131',
  SoftwareVersions: 'syngo MR B17',
  ProtocolName: 't2_tse_tra_3mm',
  TransmitCoilName: 'Body',
  InPlanePhaseEncodingDirection: 'ROW',
  FlipAngle: '150',
  VariableFlipAngleFlag: 'N',
  SAR: '0.61',
  PatientPosition: 'HFS',
  StudyID: '47112',
  SeriesNumber: '4',
  AcquisitionNumber: '1',
  ImageOrientationPatient: '1\\0\\0\\0\\1\\0',
  PositionReferenceIndicator: '',
  PhotometricInterpretation: 'MONOCHROME2',
  PixelSpacing: '0.859375\\0.859375',
  WindowCenter: '412',
  WindowWidth: '980',
  WindowCenterWidthExplanation: 'Algo1',
  RequestedProcedureDescription: 'head routine',
  PerformedProcedureStepStartDate: '20260301',
  PerformedProcedureStepStartTime: '091502.234000',
  PerformedProcedureStepID: 'MR20260301091502',
  PerformedProcedureStepDescription: 'head^routine',
};

/** @returns size of one file in bytes */
export async function writeSeries(folder: string, files: number): Promise<number> {
  await mkdir(folder);
  const uids = { study: newUid(), series: newUid(), frame: newUid(), referenced: newUid() };
  const pixels = Uint8Array.from({ length: PIXELS * PIXELS * 2 }, (_, n) => (n % 2 === 0 ? (n * 7) % 251 : n % 13));
  const vendorHeader = Uint8Array.from({ length: 9_000 }, (_, n) => 32 + ((n * 31) % 90));
  let sizeBytes = 0;
  for (let slice = 1; slice <= files; slice += 1) {
    const file = sampleFile([...common(uids, vendorHeader), ...ofSlice(slice), ...image(pixels)]);
    sizeBytes = file.length;
    await writeFile(join(folder, `${String(slice).padStart(5, '0')}.dcm`), file);
  }
  return sizeBytes;
}

function common(uids: Readonly<Record<string, string>>, vendorHeader: Uint8Array): readonly SampleElement[] {
  const reference = [
    element('ReferencedSOPClassUID', MR_IMAGE_STORAGE),
    element('ReferencedSOPInstanceUID', uids['referenced'] ?? ''),
  ];
  return [
    ...Object.entries(SERIES).map(([keyword, value]) => element(keyword, value)),
    element('StudyInstanceUID', uids['study'] ?? ''),
    element('SeriesInstanceUID', uids['series'] ?? ''),
    element('FrameOfReferenceUID', uids['frame'] ?? ''),
    element('ReferencedImageSequence', [reference, reference, reference]),
    element('ProcedureCodeSequence', [
      [
        element('CodeValue', 'MRHEAD'),
        element('CodingSchemeDesignator', '99HOSP'),
        element('CodeMeaning', 'MR of the head'),
      ],
    ]),
    element('RequestAttributesSequence', [
      [element('ScheduledProcedureStepDescription', 'MR of the head'), element('ScheduledProcedureStepID', '47112-1')],
    ]),
    { tag: 0x00190010, vr: 'LO', value: 'SIEMENS MR HEADER' },
    { tag: 0x00191008, vr: 'CS', value: 'IMAGE NUM 4' },
    { tag: 0x0019100b, vr: 'DS', value: '162.5' },
    { tag: 0x00191012, vr: 'SL', value: new Uint8Array(12) },
    { tag: 0x00290010, vr: 'LO', value: 'SIEMENS CSA HEADER' },
    { tag: 0x00291010, vr: 'OB', value: vendorHeader },
    { tag: 0x00291020, vr: 'OB', value: vendorHeader.subarray(0, 5_000) },
  ];
}

function ofSlice(slice: number): readonly SampleElement[] {
  const position = String(-90 + slice * 0.36);
  return [
    element('SOPInstanceUID', newUid()),
    element('InstanceNumber', String(slice)),
    element('InstanceCreationTime', `092${String(100 + (slice % 500))}.411000`),
    element('AcquisitionTime', `092${String(100 + (slice % 500))}.123000`),
    element('ContentTime', `092${String(100 + (slice % 500))}.411000`),
    element('ImagePositionPatient', `-110\\-110\\${position}`),
    element('SliceLocation', position),
  ];
}

function image(pixels: Uint8Array): readonly SampleElement[] {
  const short = (keyword: string, value: number) => element(keyword, uint16s([value]), 'US');
  return [
    short('SamplesPerPixel', 1),
    short('Rows', PIXELS),
    short('Columns', PIXELS),
    short('BitsAllocated', 16),
    short('BitsStored', 12),
    short('HighBit', 11),
    short('PixelRepresentation', 0),
    short('SmallestImagePixelValue', 0),
    short('LargestImagePixelValue', 3_300),
    element('PixelData', pixels, 'OW'),
  ];
}
