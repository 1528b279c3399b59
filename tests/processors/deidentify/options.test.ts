import { expect } from 'chai';
import { shiftDate, shiftDateTime } from '../../../processors/deidentify/dates.ts';
import { deidentifyFiles, releasedFile } from '../../support/deidentified.ts';
import { element, identity, pixels, type SampleElement, sampleFile } from '../../support/dicom-samples.ts';

describe('options of the profile', () => {
  it('shift every date by the same days and keep the time of day', async () => {
    const file = sampleFile([
      ...dated(),
      element('CalibrationDateTime', '201407'),
      element('DerivationCodeSequence', [[element('SecondaryReviewDate', '20140312')]]),
      ...pixels(),
    ]);

    const { dataSet } = await releasedFile(file, { options: ['retain-longitudinal-modified-dates'] });

    const shifted = days(dataSet.string('StudyDate')) - days('20140310');
    expect(shifted).to.be.within(-3650, -1);
    expect(dataSet.has('PatientBirthDate')).to.equal(true);
    expect(dataSet.string('PatientBirthDate')).to.equal(undefined);
    expect(days(dataSet.string('SeriesDate')) - days('20140311')).to.equal(shifted);
    expect(days(dataSet.string('AcquisitionDateTime')?.slice(0, 8)) - days('20140310')).to.equal(shifted);
    expect(dataSet.string('AcquisitionDateTime')?.slice(8)).to.equal('235959.120000+0200');
    expect(dataSet.string('StudyTime')).to.equal('235958');
    expect(dataSet.string('TimezoneOffsetFromUTC')).to.equal('+0200');
    // A month cannot move by days.
    expect(dataSet.string('CalibrationDateTime')).to.equal(undefined);
    const [item] = dataSet.items('DerivationCodeSequence');
    expect(days(item?.string('SecondaryReviewDate')) - days('20140312')).to.equal(shifted);
    expect(dataSet.string('LongitudinalTemporalInformationModified')).to.equal('MODIFIED');
  });

  it('keep full dates, or remove all of them, those outside the table too', async () => {
    const file = sampleFile([...dated(), element('SecondaryReviewDate', '20140312'), ...pixels()]);

    const full = await releasedFile(file, { options: ['retain-longitudinal-full-dates'] });
    const none = await releasedFile(file);

    expect(full.dataSet.string('StudyDate')).to.equal('20140310');
    expect(full.dataSet.string('SecondaryReviewDate')).to.equal('20140312');
    expect(full.dataSet.string('LongitudinalTemporalInformationModified')).to.equal('UNMODIFIED');
    expect(none.dataSet.string('StudyDate')).to.equal(undefined);
    expect(none.dataSet.string('SecondaryReviewDate')).to.equal('20000101');
    expect(Buffer.from(none.bytes).toString('latin1')).to.not.include('2014');
  });

  it('retain UIDs, device, institution and patient characteristics, each only its own', async () => {
    const file = sampleFile([
      ...identity(),
      element('StationName', 'ST-9000'),
      element('InstitutionName', 'Savilahti'),
      element('PatientSex', 'F'),
      element('PatientWeight', '0.35'),
      ...pixels(),
    ]);
    const kept = async (option: string) => {
      const { dataSet } = await releasedFile(file, { options: [option] });
      return ['SOPInstanceUID', 'StationName', 'InstitutionName', 'PatientSex', 'PatientWeight'].filter((keyword) => {
        const value = dataSet.string(keyword);
        return value !== undefined && !value.startsWith('2.25.');
      });
    };

    expect(await kept('retain-uids')).to.deep.equal(['SOPInstanceUID']);
    expect(await kept('retain-device-identity')).to.deep.equal(['StationName']);
    expect(await kept('retain-institution-identity')).to.deep.equal(['InstitutionName']);
    expect(await kept('retain-patient-characteristics')).to.deep.equal(['PatientSex', 'PatientWeight']);
  });

  it('clean descriptors down to words that identify nobody', async () => {
    const file = sampleFile([
      ...identity({ patientName: 'Sagittal^Aino' }),
      element('SeriesDescription', 'T1 MPRAGE sagittal Kanariala 1mm RAT-0815-X'),
      element('ProtocolName', 'Kanariala'),
      ...pixels(),
    ]);

    const { dataSet } = await releasedFile(file, { options: ['clean-descriptors'] });

    expect(dataSet.string('SeriesDescription')).to.equal('T1 MPRAGE 1mm');
    expect(dataSet.has('ProtocolName')).to.equal(false);
  });

  it('retain what is safe of private elements, with its creator, and nothing else of the block', async () => {
    const file = sampleFile([
      ...identity(),
      { tag: 0x00190010, vr: 'LO', value: 'SIEMENS MR HEADER' },
      { tag: 0x0019100c, vr: 'IS', value: '1000' },
      { tag: 0x0019100e, vr: 'FD', value: new Uint8Array(24) },
      { tag: 0x00191008, vr: 'CS', value: 'IMAGE NUM 4' },
      { tag: 0x00290010, vr: 'LO', value: 'SIEMENS CSA HEADER' },
      { tag: 0x00291010, vr: 'OB', value: 'Kanariala' },
      { tag: 0x00430010, vr: 'LO', value: 'SOMEBODY ELSE' },
      { tag: 0x00431039, vr: 'IS', value: '1000' },
      ...pixels(),
    ]);

    const { dataSet, report } = await releasedFile(file, { options: ['retain-safe-private'] });

    const left = dataSet.elements.map(({ tag }) => tag).filter((tag) => (tag >>> 16) % 2 === 1);
    expect(left).to.deep.equal([0x00190010, 0x0019100c, 0x0019100e]);
    expect(report.privateKept).to.deep.equal(['(0019,"SIEMENS MR HEADER",0C)', '(0019,"SIEMENS MR HEADER",0E)']);
  });

  it('keep a private element the policy names only while its value is what the policy says', async () => {
    const file = (value: string, vr = 'LO') =>
      sampleFile([
        ...identity(),
        { tag: 0x00190010, vr: 'LO', value: 'MAKER' },
        { tag: 0x00191001, vr, value },
        ...pixels(),
      ]);
    const privateAllow = [{ creator: 'MAKER', group: '0019', element: '01', vr: 'LO', pattern: 'coil [0-9]+' }];
    const isKept = async (bytes: Uint8Array) =>
      (await releasedFile(bytes, { privateAllow })).dataSet.element(0x00191001) !== undefined;

    expect(await isKept(file('coil 4'))).to.equal(true);
    expect(await isKept(file('coil 4\\Smith'))).to.equal(false);
    expect(await isKept(file('coil 4', 'UT'))).to.equal(false);
  });

  it('override the table by keyword', async () => {
    const file = sampleFile([
      ...identity(),
      element('Manufacturer', 'SIEMENS'),
      element('PatientSex', 'F'),
      ...pixels(),
    ]);

    const { dataSet } = await releasedFile(file, { overrides: { Manufacturer: 'remove', PatientSex: 'keep' } });

    expect(dataSet.has('Manufacturer')).to.equal(false);
    expect(dataSet.string('PatientSex')).to.equal('F');
    expect((await deidentifyFiles([file])).outcome).to.equal('released');
  });

  it('clean a text that only the policy names, in an item too', async () => {
    const labelled = (FrameLabel: string) =>
      sampleFile([...identity(), element('FrameContentSequence', [[element('FrameLabel', FrameLabel)]]), ...pixels()]);
    const label = async (text: string) =>
      (await releasedFile(labelled(text), { overrides: { FrameLabel: 'clean' } })).dataSet
        .items('FrameContentSequence')[0]
        ?.string('FrameLabel');

    expect(await label('T2 relaxation time')).to.equal('T2 relaxation time');
    expect(await label('T2 time, Ruskavarpu UEF-4711')).to.equal('T2 time');
    expect(await label('Ruskavarpu')).to.equal('REMOVED');
  });
});

describe('dates that move', () => {
  it('stay dates across months, years and leap days', () => {
    expect(shiftDate('20240301', -1)).to.equal('20240229');
    expect(shiftDate('20230101', -1)).to.equal('20221231');
    expect(shiftDate('1997.04.01', -1)).to.equal('19970331');
    expect(shiftDateTime('20240301120000.5-0500', -1)).to.equal('20240229120000.5-0500');
  });

  it('go when they are no full date', () => {
    for (const value of ['', '2024', '202402', '20240230', '99999999', 'tomorrow'])
      expect(shiftDate(value, -1)).to.equal('');
    for (const value of ['2024', '20241', '20240230', '2024010112000']) expect(shiftDateTime(value, -1)).to.equal('');
  });
});

function dated(): readonly SampleElement[] {
  return [
    ...identity(),
    element('StudyDate', '20140310'),
    element('SeriesDate', '20140311'),
    element('StudyTime', '235958'),
    element('AcquisitionDateTime', '20140310235959.120000+0200'),
    element('TimezoneOffsetFromUTC', '+0200'),
    element('PatientBirthDate', '19800101'),
  ];
}

function days(date: string | undefined): number {
  const [, year, month, day] = /^(\d{4})(\d{2})(\d{2})$/.exec(date ?? '') ?? [];
  return Date.UTC(Number(year), Number(month) - 1, Number(day)) / 86_400_000;
}
