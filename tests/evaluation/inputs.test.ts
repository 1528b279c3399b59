import { expect } from 'chai';
import { BIDS_SUBJECT, parseCasesTable, subjectOf } from '../../evaluation/cases-table.ts';
import { type Grid, inOrderOf } from '../../pixels/voxel-grid.ts';
import { type EvaluatedLabel, masksOfLabelMap, masksOfSegments } from '../../evaluation/labels.ts';
import { gridOf } from './mask-pairs.ts';

const label = (index: number, name: string, code: string): EvaluatedLabel => ({
  index,
  name,
  type: { scheme: 'SCT', code },
  rgb: [1, 2, 3],
});
const BRAIN = label(1, 'Brain', '12738006');
const LESION = label(2, 'Lesion', '52988006');

describe('what an evaluation reads', () => {
  it('takes a table with commas, semicolons or tabs, quotes and what BIDS leaves open', () => {
    for (const [text, scanner] of [
      ['Case,Subject,Scanner\r\na,s1,"7T, ""new"""\r\n\r\nb,n/a,\r\n', '7T, "new"'],
      ['\uFEFFcase;scanner;subject\na;7T;s1\nb;;', '7T'],
      ['case\tsubject\tscanner\na\ts1\t7T, old\nb\t\t', '7T, old'],
    ] as const) {
      const rows = parseCasesTable(text, 'cases.csv');

      expect(rows.get('a')).to.deep.equal({ subject: 's1', strata: { scanner } });
      expect(rows.get('b')).to.deep.equal({ strata: {} });
    }
  });

  it('refuses a table without cases, and one that names a case twice', () => {
    expect(() => parseCasesTable('subject,site\na,b', 't.csv')).to.throw().with.nested.property('fields.detail').that.includes('no column "case"'); // prettier-ignore
    expect(() => parseCasesTable('case\na\na', 't.csv')).to.throw().with.nested.property('fields.detail').that.includes('line 3'); // prettier-ignore
  });

  it('knows subjects by the table, by a pattern, else takes each case for one', () => {
    expect(subjectOf('sub-07_ses-2_T2w', undefined, BIDS_SUBJECT)).to.equal('sub-07');
    expect(subjectOf('sub-07_ses-2_T2w', { subject: 'm3', strata: {} }, BIDS_SUBJECT)).to.equal('m3');
    expect(subjectOf('rat12-day3', undefined, /^rat\d+/)).to.equal('rat12');
    expect(subjectOf('scan', undefined, BIDS_SUBJECT)).to.equal('scan');
  });

  const grid = gridOf([3, 4, 5], [0.1, 0.2, 0.3]);
  const values = Float32Array.from({ length: 60 }, (_, n) => n);

  it('puts a mask with exchanged and reversed axes voxel upon voxel', () => {
    // x from the rows, reversed; y from the slices; z from the columns.
    const other: Grid = {
      dims: [5, 3, 4],
      spacingMm: [0.3, 0.1, 0.2],
      affine: [0, -0.1, 0, 0.2, 0, 0, 0.2, 0, 0.3, 0, 0, 0, 0, 0, 0, 1],
    };
    const there = new Float32Array(60);
    for (let z = 0; z < 5; z += 1)
      for (let y = 0; y < 4; y += 1)
        for (let x = 0; x < 3; x += 1) there[(y * 3 + (2 - x)) * 5 + z] = values[(z * 4 + y) * 3 + x] ?? 0;

    expect([...(inOrderOf(grid, other, there) ?? [])]).to.deep.equal([...values]);
    expect([...(inOrderOf(grid, grid, values) ?? [])]).to.deep.equal([...values]);
  });

  it('takes affines that agree within a thousandth, and none that lie elsewhere', () => {
    const moved = (by: number, place = 3) => ({
      ...grid,
      affine: grid.affine.map((v, n) => (n === place ? v + by : v)),
    });

    expect(inOrderOf(grid, moved(0.0009), values)).not.to.equal(undefined);
    expect(inOrderOf(grid, moved(0.0011), values)).to.equal(undefined);
    expect(inOrderOf(grid, moved(0.02, 1), values)).to.equal(undefined);
    expect(inOrderOf(grid, { ...grid, dims: [3, 5, 4] }, values)).to.equal(undefined);
    expect(inOrderOf(grid, moved(NaN), values)).to.equal(undefined);
    // A thousandth a voxel adds up along a long axis.
    const long = gridOf([400, 2, 2], [0.1, 0.1, 0.1]);
    const stretched = { ...long, affine: long.affine.map((v, n) => (n === 0 ? v + 0.0005 : v)) };
    expect(inOrderOf(long, stretched, new Float32Array(1600))).to.equal(undefined);
  });

  it('takes whatever is not 0 for the one label of a model, and values for the labels of several', () => {
    const map = Float32Array.of(0, 1, 2, 7, 40.0001);

    expect([...(masksOfLabelMap(map, [BRAIN])?.masks[0] ?? [])]).to.deep.equal([0, 1, 1, 1, 1]);
    const several = masksOfLabelMap(map, [BRAIN, LESION]);
    expect(several?.masks.map((mask) => [...mask])).to.deep.equal([[0, 1, 0, 0, 0], [0, 0, 1, 0, 0]]); // prettier-ignore
    expect(several?.notes).to.deep.equal(['the reference holds 7, 40, which no label of the model has']);
  });

  it('refuses probabilities and negative values for a mask', () => {
    expect(masksOfLabelMap(Float32Array.of(0, 0.4), [BRAIN])).to.equal(undefined);
    expect(masksOfLabelMap(Float32Array.of(0, -1), [BRAIN])).to.equal(undefined);
  });

  it('finds segments by code, else by name; a label without a segment is empty, a segment without a label is named', () => {
    const segment = (number: number, name: string, code: string | undefined, at: number) => ({
      number,
      name,
      type: code === undefined ? undefined : { scheme: 'SCT', code },
      mask: new Uint8Array(3).with(at, 1),
    });

    const found = masksOfSegments(
      [segment(1, 'whatever', '12738006', 0), segment(2, 'Skull', '89546000', 1)],
      [BRAIN, LESION],
      3,
    );
    expect(found.masks.map((mask) => [...mask])).to.deep.equal([[1, 0, 0], [0, 0, 0]]); // prettier-ignore
    expect(found.notes).to.deep.equal(['segments 2 of the reference are no label of the model']);
    expect([...(masksOfSegments([segment(1, 'lesion ', undefined, 2)], [BRAIN, LESION], 3).masks[1] ?? [])]).to.deep.equal([0, 0, 1]); // prettier-ignore
    expect([...(masksOfSegments([segment(9, 'ROI 1', undefined, 2)], [BRAIN], 3).masks[0] ?? [])]).to.deep.equal([0, 0, 1]); // prettier-ignore
  });
});
