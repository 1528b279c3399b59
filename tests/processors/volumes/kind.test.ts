import { expect } from 'chai';
import { isAcrPhantom } from '../../../processors/volumes/acr-phantom.ts';
import { kindOf } from '../../../processors/volumes/kind.ts';
import { type Attributes, encodeDataSet } from '../../../core/dicom/encode.ts';
import { parseDataSet } from '../../../core/dicom/data-set.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../../core/dicom/transfer-syntaxes.ts';

const HEAD = { SeriesDescription: 'T2w', Modality: 'MR', ImageType: ['ORIGINAL', 'PRIMARY', 'M'] };
const headerOf = (attributes: Attributes) => parseDataSet(encodeDataSet(attributes), EXPLICIT_VR_LITTLE_ENDIAN);
const kind = (over: Readonly<Record<string, string>>) => kindOf(headerOf({ ...HEAD, ...over }), 1, 20, false);

describe('what a scan is for', () => {
  for (const [what, over] of [
    ['its series', { SeriesDescription: 'ACR_T1_axial' }],
    ['its series in Finnish', { SeriesDescription: 'T2w fantomi' }],
    ['its protocol', { ProtocolName: 'daily QA' }],
    ['its study', { StudyDescription: 'Uniformity, weekly' }],
    ["the patient's name", { PatientName: 'Phantom^Water' }],
    ['the ID', { PatientID: 'PHANTOM-7T_02' }],
    ['a coded attribute', { QualityControlSubject: 'YES' }],
  ] as const)
    it(`is a phantom's by ${what}`, () => {
      expect(kind(over)).to.equal('phantom');
    });

  for (const [what, over] of [
    ['phantom limbs', { StudyDescription: 'Phantom limb pain' }],
    ['letters inside other words', { SeriesDescription: 'T2 macro Iraqa facra', StudyDescription: 'qab' }],
    ['a person whose name has the short words', { PatientName: 'Acr^Qa', PatientID: 'ACR-0017' }],
    ['a subject that is stated to be none', { SeriesDescription: 'phantom position', QualityControlSubject: 'NO' }],
  ] as const)
    it(`is no phantom's for ${what}`, () => {
      expect(kind(over)).to.equal('anatomical');
    });

  describe('by the shape of eleven slices', () => {
    const acr = (inside: (xMm: number, yMm: number) => number, radiusX = 95, radiusY = 95, step = 10) => ({
      dims: [128, 128, 11, 1] as const,
      spacingMm: [2, 2, step] as const,
      header: headerOf(HEAD),
      data: Float32Array.from({ length: 128 * 128 * 11 }, (_, index) => {
        const [x, y] = [((index % 128) - 64) * 2, ((Math.floor(index / 128) % 128) - 64) * 2];
        return Math.hypot(x / radiusX, y / radiusY) > 1 ? 3 : inside(x, y);
      }),
    });
    const even = () => 900;

    it('is the ACR phantom where it is round, as large, and bright alike inside', () => {
      expect(isAcrPhantom(acr(even))).to.equal(true);
    });

    it('is none where it is a head: longer than wide, or dark and bright inside, or of another size or distance', () => {
      expect(isAcrPhantom(acr(even, 75, 95))).to.equal(false);
      expect(isAcrPhantom(acr((x, y) => (Math.hypot(x, y) < 40 ? 300 : 900)))).to.equal(false);
      expect(isAcrPhantom(acr(even, 80, 80))).to.equal(false);
      expect(isAcrPhantom(acr(even, 95, 95, 5))).to.equal(false);
    });
  });
});
