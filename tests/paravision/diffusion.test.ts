import { expect } from 'chai';
import { type ConvertedScan, readFrames } from '../support/paravision-converted.ts';
import { B_IMAGING, B_VALUE, DIRECTIONS } from '../support/paravision-scans.ts';
import { list } from '../support/paravision-study.ts';
import { converting, kind } from './converting.ts';

describe('a ParaVision scan of diffusion as Enhanced MR', () => {
  const { converted } = converting();
  const scan = kind('diffusion');
  const gradients = (made: ConvertedScan) =>
    DIRECTIONS.map((_, n) => {
      const item = readFrames(made)[n * 5]?.macro('MRDiffusionSequence');
      const [direction] = item?.items('DiffusionGradientDirectionSequence') ?? [];
      const numbers = direction?.numbers('DiffusionGradientOrientation');
      return {
        b: Math.round(item?.number('DiffusionBValue') ?? -1),
        kind: item?.string('DiffusionDirectionality'),
        direction: numbers?.map((part) => Math.round(part * 1000) / 1000 + 0),
      };
    });

  it('has b-values and directions of the b-matrix, in the patient system', async () => {
    const made = await converted(scan);

    expect(gradients(made)).to.deep.equal([
      { b: B_IMAGING, kind: 'NONE', direction: undefined },
      { b: B_VALUE + B_IMAGING, kind: 'BMATRIX', direction: [1, 0, 0] },
      { b: B_VALUE + B_IMAGING, kind: 'BMATRIX', direction: [0, 0.6, 0.8] },
      { b: B_VALUE + B_IMAGING, kind: 'BMATRIX', direction: [0.48, -0.6, 0.64] },
    ]);
    const [matrix] = readFrames(made)[15]?.macro('MRDiffusionSequence')?.items('DiffusionBMatrixSequence') ?? [];
    expect(matrix?.number('DiffusionBValueXY')).to.be.closeTo(-288, 1e-6);
    expect(matrix?.number('DiffusionBValueYZ')).to.be.closeTo(-384, 1e-6);
    expect(matrix?.number('DiffusionBValueZZ')).to.be.closeTo(409.6 + 1, 1e-6);
  });

  it('takes the sign, which no b-matrix has, from the gradients that were asked for', async () => {
    // Read runs along −x of the patient: console axes against DICOM's.
    const method = {
      ...scan.method,
      PVM_SPackArrGradOrient: list([1, 0, 0, 0, 1, 0, 0, 0, 1], 1, 3, 3),
      PVM_DwGradVec: list([0, 0, 0, 1, 0, 0, 0, -0.6, 0.8, 0.48, -0.6, -0.64], 4, 3),
    };

    const made = await converted({ ...scan, method });

    expect(gradients(made).map(({ direction }) => direction)).to.deep.equal([
      undefined,
      [-1, 0, 0],
      [0, 0.6, 0.8],
      [-0.48, 0.6, -0.64],
    ]);
  });

  it('of ParaVision 5 goes by the gradients, turned with the slices', async () => {
    const method = {
      ...scan.method,
      PVM_DwEffBval: list([2, 1002, 1002, 1002]),
      PVM_SPackArrGradOrient: list([0, 1, 0, 0, 0, 1, 1, 0, 0], 1, 3, 3),
      PVM_DwGradVec: list([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1], 4, 3),
    };

    const made = await converted({ ...scan, visu: { VisuAcqDiffusionBMatrix: undefined }, method }, { version: '5.1' });

    expect(gradients(made)).to.deep.equal([
      { b: 2, kind: 'NONE', direction: undefined },
      { b: 1002, kind: 'DIRECTIONAL', direction: [0, -1, 0] },
      { b: 1002, kind: 'DIRECTIONAL', direction: [0, 0, 1] },
      { b: 1002, kind: 'DIRECTIONAL', direction: [-1, 0, 0] },
    ]);
  });
});
