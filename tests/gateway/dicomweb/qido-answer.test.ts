import { expect } from 'chai';
import { parseDataSet } from '../../../core/dicom/data-set.ts';
import { encodeDataSet } from '../../../core/dicom/encode.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../../core/dicom/transfer-syntaxes.ts';
import {
  parseSeriesInstanceUid,
  parseSopClassUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
} from '../../../core/identifiers.ts';
import { formatBlobRef } from '../../../core/store.ts';
import { answerOf } from '../../../gateway/dicomweb/qido-answer.ts';

describe('An answer to a search', () => {
  it('has no bytes, not in sequences either, and no reference that leads nowhere', () => {
    const EncapsulatedDocument = Uint8Array.of(1, 2);
    const header = parseDataSet(
      encodeDataSet({
        ReferencedImageSequence: [
          {
            ReferencedSOPInstanceUID: '1.2.3',
            EncapsulatedDocument,
            PurposeOfReferenceCodeSequence: [{ CodeValue: 'a', EncapsulatedDocument }],
          },
        ],
        ReferencedSeriesSequence: [],
        EncapsulatedDocument,
      }),
      EXPLICIT_VR_LITTLE_ENDIAN,
    );
    const found = {
      studyInstanceUid: parseStudyInstanceUid('1.2'),
      instance: {
        seriesInstanceUid: parseSeriesInstanceUid('1.2.3'),
        sopInstanceUid: parseSopInstanceUid('1.2.3.4'),
        sopClassUid: parseSopClassUid('1.2.840.10008.5.1.4.1.1.4'),
        blob: formatBlobRef('spool/0001.seg', 0, 1),
      },
    };

    const answer = answerOf(found, { level: 'instance', include: 'all', above: [] }, 'http://hub', header);

    expect(answer['00081140']).to.deep.equal({
      vr: 'SQ',
      Value: [
        {
          '00081155': { vr: 'UI', Value: ['1.2.3'] },
          '0040A170': { vr: 'SQ', Value: [{ '00080100': { vr: 'SH', Value: ['a'] } }] },
        },
      ],
    });
    expect(answer['00081115']).to.deep.equal({ vr: 'SQ' });
    expect(answer['00420011']).to.equal(undefined);
  });
});
