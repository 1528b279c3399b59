import { expect } from 'chai';
import { withoutPadding, withoutTrailingPadding } from '../../core/padding.ts';

describe('padding of DICOM values', () => {
  const CASES = [
    { text: '', both: '', all: '', trailing: '' },
    { text: ' \0 ', both: '', all: '', trailing: '' },
    { text: '1.2.3\0', both: '1.2.3', all: '1.2.3', trailing: '1.2.3' },
    { text: '  PV 7T \0 ', both: 'PV 7T', all: 'PV 7T', trailing: '  PV 7T' },
    { text: '\0 a', both: '\0 a', all: 'a', trailing: '\0 a' },
  ];
  for (const { text, both, all, trailing } of CASES) {
    it(`is cut off ${JSON.stringify(text)}`, () => {
      expect(withoutPadding(text)).to.equal(both);
      expect(withoutPadding(text, 'spaces and NULs')).to.equal(all);
      expect(withoutTrailingPadding(text)).to.equal(trailing);
    });
  }

  it('costs no more than the length of the text, wherever spaces stand in it', () => {
    const text = `A${' '.repeat(4 * 1024 * 1024)}B`;
    const before = process.cpuUsage();

    expect(withoutPadding(text)).to.equal(text);
    expect(withoutTrailingPadding(text)).to.equal(text);

    const { user } = process.cpuUsage(before);
    expect(user / 1000).to.be.below(1_000);
  });
});
