/** A scan of every kind a reconstruction can be, a few kilobytes each: for the tests, and for the peers they ask. */
import { list, type SyntheticScan, text } from './paravision-study.ts';

const SIZE = [14, 12] as const;
const SPACING = [0.5, 0.4, 1.2] as const;
const START = [-6, -4, -3] as const;
const [C, S] = [Math.cos(0.3), Math.sin(0.3)];

/** Directions of columns, rows and slices. */
export const ORIENTATIONS = {
  axial: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  sagittal: [0, 1, 0, 0, 0, -1, -1, 0, 0],
  coronal: [1, 0, 0, 0, 0, -1, 0, 1, 0],
  oblique: [1, 0, 0, 0, C, S, 0, -S, C],
  'double oblique': [C, S, 0, -S * C, C * C, S, S * S, -S * C, C],
} as const;

export const DIRECTIONS = [
  [0, 0, 0],
  [1, 0, 0],
  [0, 0.6, 0.8],
  [0.48, -0.6, 0.64],
] as const;
/** In s/mm²; what imaging gradients add to each. */
export const B_VALUE = 1000;
export const B_IMAGING = 3;

const bMatrices = DIRECTIONS.flatMap((direction) => {
  const b = direction.some((part) => part !== 0) ? B_VALUE : 0;
  return direction.flatMap((row, i) => direction.map((column, j) => b * row * column + (i === j ? B_IMAGING / 3 : 0)));
});

const scan = (over: Omit<Partial<SyntheticScan>, 'number'>): Omit<SyntheticScan, 'number'> => ({
  ...{ size: SIZE, spacingMm: SPACING, position: START, groups: [] },
  ...over,
});

export const KINDS: Readonly<Record<string, Omit<SyntheticScan, 'number'>>> = {
  slices: scan({ groups: [{ id: 'FG_SLICE', length: 5 }] }),
  'one slice': scan({}),
  'slices and repetitions': scan({
    groups: [
      { id: 'FG_SLICE', length: 6 },
      { id: 'FG_CYCLE', length: 4 },
    ],
    orientation: ORIENTATIONS.oblique,
    visu: { VisuAcqIsEpiSequence: 'Yes', VisuAcqSequenceName: text('Bruker:EPI', 40) },
  }),
  'repetitions before slices': scan({
    groups: [
      { id: 'FG_MOVIE', length: 3 },
      { id: 'FG_SLICE', length: 4 },
    ],
    orientation: ORIENTATIONS.coronal,
  }),
  echoes: scan({
    groups: [
      { id: 'FG_ECHO', length: 3, dependents: ['VisuAcqEchoTime'] },
      { id: 'FG_SLICE', length: 5 },
    ],
    orientation: ORIENTATIONS['double oblique'],
    visu: { VisuAcqEchoTime: list([8, 16.5, 25]) },
  }),
  diffusion: scan({
    groups: [
      { id: 'FG_SLICE', length: 5 },
      { id: 'FG_DIFFUSION', length: 4, dependents: ['VisuAcqDiffusionBMatrix'] },
    ],
    visu: { VisuAcqDiffusionBMatrix: list(bMatrices, 4, 9) },
    method: { PVM_DwAoImages: 1, PVM_DwNDiffExp: 4 },
  }),
  'inversion times': scan({
    groups: [
      { id: 'FG_SLICE', length: 3 },
      { id: 'FG_IRMODE', length: 2, dependents: ['VisuAcqInversionTime'] },
      { id: 'FG_CYCLE', length: 2 },
    ],
    visu: { VisuAcqInversionTime: list([30, 900]) },
  }),
  'real and imaginary parts': scan({
    groups: [
      { id: 'FG_SLICE', length: 4 },
      { id: 'FG_COMPLEX', length: 2, dependents: ['VisuCoreFrameType'] },
    ],
    stored: (frame, x, y) => frame * 50 - x * 7 - y,
    visu: { VisuCoreFrameType: list(['REAL_IMAGE', 'IMAGINARY_IMAGE']) },
  }),
  maps: scan({
    groups: [
      { id: 'FG_ISA', length: 3, dependents: ['VisuFGElemComment', 'VisuCoreDataUnits'] },
      { id: 'FG_SLICE', length: 4 },
    ],
    wordType: '_32BIT_FLOAT',
    stored: (frame, x, y) => frame * 1.5 + x * 0.25 + y / 3,
    visu: {
      VisuFGElemComment: list(['<signal intensity>', '<T2 relaxation time>', '<std dev of T2>'], 3, 65),
      VisuCoreDataUnits: list(['<>', '<ms>', '<ms>'], 3, 65),
      VisuSeriesTypeId: text('DERIVED_ISA', 65),
    },
  }),
  'a volume': scan({ size: [14, 12, 9], orientation: ORIENTATIONS.sagittal }),
  'volumes over time': scan({
    size: [14, 12, 9],
    groups: [{ id: 'FG_CYCLE', length: 3 }],
    slopes: (frame) => 1 + frame,
    orientation: ORIENTATIONS.oblique,
  }),
  'a volume stored backwards': scan({
    size: [14, 12, 9],
    visu: { VisuCoreDiskSliceOrder: 'disk_reverse_slice_order' },
  }),
  '8 bits': scan({ groups: [{ id: 'FG_SLICE', length: 3 }], size: [13, 11], wordType: '_8BIT_UNSGN_INT' }),
  '32 bits that fit in 16': scan({
    groups: [{ id: 'FG_SLICE', length: 4 }],
    wordType: '_32BIT_SGN_INT',
    slopes: (frame) => 0.5 + frame,
    stored: (frame, x, y) => -3_000_000 + frame * 100_000 + x * 100 + y * 1000,
  }),
  'another scale each slice': scan({
    groups: [{ id: 'FG_SLICE', length: 4 }],
    slopes: (frame) => 0.007_029_145_824 * (frame + 1),
    offsets: (frame) => frame * 2.5,
  }),
  'big end first': scan({
    groups: [
      { id: 'FG_SLICE', length: 4 },
      { id: 'FG_MOVIE', length: 3 },
      { id: 'FG_CYCLE', length: 2 },
    ],
    byteOrder: 'bigEndian',
  }),
};

/** Numbered from 1, in the order of `KINDS`. */
export const ALL_KINDS: readonly SyntheticScan[] = Object.values(KINDS).map((kind, n) => ({ ...kind, number: n + 1 }));
