import { expect } from 'chai';
import type { Item } from '../../../core/dicom/element.ts';
import type { Part10Header } from '../../../core/dicom/part10.ts';
import { keywordOf } from '../../../core/dicom/dictionary.ts';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { readDataSet } from '../../../core/dicom/part10.ts';
import {
  ALL_ENCODINGS,
  BIG_ENDIAN,
  element,
  EXPLICIT,
  pixels,
  type SampleElement,
  type SampleEncoding,
  sampleFile,
} from '../../support/dicom-samples.ts';
import { seeded } from '../../support/seeded.ts';
import { HubInMemory } from '../../support/ways-back.ts';

const SEEDS = Number(process.env['HUB_TEST_SEEDS'] ?? 6);
const MR = '1.2.840.10008.5.1.4.1.1.4';
const SR = '1.2.840.10008.5.1.4.1.1.88.33';
const OPTIONS: readonly (readonly string[])[] = [
  [],
  ['retain-uids'],
  ['retain-longitudinal-modified-dates'],
  ['retain-longitudinal-full-dates'],
  ['retain-longitudinal-modified-dates', 'clean-descriptors', 'clean-structured-content', 'retain-device-identity'],
  ['retain-uids', 'retain-longitudinal-modified-dates', 'retain-patient-characteristics', 'clean-graphics'],
];

/** Own names and what says by whom and how it was processed: the only differences there may be. */
const OWN = new Set(['SOPInstanceUID', 'SeriesInstanceUID', 'ContributingEquipmentSequence']);

describe('de-identified and led back', function () {
  this.timeout(60_000);

  for (const options of OPTIONS)
    it(`is the identity on references, dates, patient and study with ${options.join(', ') || 'the basic profile'}`, async () => {
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const encoding = Object.values(ALL_ENCODINGS)[seed % 4] ?? EXPLICIT;
        const { studies, result } = randomGraph(seed, encoding);
        const hub = new HubInMemory();
        for (const study of studies) await hub.release(study, { options });
        const [returned] = (await hub.release([result], { options, classes: [SR] }, false)).files;

        const { result: outcome, headers } = await hub.takeBack([returned ?? new Uint8Array(0)]);

        expect(outcome, `seed ${seed}`).to.include({ outcome: 'done' });
        const before = await readDataSet(bytesAsSource(result));
        const isShifted = options.includes('retain-longitudinal-modified-dates');
        const isKept = options.includes('retain-longitudinal-full-dates');
        const isMeant = (keyword: string, vr: string, isTopLevel: boolean) =>
          vr === 'UI' || (isTopLevel && IDENTITY.has(keyword)) || (vr === 'DA' && (isShifted || isKept));
        expect(leaves(headers[0], isMeant), `seed ${seed}`).to.deep.equal(leaves(before, isMeant));
      }
    });

  it('is the identity byte for byte, own names, markers and provenance aside, where nothing else was removed', async () => {
    for (const [name, encoding] of Object.entries(ALL_ENCODINGS)) {
      const { studies, result } = randomGraph(77, encoding);
      const options = ['retain-longitudinal-modified-dates', 'retain-device-identity'];
      const hub = new HubInMemory();
      for (const study of studies) await hub.release(study, { options });
      const [returned] = (await hub.release([result], { options, classes: [SR] }, false)).files;

      const { headers } = await hub.takeBack([returned ?? new Uint8Array(0)]);

      const before = await readDataSet(bytesAsSource(result));
      expect(topLevel(headers[0]), name).to.deep.equal(topLevel(before));
    }
  });
});

const IDENTITY = new Set(['PatientName', 'PatientID', 'PatientBirthDate', 'StudyDate', 'AccessionNumber', 'StudyID']);

/** Some studies of one patient that refer to each other, and an object made of them. */
function randomGraph(
  seed: number,
  encoding: SampleEncoding,
): { readonly studies: readonly (readonly Uint8Array[])[]; readonly result: Uint8Array } {
  const random = seeded(seed);
  const upTo = (n: number) => Math.floor(random() * n);
  const pick = <T>(from: readonly T[]): T => {
    const one = from[upTo(from.length)];
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  };
  const uid = (kind: number, ...numbers: readonly number[]) => ['1.2.752.99', seed, kind, ...numbers].join('.');
  const day = (n: number) => `2014${String(1 + (n % 12)).padStart(2, '0')}${String(1 + (n % 28)).padStart(2, '0')}`;
  const patient = [
    element('PatientName', 'Kanariala^Aino'),
    element('PatientID', `RAT-${seed}-X`),
    element('PatientBirthDate', '19710203'),
  ];
  const frames = [uid(9, 1), uid(9, 2)];
  const shapes = Array.from({ length: 2 + upTo(2) }, (_, study) =>
    Array.from({ length: 1 + upTo(3) }, (_series, series) =>
      Array.from({ length: 1 + upTo(4) }, (_one, instance) => ({
        study: uid(1, study),
        series: uid(2, study, series),
        instance: uid(3, study, series, instance),
        frame: pick(frames),
        date: day(study * 5 + series),
      })),
    ),
  );
  const all = shapes.flat(2);
  const reference = () => {
    const to = pick(all);
    return [element('ReferencedSOPClassUID', MR), element('ReferencedSOPInstanceUID', to.instance)];
  };
  const nested = (depth: number): readonly SampleElement[] => {
    const to = pick(all);
    return [
      element('StudyInstanceUID', to.study),
      {
        ...element('ReferencedSeriesSequence', [
          [element('SeriesInstanceUID', to.series), element('ReferencedSOPSequence', [reference(), reference()])],
        ]),
        undefinedLength: random() < 0.5,
      },
      ...(depth === 0 ? [] : [element('SourceImageSequence', [[...reference(), ...nested(depth - 1)]])]),
    ].toSorted((one, other) => one.tag - other.tag);
  };
  const studyOf = (study: string, date: string) => [
    ...patient,
    element('StudyInstanceUID', study),
    element('StudyDate', date),
    element('AccessionNumber', `ACC-${study.at(-1) ?? ''}`),
    element('StudyID', 'S-1'),
  ];
  const studies = shapes.map((series) =>
    series
      .flat()
      .map((one) =>
        sampleFile(
          [
            ...studyOf(one.study, series[0]?.[0]?.date ?? ''),
            element('SOPClassUID', MR),
            element('SOPInstanceUID', one.instance),
            element('SeriesInstanceUID', one.series),
            element('Modality', 'MR'),
            element('FrameOfReferenceUID', one.frame),
            element('SeriesDate', one.date),
            element('DeviceUID', uid(8)),
            element('SourceImageSequence', [reference()]),
            ...pixels([1, 2, 3, 4], encoding === BIG_ENDIAN),
          ],
          encoding,
        ),
      ),
  );
  const of = pick(shapes).flat();
  const [first] = of;
  if (first === undefined) throw new Error('a study has instances');
  const result = sampleFile(
    [
      ...studyOf(first.study, (shapes.find((series) => series.flat().includes(first)) ?? [])[0]?.[0]?.date ?? ''),
      element('SOPClassUID', SR),
      element('SOPInstanceUID', uid(7, 1)),
      element('SeriesInstanceUID', uid(7, 2)),
      element('Modality', 'SR'),
      element('ContentDate', first.date),
      element('CurrentRequestedProcedureEvidenceSequence', [nested(upTo(4)), nested(upTo(4))]),
      element('ReferencedFrameOfReferenceUID', pick(frames)),
      element('DeviceUID', uid(8)),
    ],
    encoding,
  );
  return { studies, result };
}

/** Values by place. */
function leaves(
  header: Part10Header | undefined,
  isMeant: (keyword: string, vr: string, isTopLevel: boolean) => boolean,
): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = (item: Item, path: string) => {
    for (const { tag, vr, value, items } of item.elements) {
      const keyword = keywordOf(tag) ?? '';
      if (path === '' && OWN.has(keyword)) continue;
      items?.forEach((inner, index) => visit(inner, `${path}${keyword}/${index}/`));
      if (items === undefined && isMeant(keyword, vr, path === ''))
        found[path + keyword] = Buffer.from(value).toString('latin1').replaceAll('\0', ' ').trim();
    }
  };
  if (header !== undefined) visit(header.dataSet.item, '');
  return found;
}

function topLevel(header: Part10Header | undefined): readonly string[] {
  return (header?.dataSet.item.elements ?? [])
    .filter(({ tag }) => !OWN.has(keywordOf(tag) ?? ''))
    .map(({ tag, value }) => `${keywordOf(tag) ?? ''} ${Buffer.from(value).toString('hex')}`);
}
