import { expect } from 'chai';
import { bytesAsSource } from '../../../../core/bytes-as-source.ts';
import { parseDataSet } from '../../../../core/dicom/data-set.ts';
import { encodeDataSet, type Attributes } from '../../../../core/dicom/encode.ts';
import { readHeader } from '../../../../core/dicom/part10.ts';
import { decidePixels } from '../../../../processors/deidentify/pixels/decision-table.ts';
import { headVerdict, type HeadVerdict } from '../../../../processors/deidentify/pixels/human-head.ts';
import { pixelPolicyOf, pixelPolicySchema } from '../../../../processors/deidentify/pixels/pixel-policy.ts';
import { element, EXPLICIT, identity, pixels, sampleFile, type SampleElement } from '../../../support/dicom-samples.ts';

const STORAGE = '1.2.840.10008.5.1.4.1.1.';
const SECONDARY_CAPTURE = `${STORAGE}7`;
const MR = `${STORAGE}4`;

async function decide(
  over: Parameters<typeof identity>[0],
  more: readonly SampleElement[],
  asked: Parameters<typeof pixelPolicySchema.parse>[0] = {},
  classes: readonly string[] = [],
  transferSyntaxUid = EXPLICIT.transferSyntaxUid,
) {
  const replaced = new Set(more.map(({ tag }) => tag));
  const elements = [...identity(over).filter(({ tag }) => !replaced.has(tag)), ...more, ...pixels()];
  const header = await readHeader(bytesAsSource(sampleFile(elements, { ...EXPLICIT, transferSyntaxUid })));
  const refuse = (detail: string): never => {
    throw new TypeError(detail);
  };
  return decidePixels(header, { classes, pixels: pixelPolicyOf(pixelPolicySchema.parse(asked), [], refuse) });
}

const released = { decision: 'release', suspicion: undefined };

describe('what may be released for what its header says of its pixels', () => {
  const screen = element('ImageType', 'DERIVED\\SECONDARY\\SCREEN SAVE');
  const derived = element('ImageType', 'DERIVED\\PRIMARY\\MPR');
  const burned = (value: string) => element('BurnedInAnnotation', value);
  const rows: readonly {
    readonly name: string;
    readonly over?: Parameters<typeof identity>[0];
    readonly more?: readonly SampleElement[];
    /** `undefined`: released. */
    readonly held: string | undefined;
    readonly byClass: 'released' | 'held';
    readonly byCleaning: 'released' | 'held';
  }[] = [
    { name: 'an original image', held: undefined, byClass: 'released', byCleaning: 'released' },
    {
      name: 'secondary capture',
      over: { sopClass: SECONDARY_CAPTURE },
      held: 'secondary capture',
      byClass: 'released',
      byCleaning: 'released',
    },
    {
      name: 'an encapsulated PDF',
      over: { sopClass: `${STORAGE}104.1` },
      held: 'encapsulated document',
      byClass: 'released',
      byCleaning: 'held',
    },
    { name: 'raw data', over: { sopClass: `${STORAGE}66` }, held: 'raw data', byClass: 'released', byCleaning: 'held' },
    {
      name: 'ultrasound',
      over: { sopClass: `${STORAGE}6.1` },
      held: 'SOP class is not one the policy names',
      byClass: 'released',
      byCleaning: 'held',
    },
    {
      name: 'a private class',
      over: { sopClass: '1.3.12.2.1107.5.9.1' },
      held: 'SOP class is not one the policy names',
      byClass: 'released',
      byCleaning: 'held',
    },
    { name: 'a screen save', more: [screen], held: 'screen save', byClass: 'released', byCleaning: 'released' },
    {
      name: 'modality OT',
      more: [element('Modality', 'OT')],
      held: 'modality OT',
      byClass: 'released',
      byCleaning: 'released',
    },
    {
      name: 'a converted image',
      more: [element('ConversionType', 'WSD')],
      held: 'converted from another source',
      byClass: 'released',
      byCleaning: 'released',
    },
    {
      name: 'burned-in annotation',
      more: [burned('YES')],
      held: 'burned-in annotation',
      byClass: 'held',
      byCleaning: 'released',
    },
    {
      name: 'a derived image that says nothing',
      more: [derived],
      held: 'a derived image that does not say whether text is burned in',
      byClass: 'released',
      byCleaning: 'released',
    },
    {
      name: 'a derived image without annotation',
      more: [derived, burned('NO')],
      held: undefined,
      byClass: 'released',
      byCleaning: 'released',
    },
    {
      name: 'a derived mask',
      over: { sopClass: `${STORAGE}66.4` },
      more: [derived],
      held: undefined,
      byClass: 'released',
      byCleaning: 'released',
    },
    {
      name: 'no patient ID',
      over: { patientId: '' },
      held: 'no patient ID: instances of one patient cannot be told from others',
      byClass: 'held',
      byCleaning: 'held',
    },
    {
      name: 'an overlay in the pixels',
      more: [{ tag: 0x60000010, vr: 'US', value: new Uint8Array(2) }],
      held: 'an overlay inside the pixel data',
      byClass: 'held',
      byCleaning: 'held',
    },
  ];
  for (const { name, over = {}, more = [], held, byClass, byCleaning } of rows) {
    it(`${name}: ${held === undefined ? 'released' : 'held'}, ${byClass} where its class is named, ${byCleaning} where text is looked for`, async () => {
      const sopClass = over.sopClass ?? MR;

      expect(await decide(over, more)).to.deep.equal(
        held === undefined ? released : { decision: 'hold', reason: held },
      );
      expect((await decide(over, more, {}, [sopClass])).decision).to.equal(byClass === 'released' ? 'release' : 'hold');
      const cleaned = await decide(over, more, { text: 'detect-text' });
      expect(cleaned.decision).to.equal(byCleaning === 'released' ? 'release' : 'hold');
      if (cleaned.decision === 'release') expect(cleaned.suspicion).to.equal(held);
    });
  }

  it('holds video whatever the policy says', async () => {
    for (const number of [100, 102, 107]) {
      const decided = await decide({}, [], { text: 'detect-text' }, [MR], `1.2.840.10008.1.2.4.${String(number)}`);
      expect(decided).to.deep.equal({ decision: 'hold', reason: 'video' });
    }
  });

  it('minds heads only where the policy does, and holds what may be one', async () => {
    const head = [element('BodyPartExamined', 'BRAIN')];
    const silent = [element('SeriesDescription', 't2 tra')];

    expect(await decide({}, head)).to.deep.equal(released);
    expect(await decide({}, head, { faces: 'quarantine' })).to.deep.equal({ decision: 'hold', reason: 'a human head' });
    expect(await decide({}, head, { faces: 'deface' })).to.deep.equal(released);
    for (const faces of ['quarantine', 'deface'])
      expect(await decide({}, silent, { faces })).to.deep.equal({
        decision: 'hold',
        reason: 'it may show a human head: the header does not say',
      });
  });
});

describe('telling a human head by the header', () => {
  const code = (value: string): Attributes => ({ CodeValue: value, CodingSchemeDesignator: 'SCT', CodeMeaning: 'x' });
  const cases: readonly (readonly [string, Attributes, HeadVerdict])[] = [
    ['a brain', { BodyPartExamined: 'BRAIN' }, 'human-head'],
    ['a head by code', { AnatomicRegionSequence: [code('69536005')] }, 'human-head'],
    [
      'a head in the shared functional groups',
      { SharedFunctionalGroupsSequence: [{ FrameAnatomySequence: [{ AnatomicRegionSequence: [code('12738006')] }] }] },
      'human-head',
    ],
    ['a knee', { BodyPartExamined: 'KNEE' }, 'no-human-head'],
    [
      'a knee in a study of head and knee',
      { BodyPartExamined: 'KNEE', StudyDescription: 'MR head, knee' },
      'no-human-head',
    ],
    ['a whole body', { BodyPartExamined: 'WHOLEBODY' }, 'human-head'],
    ['words of a protocol', { ProtocolName: 't1_mprage_sag' }, 'human-head'],
    ['words of another protocol', { ProtocolName: 'pd_fs_knee_cor' }, 'no-human-head'],
    ['a phantom', { StudyDescription: 'QA phantom' }, 'no-human-head'],
    ['nothing', {}, 'unsure'],
    ['words that are no anatomy', { SeriesDescription: 'localizer' }, 'unsure'],
    ['an unknown body part', { BodyPartExamined: 'ZZZ' }, 'unsure'],
    [
      'a rat by species',
      { BodyPartExamined: 'BRAIN', PatientSpeciesDescription: 'Rattus norvegicus' },
      'no-human-head',
    ],
    ['a mouse by code', { BodyPartExamined: 'HEAD', PatientSpeciesCodeSequence: [code('447612001')] }, 'no-human-head'],
    ['a human by species', { BodyPartExamined: 'HEAD', PatientSpeciesDescription: 'Homo sapiens' }, 'human-head'],
    ['a human by code', { BodyPartExamined: 'HEAD', PatientSpeciesCodeSequence: [code('337915000')] }, 'human-head'],
    ['a brain of a rat by words alone', { StudyDescription: 'rat brain' }, 'unsure'],
    ['a radiograph', { Modality: 'DX', BodyPartExamined: 'SKULL' }, 'no-human-head'],
    ['a CT of the head', { Modality: 'CT', BodyPartExamined: 'HEAD' }, 'human-head'],
  ];
  for (const [name, attributes, verdict] of cases) {
    it(`${name}: ${verdict}`, () => {
      const dataSet = parseDataSet(encodeDataSet({ Modality: 'MR', ...attributes }), '1.2.840.10008.1.2.1');

      expect(headVerdict(dataSet)).to.equal(verdict);
    });
  }
});
