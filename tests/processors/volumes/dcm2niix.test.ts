import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { openLocalFiles } from '../../../cli/local-files.ts';
import type { Command } from '../../support/child-process.ts';
import { ourNifti, theirNifti, type MadeNifti } from '../../support/nifti-made.ts';
import type { NiftiFile } from '../../support/nifti-file.ts';
import { dcm2niix } from '../../support/peers.ts';
import { skip } from '../../support/skip.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const MRI = resolve(import.meta.dirname, '../../../../shared/mri');

/** Keys that say the same in both; Image Type is left out, to which dcm2niix adds a word of its own. */
const SAME_KEYS = [
  ...['Modality', 'Manufacturer', 'ManufacturersModelName', 'MagneticFieldStrength', 'MRAcquisitionType'],
  ...['EchoTime', 'RepetitionTime', 'InversionTime', 'FlipAngle', 'SliceThickness', 'SpacingBetweenSlices'],
  ...['SeriesNumber', 'ImagingFrequency', 'ScanningSequence', 'SequenceVariant', 'ScanOptions', 'SequenceName'],
  ...['PhaseEncodingDirection', 'PhaseEncodingAxis', 'SliceTiming', 'TotalReadoutTime', 'PixelBandwidth'],
  ...['InPlanePhaseEncodingDirectionDICOM', 'ReconMatrixPE', 'BandwidthPerPixelPhaseEncode', 'EffectiveEchoSpacing'],
  'MultibandAccelerationFactor',
];
/** GE's sequence name stands in a private element that is not read. */
const NOT_OF_GE = ['SequenceName'];
/** The same of the old terms of the sequence in Siemens' enhanced instances, which the standard has other attributes for. */
const NOT_OF_XA = ['ScanningSequence', 'SequenceVariant', 'ScanOptions'];

interface Expected {
  readonly folder: string;
  readonly outputs: number;
  readonly findings?: readonly string[];
  readonly without?: readonly string[];
}
const SERIES: readonly Expected[] = [
  { folder: 'dicom/ge_epi_interleaved', outputs: 1, without: NOT_OF_GE },
  // Eight encodings of one instance, one of them cut off: both programs take one.
  {
    folder: 'dicom/pydicom_small',
    outputs: 1,
    findings: ['slices-duplicate', 'slice-single'],
    without: ['ReconMatrixPE'],
  },
  { folder: 'dicom/siemens_mosaic_orientation/ax/axasc35', outputs: 1 },
  { folder: 'dicom/siemens_mosaic_orientation/ax/axasc36', outputs: 1 },
  { folder: 'dicom/siemens_mosaic_orientation/ax/axdesc35', outputs: 1 },
  { folder: 'dicom/siemens_mosaic_orientation/ax/axint36', outputs: 1 },
  { folder: 'dicom/siemens_mosaic_orientation/cor/corasc35', outputs: 1 },
  { folder: 'dicom/siemens_mosaic_orientation/cor/cordesc35', outputs: 1 },
  { folder: 'dicom/siemens_mosaic_orientation/cor/corint36', outputs: 1 },
  { folder: 'dicom/siemens_xa10_enhanced', outputs: 1, without: NOT_OF_XA },
  { folder: 'dicom/siemens_xa30_enh_asl', outputs: 1, without: NOT_OF_XA },
  { folder: 'dicom/siemens_xa30_enhanced_T1w', outputs: 1, without: NOT_OF_XA },
  { folder: 'phantom/acr/GE_Signa_Artist_1.5T_T1', outputs: 1 },
  { folder: 'phantom/acr/SiemensSolaFit', outputs: 1 },
  { folder: 'phantom/relaxometry_T1/site2_20180925', outputs: 6, findings: ['slice-single'] },
  // Of the Philips scan dcm2niix takes the kind of sequence for its name.
  { folder: 'phantom/uniformity', outputs: 4, findings: ['slice-single'], without: ['SequenceName'] },
];

describe('series as dcm2niix converts them', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let converter: Command;

  before(async function () {
    if (!existsSync(MRI)) skip(this, '../shared/mri is not here');
    converter = await dcm2niix();
  });

  for (const expected of SERIES) {
    it(`${expected.folder}: the same grids, voxels and parameters`, async () => {
      const out = join(folder.path, expected.folder);
      await mkdir(out, { recursive: true });
      const theirs = await theirNifti(converter, join(MRI, expected.folder), out);
      const { instances, store } = await openLocalFiles(join(MRI, expected.folder));

      const { made: ours, findings } = await ourNifti(instances, store);

      expect(theirs).to.have.length(expected.outputs);
      expect(ours).to.have.length(expected.outputs);
      expect([...new Set(findings)]).to.deep.equal(expected.findings ?? []);
      for (const one of theirs) isSame(closest(ours, one), one, expected.without ?? []);
    });
  }

  it('scales each picture of a Philips scan back by its own Scale Slope, where dcm2niix rounds the slope', async () => {
    const name = 'phantom/snr/Philips';
    const out = join(folder.path, name);
    await mkdir(out, { recursive: true });
    const [theirs] = await theirNifti(converter, join(MRI, name), out);
    const { instances, store } = await openLocalFiles(join(MRI, name));

    const { made } = await ourNifti(instances, store);

    const [ours] = made;
    expect(made).to.have.length(1);
    expect(ours?.nifti.dims).to.deep.equal(theirs?.nifti.dims);
    expect(ours?.sidecar['ComplexImageComponent']).to.equal('REAL');
    // Its private Repetition Time of the dynamic scan is 256 s by dcm2niix; by the header, and here, it is 1 s.
    expect(ours?.sidecar['RepetitionTime']).to.equal(1);
    // (stored × RS + RI) / (RS × SS): RS 2.46788766788766, RI -5053, SS 0.122859...
    expect(ours?.nifti.slope).to.be.closeTo(theirs?.nifti.slope ?? 0, 1e-3);
    expect(ours?.nifti.intercept).to.be.closeTo(theirs?.nifti.intercept ?? 0, 1.1);
  });
});

function closest(ours: readonly MadeNifti[], { nifti, sidecar }: MadeNifti): MadeNifti | undefined {
  return ours.find(
    (one) =>
      one.sidecar['SeriesNumber'] === sidecar['SeriesNumber'] &&
      one.nifti.dims.join() === nifti.dims.join() &&
      one.sidecar['InversionTime'] === sidecar['InversionTime'],
  );
}

function isSame(ours: MadeNifti | undefined, theirs: MadeNifti, without: readonly string[]): void {
  expect(ours, 'a volume for each of theirs').to.not.equal(undefined);
  if (ours === undefined) return;
  expect(ours.nifti.codes).to.deep.equal(theirs.nifti.codes);
  ours.nifti.sform.forEach((value, index) => {
    expect(value, `sform ${index}`).to.be.closeTo(theirs.nifti.sform[index] ?? Number.NaN, 1e-3);
  });
  // A quaternion near half a turn has three digits in single precision; theirs is off as far.
  const size = Math.max(...ours.nifti.pixdim.slice(1, 4));
  ours.nifti.qform.forEach((value, index) => {
    expect(value, `qform ${index}`).to.be.closeTo(theirs.nifti.qform[index] ?? Number.NaN, 2e-3 * size);
  });
  expect(ours.nifti.pixdim.slice(0, 5).map(rounded)).to.deep.equal(theirs.nifti.pixdim.slice(0, 5).map(rounded));
  expect(ours.nifti.units).to.equal(theirs.nifti.units);
  expect(largestDifference(ours.nifti, theirs.nifti)).to.equal(0);
  expect(ours.gradients).to.deep.equal(theirs.gradients);
  for (const key of SAME_KEYS.filter((one) => !without.includes(one) && one in theirs.sidecar))
    if (key === 'SliceTiming') isClose(numbers(ours.sidecar[key]), numbers(theirs.sidecar[key]));
    else expect(ours.sidecar[key], key).to.deep.equal(theirs.sidecar[key]);
}

/** Where dcm2niix takes it from clock times, it holds those in single precision: 4 ms in a day. */
function isClose(ours: readonly number[], theirs: readonly number[]): void {
  expect(ours).to.have.length(theirs.length);
  ours.forEach((value, index) => expect(value).to.be.closeTo(theirs[index] ?? Number.NaN, 0.004));
}

function numbers(value: unknown): readonly number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}

const rounded = (value: number): number => Math.round(value * 1e4) / 1e4;

function largestDifference(one: NiftiFile, other: NiftiFile): number {
  if (one.stored.length !== other.stored.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < one.stored.length; i++) {
    const a = (one.stored[i] ?? 0) * one.slope + one.intercept;
    const b = (other.stored[i] ?? 0) * other.slope + other.intercept;
    largest = Math.max(largest, Math.abs(a - b));
  }
  return largest;
}
