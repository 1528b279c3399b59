/** A planned volume as the files of research: NIfTI voxels as they were stored, BIDS sidecar, gradients. */
import type { ObjectStore } from '../../core/store.ts';
import { HubError } from '../../core/errors.ts';
import { readSlice, zeroWhatIsNoNumber } from './assemble.ts';
import { frameReader, type FrameReader } from './frame-reader.ts';
import { gradientFiles, type GradientFiles } from './gradient-files.ts';
import { niftiBytes, writtenAs } from './nifti-writer.ts';
import type { Numbers } from './pixels.ts';
import type { VolumePlan } from './series.ts';
import { sidecarOf, type Sidecar } from './sidecar.ts';
import type { Volume } from './volume.ts';

/** One repetition is in memory at a time: half a gigabyte of 16-bit numbers. */
const MAX_REPETITION_VOXELS = 256 * 1024 * 1024;

export interface NiftiFiles {
  /** Uncompressed; read once. @throws {HubError} `pixels.damaged`, `pixels.too-large`, `store.*` */
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly sidecar: Sidecar;
  readonly gradients?: GradientFiles;
  /** How many values were no numbers and became 0, once all is read. */
  readonly zeroed: () => number;
}

/** @param onSlice - called for each slice read */
export function planToNifti(
  { head, frames }: VolumePlan,
  store: ObjectStore,
  software: { readonly name: string; readonly version: string },
  signal: AbortSignal,
  onSlice: () => void,
): NiftiFiles {
  const [nx, ny, nz, nt] = head.dims;
  const isInteger = head.storedAs !== undefined;
  let zeroed = 0;
  const fillFrom = (reader: FrameReader) => async (repetition: number, target: Numbers) => {
    for (let z = 0; z < nz; z++) {
      signal.throwIfAborted();
      const frame = frames[repetition * nz + z];
      const slice = target.subarray(z * nx * ny, (z + 1) * nx * ny);
      // Integers as they were stored: the header of the file says what they mean.
      const isRead = frame !== undefined && (await readSlice(reader, frame, isInteger ? PLAIN : frame, slice));
      if (!isRead)
        throw new HubError('pixels.damaged', {
          detail: `repetition ${repetition + 1} of ${nt}, slice ${z + 1} of ${nz}`,
        });
      onSlice();
    }
    if (!isInteger) zeroed += zeroWhatIsNoNumber(target);
  };
  return {
    bytes: bytesOf(store, (reader) => {
      if (nx * ny * nz > MAX_REPETITION_VOXELS)
        throw new HubError('pixels.too-large', { detail: `${nx} × ${ny} × ${nz} voxels` });
      return niftiBytes(head, fillFrom(reader));
    }),
    sidecar: sidecarOf(head, software),
    ...(head.diffusion === undefined ? {} : { gradients: gradientFiles(head, head.diffusion) }),
    zeroed: () => zeroed,
  };
}

const PLAIN = { slope: 1, intercept: 0 } as const;

async function* bytesOf(
  store: ObjectStore,
  begin: (reader: FrameReader) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const reader = frameReader(store);
  try {
    yield* begin(reader);
  } finally {
    await reader.close();
  }
}

/** A volume in memory, such as one read from NIfTI, as the bytes of a `.nii`. */
export function volumeToNifti(volume: Volume): AsyncIterable<Uint8Array> {
  const { data, ...head } = volume;
  const [nx, ny, nz] = head.dims;
  const { slope, intercept, type } = writtenAs(head);
  return niftiBytes(head, (repetition, target) => {
    const values = data.subarray(repetition * nx * ny * nz, (repetition + 1) * nx * ny * nz);
    for (let i = 0; i < values.length; i++) {
      const stored = ((values[i] ?? 0) - intercept) / slope;
      target[i] = type === 'float32' ? stored : Math.round(stored);
    }
    return Promise.resolve();
  });
}
