import { expect } from 'chai';
import {
  parseSeriesInstanceUid,
  parseSopClassUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
  parseTransferSyntaxUid,
} from '../../core/identifiers.ts';
import { returnedUids } from '../../core/returned-uids.ts';
import { associationPolicy } from '../../gateway/dimse/association-policy.ts';
import { filedExamined, filedExpected } from '../../gateway/filing.ts';

const NAMES = returnedUids(new Uint8Array(32).fill(3));

describe('what a partner returns is filed', () => {
  const examined = {
    studyInstanceUid: parseStudyInstanceUid('1.2.999.1'),
    seriesInstanceUid: parseSeriesInstanceUid('1.2.999.2'),
    sopInstanceUid: parseSopInstanceUid('1.2.999.3'),
    sopClassUid: parseSopClassUid('1.2.840.10008.5.1.4.1.1.66.4'),
    transferSyntaxUid: parseTransferSyntaxUid('1.2.840.10008.1.2.1'),
    patientDigest: '0',
    attributes: {},
  };

  it('under names that no other partner’s has, nor anything that claims them, and always the same', () => {
    const by = (partner: string) => filedExamined(examined, (uid) => NAMES.of(partner, uid));

    const [first, again, other] = [by('kct'), by('kct'), by('uta')];

    expect(first).to.deep.equal(again);
    const all = [first, other, examined].flatMap((each) => [
      each.studyInstanceUid,
      each.seriesInstanceUid,
      each.sopInstanceUid,
    ]);
    expect(new Set(all).size).to.equal(9);
    expect(first.sopInstanceUid).to.match(/^2\.25\.\d{1,39}$/);
  });

  it('in quarantine, too, when it cannot be read', () => {
    const expected = { transferSyntaxUid: '1.2', studyInstanceUid: '1.2.999.1', sopInstanceUid: 'no UID' };

    const filed = filedExpected(expected, (uid) => NAMES.of('kct', uid));

    expect(filed).to.deep.include({ sopInstanceUid: 'no UID', transferSyntaxUid: '1.2' });
    expect(filed.studyInstanceUid).to.equal(NAMES.of('kct', '1.2.999.1'));
  });

  it('as it comes from everybody else', () => {
    expect(filedExamined(examined, undefined)).to.equal(examined);
  });

  it('from a source that is offered no storage commitment, by which it could ask for what is not its own', () => {
    const source = { aeTitle: 'KCT', hosts: ['127.0.0.1'] };
    const titles = [{ aeTitle: 'HUB', storageCommitment: true }];
    const offered = (partner?: string) => {
      const decide = associationPolicy(titles, [{ name: 'a', ...source, partner }]);
      const decision = decide(
        {
          address: '127.0.0.1',
          calledAeTitle: 'HUB',
          callingAeTitle: 'KCT',
          protocolVersion: 1,
          applicationContextUid: '1.2.840.10008.3.1.1.1',
        },
        {
          ...{ isStopping: false, isDiskLow: false, associations: 0, maxAssociations: 9, maxAssociationsPerAddress: 9 },
          ...{ ofSource: () => 0, ofAddress: () => 0 },
        },
      );
      return decision.accepted && decision.title.storageCommitment;
    };

    expect([offered(), offered('kct')]).to.deep.equal([true, false]);
  });
});
