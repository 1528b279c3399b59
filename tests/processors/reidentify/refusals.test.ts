import { expect } from 'chai';
import { element, EXPLICIT, identity, pixels, type SampleElement, sampleFile } from '../../support/dicom-samples.ts';
import { HubInMemory, type Released } from '../../support/ways-back.ts';

const SEG = '1.2.840.10008.5.1.4.1.1.66.4';
const ORIGINAL = { study: '1.2.999.1', series: '1.2.999.2', instance: '1.2.999.3.1' };

describe('what a partner returns', () => {
  let hub: HubInMemory;
  let released: Names;

  beforeEach(async () => {
    hub = new HubInMemory();
    released = namesOf(await hub.release([mr()]));
  });

  it('is led back: references, frame, patient and study are the original’s, its own names stay, and who made it is added', async () => {
    const { headers, result } = await hub.takeBack([segmentation(released)]);

    expect(result).to.include({ outcome: 'done' });
    const dataSet = headers[0]?.dataSet;
    const text = (keyword: string) => dataSet?.string(keyword);
    expect({
      study: text('StudyInstanceUID'),
      frame: text('FrameOfReferenceUID'),
      name: text('PatientName'),
      id: text('PatientID'),
      accession: text('AccessionNumber'),
      removed: text('PatientIdentityRemoved'),
      method: text('DeidentificationMethod'),
      own: text('SOPInstanceUID'),
    }).to.deep.equal({
      study: ORIGINAL.study,
      frame: '1.2.999.4',
      name: 'Kanariala^Aino',
      id: 'RAT-0815-X',
      accession: 'ACC-1',
      removed: undefined,
      method: undefined,
      own: '1.2.777.1',
    });
    const [series] = dataSet?.items('ReferencedSeriesSequence') ?? [];
    expect(series?.string('SeriesInstanceUID')).to.equal(ORIGINAL.series);
    expect(series?.items('ReferencedInstanceSequence')[0]?.string('ReferencedSOPInstanceUID')).to.equal(
      ORIGINAL.instance,
    );
    expect(dataSet?.items('ContributingEquipmentSequence').map((item) => item.string('Manufacturer'))).to.deep.equal([
      'kct',
      'Imaging hub',
    ]);
    const [event] = result.outcome === 'done' ? result.events : [];
    expect(event).to.deep.include({
      type: 'study.reidentified',
      data: { returnedBy: 'kct', originalStudyInstanceUid: ORIGINAL.study, instances: 1, references: 3 },
    });
  });

  it('is led back in the identifiers of nested requests, too', async () => {
    const request = [element('AccessionNumber', released.accession), element('StudyInstanceUID', released.study)];
    const subject = [element('PatientName', released.patientId), element('PatientID', released.patientId)];
    const nested = [
      element('ReferencedRequestSequence', [request]),
      element('ReferencedPatientPhotoSequence', [subject]),
    ];

    const { headers } = await hub.takeBack([segmentation(released, nested)]);

    const [asked] = headers[0]?.dataSet.items('ReferencedRequestSequence') ?? [];
    expect(asked?.string('AccessionNumber')).to.equal('ACC-1');
    expect(asked?.string('StudyInstanceUID')).to.equal(ORIGINAL.study);
  });

  it('may refer to what comes with it, and to what the partner returned before', async () => {
    const first = segmentation(released);
    const report = (n: number) =>
      sampleFile([
        ...base(released, `1.2.777.9.${n}`, '1.2.840.10008.5.1.4.1.1.88.33'),
        element('ReferencedInstanceSequence', [[element('ReferencedSOPInstanceUID', '1.2.777.1')]]),
      ]);

    const together = await hub.takeBack([first, report(1)]);
    const later = await hub.takeBack([report(2)]);

    expect([together.result.outcome, later.result.outcome]).to.deep.equal(['done', 'done']);
  });

  it('keeps what text of the original another character set needs', async () => {
    const latin = [element('SpecificCharacterSet', 'ISO_IR 100'), element('StudyDescription', 'Käsi')];
    const study = { study: '1.2.998.1', series: '1.2.998.2', instance: '1.2.998.3', patientName: 'Mäkelä^Åke' };
    const other = namesOf(await hub.release([mr(study, latin)]));
    const greek = [element('SpecificCharacterSet', 'ISO_IR 126'), element('SeriesDescription', '\xe1\xe2')];

    const [plain, mixed] = [
      await hub.takeBack([segmentation(other, [], '1.2.777.1')]),
      await hub.takeBack([segmentation(other, greek, '1.2.777.2')]),
    ];

    for (const { headers } of [plain, mixed]) {
      expect(headers[0]?.dataSet.string('PatientName')).to.equal('Mäkelä^Åke');
      expect(headers[0]?.dataSet.string('StudyDescription')).to.equal('Käsi');
    }
    expect(mixed.headers[0]?.dataSet.string('SeriesDescription')).to.equal('αβ');
    expect(mixed.headers[0]?.dataSet.string('SpecificCharacterSet')).to.equal('ISO_IR 192');
  });

  it('leaves dates alone that the partner was not given', async () => {
    const shifted = { options: ['retain-longitudinal-modified-dates'] };
    const study = { study: '1.2.997.1', series: '1.2.997.2', instance: '1.2.997.3' };
    const given = await hub.release([mr(study, [element('AcquisitionDate', '20140311')])], shifted);
    const moved = given.headers[0]?.dataSet.string('AcquisitionDate') ?? '';
    const dates = [element('AcquisitionDate', moved), element('ContentDate', '20260102')];

    const { headers } = await hub.takeBack([segmentation(namesOf(given), dates)]);

    expect(moved).to.not.equal('20140311');
    expect(headers[0]?.dataSet.string('AcquisitionDate')).to.equal('20140311');
    expect(headers[0]?.dataSet.string('ContentDate')).to.equal('20260102');
  });

  describe('is held', () => {
    const refusals: Readonly<Record<string, (names: Names) => readonly Uint8Array[]>> = {
      'no released study has its Study Instance UID': (names) => [segmentation({ ...names, study: '2.25.1' })],
      'a reference leads nowhere': (names) => [segmentation({ ...names, instance: '2.25.2' })],
      'its Patient ID is not that of the released study': (names) => [segmentation({ ...names, patientId: 'P000' })],
      'its SOP Instance UID is taken by another object': (names) => [segmentation(names, [], ORIGINAL.instance)],
      'more than one study': (names) => [
        segmentation(names),
        segmentation({ ...names, study: '2.25.1' }, [], '1.2.777.7'),
      ],
    };
    for (const [reason, files] of Object.entries(refusals))
      it(`when ${reason}`, async () => {
        const { result } = await hub.takeBack(files(released));

        expect(result).to.include({ outcome: 'held', reason: 'return.refused' });
        expect(result.outcome === 'held' && result.detail).to.include(reason);
      });

    it('when one of many references leads nowhere: nothing goes on in part', async () => {
      const bad = segmentation({ ...released, instance: '2.25.2' }, [], '1.2.777.2');

      const { result, files } = await hub.takeBack([segmentation(released), bad]);

      expect(result).to.include({ outcome: 'held' });
      expect(result.outcome === 'held' && result.sopInstanceUids).to.have.length(2);
      expect(files).to.have.length(0);
    });

    it('when a segmentation lies in a frame of reference that nobody knows', async () => {
      const { result } = await hub.takeBack([segmentation({ ...released, frame: '2.25.3' })]);

      expect(result.outcome === 'held' && result.detail).to.include('a reference leads nowhere');
    });

    it('when it has the name of what the partner was given', async () => {
      for (const own of [released.instance, released.series]) {
        const { result } = await hub.takeBack([segmentation(released, [], own)]);

        expect(result.outcome === 'held' && result.detail).to.include('SOP Instance UID is taken');
      }
    });

    it('when it refers to another partner’s copy of the very same study, or claims to be of it', async () => {
      const other = namesOf(await hub.release([mr()], { name: 'uta', partner: 'uta' }));

      const [reference, study] = [
        await hub.takeBack([segmentation({ ...released, instance: other.instance })]),
        await hub.takeBack([segmentation(other)]),
      ];

      expect(reference.result.outcome === 'held' && reference.result.detail).to.include('a reference leads nowhere');
      expect(study.result.outcome === 'held' && study.result.detail).to.include('no released study');
    });

    it('when it has the name of another partner’s copy, or of what another partner returned', async () => {
      const other = namesOf(await hub.release([mr()], { name: 'uta', partner: 'uta' }));
      await hub.takeBack([segmentation(other, [], '1.2.555.1')], { partner: 'uta' });

      for (const own of [other.instance, '1.2.555.1']) {
        const { result } = await hub.takeBack([segmentation(released, [], own)]);

        expect(result.outcome === 'held' && result.detail).to.include('SOP Instance UID is taken');
      }
    });

    it('when it has the name of an original that no door knows any more', async () => {
      hub.crosswalk.taken.clear();

      const { result } = await hub.takeBack([segmentation(released, [], ORIGINAL.instance)]);

      expect(result.outcome === 'held' && result.detail).to.include('SOP Instance UID is taken');
    });

    it('when it refers to another patient of the same partner', async () => {
      const stranger = { study: '1.2.996.1', series: '1.2.996.2', instance: '1.2.996.3', patientId: 'RAT-2' };
      const other = namesOf(await hub.release([mr(stranger)]));

      const { result } = await hub.takeBack([segmentation({ ...released, instance: other.instance })]);

      expect(result.outcome === 'held' && result.detail).to.include('a reference leads to another patient');
    });

    it('when it came through a door of somebody else', async () => {
      await hub.release([mr()], { name: 'uta', partner: 'uta' });

      const { result } = await hub.takeBack([segmentation(released)], { partner: 'kct', through: 'uta' });

      expect(result.outcome === 'held' && result.detail).to.include('it was not returned by this partner');
    });

    it('with reasons that hold no value of it or of the original', async () => {
      const { result } = await hub.takeBack([segmentation({ ...released, instance: '2.25.2', patientId: 'GUESS-1' })]);

      expect(result.outcome === 'held' && result.detail).to.not.match(/2\.25|1\.2\.999|GUESS|RAT|Kanariala/);
    });
  });
});

interface Names {
  readonly study: string;
  readonly series: string;
  readonly instance: string;
  readonly frame: string;
  readonly patientId: string;
  readonly accession: string;
}

function mr(over: Parameters<typeof identity>[0] = {}, more: readonly SampleElement[] = []): Uint8Array {
  const given = new Set(more.map(({ tag }) => tag));
  const rest = [element('FrameOfReferenceUID', '1.2.999.4'), element('AccessionNumber', 'ACC-1')];
  return sampleFile([...identity(over), ...rest.filter(({ tag }) => !given.has(tag)), ...more, ...pixels()], EXPLICIT);
}

function namesOf({ headers }: Released): Names {
  const text = (keyword: string) => headers[0]?.dataSet.string(keyword) ?? '';
  return {
    study: text('StudyInstanceUID'),
    series: text('SeriesInstanceUID'),
    instance: text('SOPInstanceUID'),
    frame: text('FrameOfReferenceUID'),
    patientId: text('PatientID'),
    accession: text('AccessionNumber'),
  };
}

function base({ study, patientId, accession }: Names, own: string, sopClass: string): readonly SampleElement[] {
  return [
    element('SOPClassUID', sopClass),
    element('SOPInstanceUID', own),
    element('SeriesInstanceUID', '1.2.777.100'),
    element('StudyInstanceUID', study),
    element('PatientName', patientId),
    element('PatientID', patientId),
    element('AccessionNumber', accession),
    element('PatientIdentityRemoved', 'YES'),
    element('DeidentificationMethod', 'Basic'),
  ];
}

function segmentation(names: Names, more: readonly SampleElement[] = [], own = '1.2.777.1'): Uint8Array {
  const { series, instance, frame } = names;
  return sampleFile([
    ...base(names, own, SEG),
    element('FrameOfReferenceUID', frame),
    element('ReferencedSeriesSequence', [
      [
        element('ReferencedInstanceSequence', [[element('ReferencedSOPInstanceUID', instance)]]),
        element('SeriesInstanceUID', series),
      ],
    ]),
    ...more,
    ...pixels(),
  ]);
}
