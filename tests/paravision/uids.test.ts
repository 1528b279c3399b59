import { join } from 'node:path';
import { expect } from 'chai';
import { convertedIn } from '../support/paravision-converted.ts';
import { text, writeStudy } from '../support/paravision-study.ts';
import { BANANA, converting, kind } from './converting.ts';

describe('a ParaVision reconstruction as Enhanced MR has UIDs', () => {
  const { folder, converted } = converting();
  const scan = kind('one slice');

  it("of ParaVision's where they are of this very scan, and always the same ones", async () => {
    const first = await converted(scan);
    const again = await converted(scan);

    expect(first.dataSet.string('StudyInstanceUID')).to.equal('2.16.756.5.5.100.1384712661.24104.1500000000.1');
    expect(first.dataSet.string('SOPInstanceUID')).to.equal('2.16.756.5.5.100.1384712661.24104.1500000000.301');
    expect(first.dataSet.string('SeriesInstanceUID')).to.match(/^2\.25\.\d+$/);
    expect(Buffer.from(again.bytes.subarray(0, 2000))).to.deep.equal(Buffer.from(first.bytes.subarray(0, 2000)));
    expect(again.dataSet.string('SeriesInstanceUID')).to.equal(first.dataSet.string('SeriesInstanceUID'));
  });

  it('of their own where a scan was copied under another number', async () => {
    const copies = await convertedIn(BANANA);

    const uids = copies.map(({ dataSet }) => dataSet.string('SOPInstanceUID') ?? '');
    expect(new Set(uids).size).to.equal(3);
    expect(uids.every((uid) => /^2\.25\.\d{10,39}$/.test(uid))).to.equal(true);
    expect((await convertedIn(BANANA)).map(({ dataSet }) => dataSet.string('SOPInstanceUID'))).to.deep.equal(uids);
  });

  it("from the study's identity where ParaVision has none, so that its scans stay together", async () => {
    const place = join(folder.path, 'no-uids');
    const visu = { VisuUid: undefined, VisuStudyUid: text('not a uid', 65) };
    await writeStudy(place, {
      version: '6.0.1',
      scans: [1, 2].map((n) => ({ ...scan, number: n, visu })),
      subject: { SUBJECT_study_instance_uid: text('', 65) },
    });

    const [one, two] = await convertedIn(place);

    expect(one?.dataSet.string('StudyInstanceUID')).to.match(/^2\.25\.\d+$/);
    expect(two?.dataSet.string('StudyInstanceUID')).to.equal(one?.dataSet.string('StudyInstanceUID'));
    expect(two?.dataSet.string('SOPInstanceUID')).not.to.equal(one?.dataSet.string('SOPInstanceUID'));
  });
});
