/** A series as a grid of numbers in space, and what is wrong with it. */
import type { DataSet } from '../../core/dicom/data-set.ts';

export type Triple = readonly [number, number, number];

/** What a scan is for; decides what is measured. */
export type VolumeKind = 'anatomical' | 'diffusion' | 'functional' | 'mapping' | 'phantom' | 'unknown';

/** The instance, and in multi-frame instances the frame, a slice was read from. */
export interface SliceSource {
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  /** From 1; absent for an instance of one frame. */
  readonly frameNumber?: number;
}

export interface Volume {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  /** Columns, rows, slices, repetitions. */
  readonly dims: readonly [number, number, number, number];
  readonly spacingMm: Triple;
  /** Rescaled values, x fastest, then y, z, t. */
  readonly data: Float32Array;
  /** Row-major 4 × 4: voxel index (x, y, z, 1) to millimetres in the patient system of PS3.3 C.7.6.2.1.1 (LPS). */
  readonly affine: readonly number[];
  /** False: slices are missing or not equally far apart, so the third axis of `affine` is only an average. */
  readonly isRegular: boolean;
  /** For slice z of repetition t at `t × dims[2] + z`; empty when it was not read from DICOM. */
  readonly slices: readonly SliceSource[];
  /** Header of the first instance; an empty data set when it was not read from DICOM. */
  readonly header: DataSet;
  readonly kind: VolumeKind;
  /** One entry a repetition; absent when the scan is not diffusion-weighted or does not say how. */
  readonly diffusion?: Diffusion;
  /** In milliseconds; absent when the header does not say, or a volume holds several. */
  readonly echoTimeMs?: number;
  /** From one repetition to the next, in milliseconds. */
  readonly repetitionTimeMs?: number;
  /** When each slice was taken after the start of its repetition, in milliseconds. */
  readonly sliceTimesMs?: readonly number[];
  /** Magnitude unless said. */
  readonly component?: Component;
  /** How the values were stored; absent when slices differ in it, or were no integers. */
  readonly storedAs?: StoredAs;
  /** Values that were no numbers, of all repetitions: they are 0 in `data`. */
  readonly zeroed?: number;
}

/** PS3.3 Section C.8.13.3.1.1, Complex Image Component. */
export type Component = 'magnitude' | 'phase' | 'real' | 'imaginary';

/** Integers from which a volume's values come: value = stored × slope + intercept. */
export interface StoredAs {
  readonly type: 'uint8' | 'int8' | 'int16' | 'uint16' | 'int32' | 'uint32';
  readonly slope: number;
  readonly intercept: number;
}

/** How each repetition was weighted. */
export interface Diffusion {
  /** In s/mm². */
  readonly bValues: readonly number[];
  /** Unit vectors in the patient system (LPS); undefined where there is no direction (b = 0, or averaged over all). */
  readonly directions: readonly (Triple | undefined)[];
}

export const FINDINGS = {
  'slices-missing': 'Slices are missing',
  'slices-irregular': 'Slices are not equally far apart',
  'repetitions-incomplete': 'The last repetition is incomplete',
  'pixels-compressed': 'Pixels are compressed in a way that is not decoded',
  'pixels-unreadable': 'Pixels cannot be read',
  'pixels-colour': 'A colour image cannot be measured',
  'mosaic-unknown': 'A mosaic cannot be unfolded',
  'geometry-missing': 'Position or orientation is missing',
  'volume-too-large': 'The series is too large to be measured',
  'header-unreadable': 'An instance cannot be read',
  'slices-duplicate': 'Slices came more than once and were counted once',
  'repetitions-mixed': 'Slices of one repetition do not belong together',
  'orientations-mixed': 'Slices have several orientations',
  'slice-single': 'There is one slice only',
  'spacing-missing': 'Pixel spacing or slice thickness is missing',
  'geometry-damaged': 'Position or orientation makes no sense',
  'scale-damaged': 'Rescale is no number or 0; stored values are used',
  'values-not-finite': 'Values that are no numbers were set to 0',
  'values-padding': 'Values that are no part of the picture (Pixel Padding Value) were set to 0',
  'grids-mixed': 'Slices have several sizes, or voxels of several sizes, and were taken apart',
  'file-unreadable': 'A file cannot be read',
  'unit-missing': 'The header does not say in which unit it counts',
  'spacing-unknown': 'The header does not say how large a voxel is',
  'spacing-damaged': 'The size of a voxel is no size',
  'spacing-contradicts': 'The header says two sizes of a voxel',
  'size-implausible': 'The picture has a size that no scan has',
  'orientation-missing': 'The header does not say how the patient lay',
  'orientation-contradicts': 'The header describes two orientations',
  'dimensions-many': 'There are more than four dimensions',
  'mask-unfit': 'The brain mask does not fit the scan',
  'mask-moved': 'The brain mask lies elsewhere than the scan',
  'bytes-swapped': 'The order of bytes is not the one that the header says',
  'pixels-float': 'Pixels are floating-point numbers, which an MR or CT image may not have',
} as const;
export type FindingCode = keyof typeof FINDINGS;

/** Something a technician should know about a series: a code for programs, a sentence for people; never a patient value. */
export interface Finding {
  readonly code: FindingCode;
  readonly message: string;
  readonly seriesInstanceUid: string;
}

export function finding(code: FindingCode, seriesInstanceUid: string, detail?: string): Finding {
  return { code, seriesInstanceUid, message: `${FINDINGS[code]}${detail === undefined ? '' : `: ${detail}`}.` };
}
