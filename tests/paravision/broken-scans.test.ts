import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { readHeader } from '../../core/dicom/part10.ts';
import { HubError } from '../../core/errors.ts';
import { convertedIn, gathered, itemsIn } from '../support/paravision-converted.ts';
import { KINDS } from '../support/paravision-scans.ts';
import { list, type SyntheticScan, text, writeStudy } from '../support/paravision-study.ts';
import { integer, seeded } from '../support/seeded.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { BANANA } from './converting.ts';

/** A bright disc in noise, as a scan is. */
function phantom(): (frame: number, x: number, y: number) => number {
  const random = seeded(4);
  return (_, x, y) => (Math.hypot(x - 7, y - 6) < 4 ? 9_000 : 0) + integer(random, 900);
}

describe('a ParaVision scan that is broken', () => {
  const folder = temporaryFolder();
  const scan: SyntheticScan = { ...(KINDS['slices and repetitions'] ?? expect.fail()), number: 5 };
  let number = 0;

  async function refusal(over: Partial<SyntheticScan>): Promise<HubError> {
    const place = join(folder.path, `study-${(number += 1)}`);
    await writeStudy(place, { version: '6.0.1', scans: [{ ...scan, ...over }] });
    const [item] = await itemsIn(place);
    if (item?.kind === 'broken') return item.error;
    if (item?.kind !== 'image') throw new Error('nothing was found');
    return await item.open(new AbortController().signal).then(
      async ({ source }) => source.close().then(() => expect.fail('nothing was refused')),
      (error: unknown) => (error instanceof HubError ? error : expect.fail(String(error))),
    );
  }

  for (const [what, visu, code, reason] of [
    ['frame groups that do not make up its frames', { VisuCoreFrameCount: 25 }, 'paravision.mismatch', /bytes|groups/],
    ['another size', { VisuCoreSize: list([15, 12]) }, 'paravision.mismatch', /2dseq has/],
    [
      'no orientation',
      { VisuCoreOrientation: undefined },
      'paravision.parameters-unreadable',
      /VisuCoreOrientation is missing/,
    ],
    [
      'an orientation that is none',
      { VisuCoreOrientation: list([1, 0, 0, 1, 0, 0, 0, 0, 1], 1, 9) },
      'paravision.parameters-unreadable',
      /not an orientation/,
    ],
    [
      'too few positions',
      { VisuCorePosition: list([0, 0, 0, 0, 0, 1], 2, 3) },
      'paravision.parameters-unreadable',
      /no value for frame 3/,
    ],
    ['an extent of nothing', { VisuCoreExtent: list([0, 5]) }, 'paravision.parameters-unreadable', /not an extent/],
    ['a word type nobody knows', { VisuCoreWordType: '_64BIT' }, 'paravision.unsupported', /word type/],
    [
      'an array cut short',
      { VisuCoreDataSlope: { size: [24], values: [1, 1] } },
      'paravision.parameters-unreadable',
      /says 24 values and has 2/,
    ],
    [
      'a scale that is no number',
      { VisuCoreDataSlope: list([Number.NaN], 1) },
      'paravision.parameters-unreadable',
      /has no scale/,
    ],
    ['five dimensions', { VisuCoreDim: 5 }, 'paravision.unsupported', /neither two nor three/],
    [
      'a frame group without a length',
      { VisuFGOrderDesc: list([[0, '<FG_SLICE>', '<>', 0, 0]]) },
      'paravision.parameters-unreadable',
      /without a length/,
    ],
  ] as const)
    it(`says so: ${what}`, async () => {
      const error = await refusal({ visu });

      expect(error.code).to.equal(code);
      expect(error.fields['reason']).to.match(reason);
      expect(error.message).not.to.contain('Planted');
    });

  for (const said of ['littleEndian', 'bigEndian'] as const)
    for (const wordType of ['_16BIT_SGN_INT', '_32BIT_SGN_INT', '_32BIT_FLOAT'] as const)
      it(`is one whose 2dseq is not ${said} as it says: ${wordType}`, async () => {
        const byteOrder = said === 'bigEndian' ? 'littleEndian' : 'bigEndian';

        const error = await refusal({ stored: phantom(), wordType, byteOrder, visu: { VisuCoreByteOrder: said } });

        expect(error.code).to.equal('paravision.mismatch');
        expect(error.message).to.contain(`2dseq is written in ${byteOrder}, VisuCoreByteOrder`);
      });

  it('is one of noise whose greatest value only the other order of bytes makes', async () => {
    const random = seeded(5);
    const stored = () => integer(random, 90);

    const error = await refusal({
      stored,
      byteOrder: 'bigEndian',
      visu: { VisuCoreByteOrder: 'littleEndian', VisuCoreDataMax: list([90]) },
    });

    expect(error.message).to.contain('2dseq is written in bigEndian');
  });

  it('is none of noise, of zeros or of one step, in the order it says', async () => {
    const random = seeded(6);
    const kinds: readonly SyntheticScan['stored'][] = [
      () => integer(random, 40_000) - 20_000,
      () => integer(random, 3) * 256,
      () => 0,
      (_, x) => (x > 5 ? 256 : 0),
      (_, x, y) => ((x + y) % 2) * 4096,
    ];
    for (const [index, stored] of kinds.entries())
      for (const byteOrder of ['littleEndian', 'bigEndian'] as const) {
        const place = join(folder.path, `order-${index}-${byteOrder}`);
        await writeStudy(place, {
          version: '6.0.1',
          scans: [{ ...scan, ...(stored === undefined ? {} : { stored }), byteOrder }],
        });
        const [item] = await itemsIn(place);
        if (item?.kind !== 'image') throw new Error('nothing was found');
        await (await item.open(new AbortController().signal)).source.close();
      }
  });

  it('is one whose order of bytes is a word nobody knows', async () => {
    const error = await refusal({ visu: { VisuCoreByteOrder: 'middleEndian' } });

    expect(error.message).to.contain('visu_pars:').and.to.contain('VisuCoreByteOrder is neither');
  });

  it('is told of when its acqp is empty, as a full disk leaves it', async () => {
    const place = join(folder.path, 'empty-acqp');
    await writeStudy(place, { version: '6.0.1', scans: [scan, { ...scan, number: 6 }] });
    await writeFile(join(place, '5/acqp'), '');

    const items = await itemsIn(place);

    expect(items.map(({ kind: what, name }) => [what, name])).to.deep.equal([
      ['broken', '5/pdata/1'],
      ['image', '6/pdata/1'],
    ]);
  });

  it('is never read through a link, wherever in the study that stands', async () => {
    const place = join(folder.path, 'links');
    await writeStudy(place, { version: '6.0.1', scans: [scan, { ...scan, number: 6 }, { ...scan, number: 7 }] });
    await rm(join(place, '6/pdata'), { recursive: true });
    await symlink(join(BANANA, '1/pdata'), join(place, '6/pdata'));
    await rm(join(place, '7/pdata/1'), { recursive: true });
    await symlink(join(BANANA, '1/pdata/1'), join(place, '7/pdata/1'));
    await symlink(join(BANANA, '2'), join(place, '8'));

    const items = await itemsIn(place);

    expect(items.map(({ kind: what, name }) => [what, name])).to.deep.equal([
      ['image', '5/pdata/1'],
      ['broken', '6'],
      ['broken', '7'],
    ]);
  });

  it('has no time where none is one, and no frame times beyond all calendars', async () => {
    const place = join(folder.path, 'times');
    const dated = (date: string, duration: number) => ({
      ...scan,
      visu: { VisuAcqDate: text(date, 65), VisuStudyDate: text(date, 65), VisuAcqScanTime: duration },
    });
    await writeStudy(place, {
      version: '6.0.1',
      scans: [
        { ...dated('2020-01-02T25:61:61,000+0200', 60_000), number: 1 },
        { ...dated('99:99:99 30 Nov 2011', 60_000), number: 2 },
        { ...dated('2020-01-02T03:04:05,678+9900', 1e18), number: 3 },
      ],
    });

    const made = await convertedIn(place);

    const values = made.map(({ dataSet }) =>
      ['StudyDate', 'StudyTime', 'TimezoneOffsetFromUTC'].map((name) => dataSet.string(name)),
    );
    expect(values).to.deep.equal([
      ['20200102', undefined, '+0200'],
      ['20111130', undefined, undefined],
      ['20200102', '030405.678', undefined],
    ]);
    expect(made[2]?.dataSet.has('AcquisitionDuration')).to.equal(false);
  });

  it('is no image when it is a spectrum', async () => {
    const place = join(folder.path, 'spectrum');
    const visu = { VisuCoreDim: 1, VisuCoreDimDesc: 'spectroscopic', VisuCoreOrientation: undefined };
    await writeStudy(place, { version: '6.0.1', scans: [{ ...scan, visu }] });

    expect(await itemsIn(place)).to.deep.equal([
      { kind: 'no-image', scan: '5', name: '5/pdata/1', reason: 'spectroscopy' },
    ]);
  });

  it('never becomes an object that cannot be read, whatever was damaged in its parameters', async function () {
    this.timeout(30_000);
    const place = join(folder.path, 'damaged');
    await writeStudy(place, { version: '6.0.1', scans: [scan] });
    const file = join(place, '5/pdata/1/visu_pars');
    const whole = await readFile(file, 'latin1');
    const outcomes = { read: 0, refused: 0 };
    for (let seed = 1; seed <= 400; seed++) {
      const random = seeded(seed);
      const lines = whole.split('\n');
      const at = integer(random, lines.length);
      const line = lines[at] ?? '';
      const numbers = [...line.matchAll(/-?\d+(?:\.\d+)?/g)];
      const chosen = numbers[integer(random, Math.max(1, numbers.length))];
      const changed =
        chosen === undefined || integer(random, 3) === 0
          ? ''
          : `${line.slice(0, chosen.index)}${['0', '-1', 'nan', '1e308', '999999999', 'x'][integer(random, 6)] ?? ''}${line.slice(chosen.index + chosen[0].length)}`;
      await writeFile(file, lines.with(at, changed).join('\n'), 'latin1');

      for (const item of await itemsIn(place)) {
        try {
          if (item.kind === 'broken') throw item.error;
          if (item.kind === 'no-image') continue;
          const { source } = await item.open(new AbortController().signal);
          const bytes = Buffer.concat(await gathered(source.stream()));
          await source.close();
          const { dataSet } = await readHeader(bytesAsSource(bytes));
          expect(dataSet.number('NumberOfFrames'), `seed ${seed}`).to.be.greaterThan(0);
          outcomes.read += 1;
        } catch (error) {
          const isKnown = error instanceof HubError && error.code.startsWith('paravision.');
          expect(
            isKnown,
            `seed ${seed}: line ${at + 1} ${changed}: ${String(error)} ${error instanceof Error ? (error.stack ?? '') : ''}`,
          ).to.equal(true);
          outcomes.refused += 1;
        }
      }
    }
    expect(outcomes.read).to.be.greaterThan(50);
    expect(outcomes.refused).to.be.greaterThan(50);
  });
});
