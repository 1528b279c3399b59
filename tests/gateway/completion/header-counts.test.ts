import { expect } from 'chai';
import { parseSeriesInstanceUid } from '../../../core/identifiers.ts';
import { headerCounts } from '../../../gateway/completion/header-counts.ts';

type Attributes = Readonly<Record<string, string>>;

/** One entry a series: how many are here, and what its header says. */
const TABLE: readonly (readonly [
  behaviour: string,
  series: readonly (readonly [held: number, attributes: Attributes])[],
  expected: 'met' | 'short' | 'unclear',
])[] = [
  ['has what one acquisition has', [[30, { ImagesInAcquisition: '30' }]], 'met'],
  ['has several acquisitions whole', [[90, { ImagesInAcquisition: '30' }]], 'met'],
  ['lacks some of an acquisition', [[29, { ImagesInAcquisition: '30' }]], 'short'],
  ['has a number that does not divide', [[40, { ImagesInAcquisition: '30' }]], 'unclear'],
  ['has all volumes', [[300, { ImagesInAcquisition: '30', NumberOfTemporalPositions: '10' }]], 'met'],
  ['has some of the volumes', [[60, { ImagesInAcquisition: '30', NumberOfTemporalPositions: '10' }]], 'short'],
  [
    'has the first of many volumes, or all of one',
    [[30, { ImagesInAcquisition: '30', NumberOfTemporalPositions: '10' }]],
    'unclear',
  ],
  ['has one volume of one', [[30, { ImagesInAcquisition: '30', NumberOfTemporalPositions: '1' }]], 'met'],
  ['has every slice of every volume', [[300, { NumberOfSlices: '30', NumberOfTemporalPositions: '10' }]], 'met'],
  ['lacks slices of the last volume', [[299, { NumberOfSlices: '30', NumberOfTemporalPositions: '10' }]], 'short'],
  ['has fewer instances than volumes', [[9, { NumberOfTemporalPositions: '10' }]], 'short'],
  ['has more instances than volumes, of unknown slices', [[20, { NumberOfTemporalPositions: '10' }]], 'unclear'],
  ['has all slices', [[47, { NumberOfSlices: '47' }]], 'met'],
  ['says nothing', [[5, {}]], 'unclear'],
  ['says what is no number', [[5, { ImagesInAcquisition: 'many' }]], 'unclear'],
  ['says nought', [[5, { ImagesInAcquisition: '0' }]], 'unclear'],
  ['counts frames of one instance', [[1, { ImagesInAcquisition: '300', NumberOfFrames: '300' }]], 'unclear'],
  [
    'is whole in every series',
    [
      [30, { ImagesInAcquisition: '30' }],
      [12, { ImagesInAcquisition: '12' }],
    ],
    'met',
  ],
  [
    'lacks something in one series',
    [
      [30, { ImagesInAcquisition: '30' }],
      [2, { ImagesInAcquisition: '12' }],
    ],
    'short',
  ],
  [
    'says nothing in one series',
    [
      [30, { ImagesInAcquisition: '30' }],
      [3, {}],
    ],
    'unclear',
  ],
  [
    'has one acquisition split over two series',
    [
      [15, { ImagesInAcquisition: '30' }],
      [15, { ImagesInAcquisition: '30' }],
    ],
    'unclear',
  ],
  ['has nothing', [], 'unclear'],
];

describe('the counts of a header', () => {
  for (const [behaviour, rows, expected] of TABLE) {
    it(`are ${expected} when a study ${behaviour}`, () => {
      const counts = headerCounts(
        rows.map(([instances, attributes], n) => ({
          seriesInstanceUid: parseSeriesInstanceUid(`1.2.${n + 1}`),
          instances,
          attributes: Object.fromEntries(Object.entries(attributes).map(([keyword, value]) => [keyword, [value]])),
          provenance: { door: 'dimse', source: 'pv-7t', associationId: 'association-1' },
        })),
      );

      expect(counts.verdict).to.equal(expected);
      expect(counts.series).to.have.length(rows.length);
    });
  }
});
