import { expect } from 'chai';
import type { DataSet } from '../../../core/dicom/data-set.ts';
import { element, identity, pixels, type SampleElement, sampleFile } from '../../support/dicom-samples.ts';
import { HubInMemory } from '../../support/ways-back.ts';

const MR = '1.2.840.10008.5.1.4.1.1.4';
const ORIGINAL: Names = {
  study: '1.2.999.1',
  series: '1.2.999.2',
  instance: '1.2.999.3.1',
  frame: '1.2.999.4',
  patientId: 'RAT-0815-X',
};
/** Of an instance that the hub has and never released, or had once. */
const NEVER_RELEASED = '1.2.999.3.99';

interface Names {
  readonly study: string;
  readonly series: string;
  readonly instance: string;
  readonly frame: string;
  readonly patientId: string;
}

interface Kind {
  readonly sopClass: string;
  /** With every reference that PS3.3 has for it, at its own depth. */
  readonly elements: (names: Names) => readonly SampleElement[];
  /** Where the references stand: keywords, the first item of each sequence. */
  readonly references: Readonly<Record<string, keyof Names>>;
}

const instance = (names: Names) => [
  element('ReferencedSOPClassUID', MR),
  element('ReferencedSOPInstanceUID', names.instance),
];
const DOCUMENT = Buffer.from('%PDF-1.4 of a lesion');

const KINDS: Readonly<Record<string, Kind>> = {
  // PS3.3 Section A.19
  'an RT structure set': {
    sopClass: '1.2.840.10008.5.1.4.1.1.481.3',
    elements: (names) => [
      element('FrameOfReferenceUID', names.frame),
      element('ReferencedFrameOfReferenceSequence', [
        [
          element('FrameOfReferenceUID', names.frame),
          element('RTReferencedStudySequence', [
            [
              element('ReferencedSOPInstanceUID', names.study),
              element('RTReferencedSeriesSequence', [
                [element('SeriesInstanceUID', names.series), element('ContourImageSequence', [instance(names)])],
              ]),
            ],
          ]),
        ],
      ]),
      element('StructureSetROISequence', [[element('ReferencedFrameOfReferenceUID', names.frame)]]),
      element('ROIContourSequence', [
        [
          element('ContourSequence', [
            [element('ContourImageSequence', [instance(names)]), element('ContourData', '1\\2\\3')],
          ]),
        ],
      ]),
    ],
    references: {
      FrameOfReferenceUID: 'frame',
      'ReferencedFrameOfReferenceSequence/FrameOfReferenceUID': 'frame',
      'ReferencedFrameOfReferenceSequence/RTReferencedStudySequence/ReferencedSOPInstanceUID': 'study',
      'ReferencedFrameOfReferenceSequence/RTReferencedStudySequence/RTReferencedSeriesSequence/SeriesInstanceUID':
        'series',
      'ReferencedFrameOfReferenceSequence/RTReferencedStudySequence/RTReferencedSeriesSequence/ContourImageSequence/ReferencedSOPInstanceUID':
        'instance',
      'StructureSetROISequence/ReferencedFrameOfReferenceUID': 'frame',
      'ROIContourSequence/ContourSequence/ContourImageSequence/ReferencedSOPInstanceUID': 'instance',
    },
  },
  // PS3.3 Section A.33.1
  'a presentation state': {
    sopClass: '1.2.840.10008.5.1.4.1.1.11.1',
    elements: (names) => [
      element('ReferencedSeriesSequence', [
        [element('ReferencedImageSequence', [instance(names)]), element('SeriesInstanceUID', names.series)],
      ]),
      element('GraphicAnnotationSequence', [[element('ReferencedImageSequence', [instance(names)])]]),
      element('DisplayedAreaSelectionSequence', [[element('ReferencedImageSequence', [instance(names)])]]),
    ],
    references: {
      'ReferencedSeriesSequence/SeriesInstanceUID': 'series',
      'ReferencedSeriesSequence/ReferencedImageSequence/ReferencedSOPInstanceUID': 'instance',
      'GraphicAnnotationSequence/ReferencedImageSequence/ReferencedSOPInstanceUID': 'instance',
      'DisplayedAreaSelectionSequence/ReferencedImageSequence/ReferencedSOPInstanceUID': 'instance',
    },
  },
  // PS3.3 Section A.39.1
  'a spatial registration': {
    sopClass: '1.2.840.10008.5.1.4.1.1.66.1',
    elements: (names) => [
      // Of the partner's own: where everything is moved to.
      element('FrameOfReferenceUID', '1.2.777.4'),
      element('RegistrationSequence', [
        [element('FrameOfReferenceUID', names.frame), element('ReferencedImageSequence', [instance(names)])],
        [element('FrameOfReferenceUID', '1.2.777.4')],
      ]),
      element('ReferencedSeriesSequence', [
        [element('SeriesInstanceUID', names.series), element('ReferencedInstanceSequence', [instance(names)])],
      ]),
      element('StudiesContainingOtherReferencedInstancesSequence', [
        [
          element('StudyInstanceUID', names.study),
          element('ReferencedSeriesSequence', [
            [element('SeriesInstanceUID', names.series), element('ReferencedInstanceSequence', [instance(names)])],
          ]),
        ],
      ]),
    ],
    references: {
      'RegistrationSequence/FrameOfReferenceUID': 'frame',
      'RegistrationSequence/ReferencedImageSequence/ReferencedSOPInstanceUID': 'instance',
      'ReferencedSeriesSequence/SeriesInstanceUID': 'series',
      'ReferencedSeriesSequence/ReferencedInstanceSequence/ReferencedSOPInstanceUID': 'instance',
      'StudiesContainingOtherReferencedInstancesSequence/StudyInstanceUID': 'study',
      'StudiesContainingOtherReferencedInstancesSequence/ReferencedSeriesSequence/SeriesInstanceUID': 'series',
      'StudiesContainingOtherReferencedInstancesSequence/ReferencedSeriesSequence/ReferencedInstanceSequence/ReferencedSOPInstanceUID':
        'instance',
    },
  },
  // PS3.3 Section A.45.1
  'an encapsulated PDF': {
    sopClass: '1.2.840.10008.5.1.4.1.1.104.1',
    elements: (names) => [
      element('SourceInstanceSequence', [instance(names)]),
      element('EncapsulatedDocument', DOCUMENT),
      element('MIMETypeOfEncapsulatedDocument', 'application/pdf'),
    ],
    references: { 'SourceInstanceSequence/ReferencedSOPInstanceUID': 'instance' },
  },
};

for (const [what, kind] of Object.entries(KINDS))
  describe(`${what} that a partner returns`, () => {
    let hub: HubInMemory;
    let released: Names;

    beforeEach(async () => {
      hub = new HubInMemory();
      const { headers } = await hub.release([
        sampleFile([...identity(), element('FrameOfReferenceUID', ORIGINAL.frame), ...pixels()]),
      ]);
      const text = (keyword: string) => headers[0]?.dataSet.string(keyword) ?? '';
      released = {
        study: text('StudyInstanceUID'),
        series: text('SeriesInstanceUID'),
        instance: text('SOPInstanceUID'),
        frame: text('FrameOfReferenceUID'),
        patientId: text('PatientID'),
      };
    });

    it('is led back with every reference, patient and study, and the rest as it was', async () => {
      const { result, headers } = await hub.takeBack([returned(kind, released)]);

      expect(result).to.include({ outcome: 'done' });
      const dataSet = headers[0]?.dataSet;
      expect(referencesOf(dataSet, kind)).to.deep.equal(
        Object.fromEntries(Object.entries(kind.references).map(([path, name]) => [path, ORIGINAL[name]])),
      );
      expect([dataSet?.string('StudyInstanceUID'), dataSet?.string('PatientID')]).to.deep.equal([
        ORIGINAL.study,
        ORIGINAL.patientId,
      ]);
      expect(dataSet?.string('SOPInstanceUID')).to.equal('1.2.777.1');
      const document = dataSet?.element(element('EncapsulatedDocument', '').tag)?.value;
      if (document !== undefined) expect(Buffer.from(document)).to.deep.equal(DOCUMENT);
    });

    for (const name of new Set(Object.values(kind.references)))
      for (const [where, uid] of Object.entries({
        nowhere: '2.25.1',
        'to an original that was never released': name === 'instance' ? NEVER_RELEASED : `${ORIGINAL[name]}.9`,
      }))
        it(`is held when its ${name} leads ${where}`, async () => {
          // Its own study is what it belongs to; only what it refers to is wrong.
          const wrong = kind.elements({ ...released, [name]: uid });
          if (where !== 'nowhere') hub.crosswalk.taken.add(uid);

          const { result, files } = await hub.takeBack([returned(kind, released, wrong)]);

          expect(result).to.include({ outcome: 'held', reason: 'return.refused' });
          expect(result.outcome === 'held' && result.detail).to.include('a reference leads nowhere');
          expect(files).to.deep.equal([]);
        });

    it('is held when it refers to an original by its own name, known to the hub or long expired', async () => {
      for (const isExpired of [false, true]) {
        if (isExpired) hub.crosswalk.taken.clear();
        const { result } = await hub.takeBack([returned(kind, released, kind.elements(ORIGINAL))]);

        expect(result).to.include({ outcome: 'held', reason: 'return.refused' });
      }
    });
  });

function returned(kind: Kind, names: Names, elements = kind.elements(names)): Uint8Array {
  const own = [
    element('SOPClassUID', kind.sopClass),
    element('SOPInstanceUID', '1.2.777.1'),
    element('SeriesInstanceUID', '1.2.777.2'),
    element('StudyInstanceUID', names.study),
    element('PatientName', names.patientId),
    element('PatientID', names.patientId),
    element('PatientIdentityRemoved', 'YES'),
  ];
  return sampleFile([...own, ...elements].toSorted((one, other) => one.tag - other.tag));
}

function referencesOf(dataSet: DataSet | undefined, kind: Kind): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(
    Object.keys(kind.references).map((path) => {
      const steps = path.split('/');
      const last = steps.pop() ?? '';
      let place = dataSet;
      for (const step of steps) place = place?.items(step)[0];
      return [path, place?.string(last)];
    }),
  );
}
