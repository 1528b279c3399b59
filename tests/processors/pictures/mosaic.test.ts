import { expect } from 'chai';
import { mosaic } from '../../../processors/pictures/mosaic.ts';
import type { Volume } from '../../../processors/volumes/volume.ts';
import { emptyHeader } from '../../support/empty-header.ts';

describe('the contact sheet', () => {
  it('shows slices in their true shape when rows are farther apart than columns', () => {
    const { width, height } = mosaic(volume({ dims: [30, 10, 1, 1], spacingMm: [1, 3, 1] }));

    expect(width / height).to.be.closeTo(1, 0.05);
  });

  it('shows no more than 64 slices and stays within 2048 pixels', () => {
    const { width, height } = mosaic(volume({ dims: [256, 256, 300, 1] }));

    expect(Math.max(width, height)).to.be.at.most(2048 + 24);
  });

  it('keeps one bright voxel from leaving the rest dark', () => {
    const data = new Float32Array(40 * 40).map((_, i) => (i % 40) * 10);
    data[5] = 1e6;

    const { grey } = mosaic(volume({ dims: [40, 40, 1, 1], data }));

    expect(Math.max(...grey.subarray(40 * 20, 40 * 21))).to.be.above(200);
  });

  it('turns what NIfTI stores upside down the right way up, and leaves DICOM as it is', () => {
    // Bright in the first row and first column.
    const data = new Float32Array(32 * 32).map((_, i) => (i < 32 ? 100 : 0) + (i % 32 === 0 ? 50 : 0));
    const corner = (affine: readonly number[]) => {
      const { width, grey } = mosaic(volume({ dims: [32, 32, 1, 1], data, affine }));
      return { top: grey[10] ?? 0, bottom: grey[30 * width + 10] ?? 0, left: grey[10 * width] ?? 0 };
    };

    const dicom = corner([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    const nifti = corner([-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    const coronal = corner([1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1]);

    expect(dicom.top).to.be.above(200);
    expect(dicom.left).to.be.above(100);
    expect(nifti.bottom).to.be.above(200);
    expect(nifti.left).to.equal(0);
    expect(coronal.top).to.be.above(200);
  });
});

function volume(changes: Partial<Volume>): Volume {
  const dims = changes.dims ?? [32, 32, 4, 1];
  return {
    studyInstanceUid: '',
    seriesInstanceUid: '',
    dims,
    spacingMm: [1, 1, 1],
    data: new Float32Array(dims[0] * dims[1] * dims[2] * dims[3]),
    affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    isRegular: true,
    slices: [],
    header: emptyHeader(),
    kind: 'anatomical',
    ...changes,
  };
}
