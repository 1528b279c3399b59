/** Reads NIfTI-1 and NIfTI-2 (nifti1.h, nifti2.h), plain or gzip: what research tools leave lying beside the DICOM. */
import { constants, gunzipSync } from 'node:zlib';
import { DataSet } from '../../core/dicom/data-set.ts';
import { HubError } from '../../core/errors.ts';
import { MAX_VOXELS, zeroWhatIsNoNumber } from './assemble.ts';
import { geometryOf } from './nifti-geometry.ts';
import { type NiftiHeader, readHeader } from './nifti-header.ts';
import { NIFTI_TYPES, type NiftiType, TIME_UNITS_MS, UNREAD_TYPES } from './nifti-types.ts';
import { type Finding, finding, type StoredAs, type Volume } from './volume.ts';

/** Enough to unpack a header from. */
const FIRST_BYTES = 64 * 1024;
/** Extensions and what some tools append. */
const SLACK_BYTES = 64 * 1024 * 1024;

export interface OpenedNifti {
  readonly volume: Volume;
  /** What was missing, contradicted itself, or had to be assumed. */
  readonly findings: readonly Finding[];
}

/**
 * A volume on the grid as stored, axes in the file's order; what is no number becomes 0.
 *
 * @param voxels - the other file of a pair (`.img`), where `file` is only the header (`.hdr`)
 * @throws {HubError} `dataset.unreadable` with a `reason`
 */
export function openNifti(file: Uint8Array, voxels?: Uint8Array): OpenedNifti {
  const header = readHeader(isGzip(file) ? firstBytes(file) : file);
  if (header.isPair && voxels === undefined) throw unreadable('its voxels stand in another file');
  const { dims, type, isFlattened } = layoutOf(header);
  const count = dims[0] * dims[1] * dims[2] * dims[3];
  if (count > MAX_VOXELS) throw unreadable(`${dims.join(' × ')} voxels are too many`);
  const start = startOf(header);
  const end = start + count * type.bytes;
  const packed = header.isPair && voxels !== undefined ? voxels : file;
  const bytes = isGzip(packed) ? unzip(packed, end + SLACK_BYTES) : packed;
  if (end > bytes.length) throw unreadable('fewer voxels than the header says');

  const findings: Finding[] = [];
  const add = (code: Finding['code'], detail?: string) => findings.push(finding(code, '', detail));
  const { littleEndian } = header;
  const { slope, intercept, isDamaged } = scaleOf(header);
  if (isDamaged) add('scale-damaged');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) data[i] = type.read(view, start + i * type.bytes, littleEndian) * slope + intercept;
  const zeroed = zeroWhatIsNoNumber(data);
  if (zeroed > 0) add('values-not-finite', `${zeroed} of ${count}`);
  if (isSwapped(view, start, type, dims, littleEndian))
    add('bytes-swapped', 'read the other way round it is a picture');
  if (isFlattened) add('dimensions-many', 'those beyond are counted as repetitions');
  if (dims[2] === 1) add('slice-single');
  const geometry = geometryOf(header, [dims[0], dims[1], dims[2]]);
  const repetitionTimeMs = repetitionTimeOf(header);
  const storedAs: StoredAs | undefined =
    type.stored === undefined ? undefined : { type: type.stored, slope, intercept };
  return {
    findings: [...geometry.findings, ...findings],
    volume: {
      studyInstanceUid: '',
      seriesInstanceUid: '',
      dims,
      spacingMm: geometry.spacingMm,
      data,
      affine: toLps(geometry.affine),
      isRegular: true,
      slices: [],
      header: new DataSet({
        encoding: { explicit: true, bigEndian: false },
        elements: [],
        start: 0,
        end: 0,
        undefinedLength: false,
      }),
      kind: dims[3] >= 10 ? 'functional' : 'anatomical',
      ...(repetitionTimeMs === undefined ? {} : { repetitionTimeMs }),
      ...(storedAs === undefined ? {} : { storedAs }),
      ...(zeroed === 0 ? {} : { zeroed }),
    },
  };
}

/** The volume alone, for who has looked at it before. @throws {HubError} `dataset.unreadable` with a `reason` */
export function readNifti(file: Uint8Array): Volume {
  return openNifti(file).volume;
}

interface Layout {
  readonly dims: Volume['dims'];
  readonly type: NiftiType;
  /** More than one dimension beyond the third. */
  readonly isFlattened: boolean;
}

function layoutOf({ dim: [dimensions = 0, ...all], datatype }: NiftiHeader): Layout {
  const sizes = all.map((size, axis) => (axis < dimensions ? size : 1));
  if (dimensions < 1 || dimensions > 7 || sizes.some((one) => !(one >= 1)))
    throw unreadable('its dimensions are no dimensions');
  const [x = 1, y = 1, z = 1, ...others] = sizes;
  const type = NIFTI_TYPES[datatype];
  if (type === undefined) {
    const kind = UNREAD_TYPES[datatype];
    throw unreadable(kind === undefined ? `data type ${datatype} is not known` : `${kind} are not read`);
  }
  return {
    dims: [x, y, z, others.reduce((a, b) => a * b, 1)],
    type,
    isFlattened: others.slice(1).some((size) => size > 1),
  };
}

function startOf({ voxelOffset, firstOffset }: NiftiHeader): number {
  return Number.isFinite(voxelOffset) ? Math.max(firstOffset, Math.round(voxelOffset)) : firstOffset;
}

/** nifti1.h: a slope of 0 means that the values are not scaled. */
function scaleOf({ slope, intercept }: NiftiHeader) {
  if (slope === 0) return { slope: 1, intercept: 0, isDamaged: false };
  const isDamaged = !Number.isFinite(slope) || !Number.isFinite(intercept);
  return isDamaged ? { slope: 1, intercept: 0, isDamaged } : { slope, intercept, isDamaged };
}

function repetitionTimeOf({ dim, pixdim, units }: NiftiHeader): number | undefined {
  const unitMs = TIME_UNITS_MS[units & 0x38];
  if ((dim[0] ?? 0) < 4 || dim[4] === 1 || unitMs === undefined) return undefined;
  const timeMs = (pixdim[4] ?? 0) * unitMs;
  return timeMs > 0 && Number.isFinite(timeMs) ? timeMs : undefined;
}

/** Steps from pixel to pixel over deviations from the mean: pictures have less than half of one, noise more than one. */
const NOISY = 0.5;
/** By how much smoother the other way round is. */
const SMOOTHER = 3;
/** Floats that no scanner writes, but bytes in the wrong order do. */
const STRANGE = { small: 1e-30, large: 1e30, share: 0.01 } as const;

/** Whether the middle slice is noise as the header says to read it, and a picture with its bytes the other way round. */
function isSwapped(
  view: DataView,
  start: number,
  type: NiftiType,
  [nx, ny, nz]: Volume['dims'],
  littleEndian: boolean,
): boolean {
  if (type.bytes === 1 || nx < 16 || ny < 16) return false;
  const first = start + Math.floor(nz / 2) * nx * ny * type.bytes;
  const slice = (isLittle: boolean) =>
    Float64Array.from({ length: nx * ny }, (_, i) => type.read(view, first + i * type.bytes, isLittle));
  const asSaid = roughness(slice(littleEndian), nx);
  return asSaid > NOISY && roughness(slice(!littleEndian), nx) < asSaid / SMOOTHER;
}

/** Infinite where the pixels are no picture's. */
function roughness(pixels: Float64Array, columns: number): number {
  const isStrange = (value: number) => {
    const size = Math.abs(value);
    return !(size < STRANGE.large) || (size > 0 && size < STRANGE.small);
  };
  if (pixels.filter(isStrange).length > STRANGE.share * pixels.length) return Infinity;
  const sound = pixels.map((value) => (isStrange(value) ? 0 : value));
  const average = sound.reduce((sum, value) => sum + value, 0) / sound.length;
  let steps = 0;
  let deviations = 0;
  sound.forEach((value, i) => {
    deviations += Math.abs(value - average);
    if (i % columns > 0) steps += Math.abs(value - (sound[i - 1] ?? 0));
  });
  return deviations > 0 ? steps / deviations : 0;
}

/** Right and anterior become left and posterior. */
function toLps(ras: readonly number[]): readonly number[] {
  return ras.map((value, index) => (index < 8 && value !== 0 ? -value : value));
}

function isGzip(file: Uint8Array): boolean {
  return file[0] === 0x1f && file[1] === 0x8b;
}

/** As much of the beginning as `FIRST_BYTES` of the file unpack to: how large the rest is, the header says. */
function firstBytes(file: Uint8Array): Uint8Array {
  try {
    return gunzipSync(file.subarray(0, FIRST_BYTES), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    throw new HubError('dataset.unreadable', { reason: 'gzip is damaged' }, error);
  }
}

function unzip(file: Uint8Array, maxOutputLength: number): Uint8Array {
  try {
    return gunzipSync(file, { maxOutputLength });
  } catch (error) {
    throw new HubError('dataset.unreadable', { reason: 'gzip is damaged or cut off' }, error);
  }
}

const unreadable = (reason: string): HubError => new HubError('dataset.unreadable', { reason });
