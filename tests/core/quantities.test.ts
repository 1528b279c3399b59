import { expect } from 'chai';
import { duration, parseDuration, parseSize, size } from '../../core/quantities.ts';

describe('quantities', () => {
  for (const [text, value] of [
    ['60s', 60_000],
    ['500ms', 500],
    ['90m', 5_400_000],
    ['2h', 7_200_000],
    ['1.5h', 5_400_000],
    ['7d', 604_800_000],
    ['0s', 0],
    ['60', undefined],
    ['60 seconds', undefined],
    ['-1s', undefined],
    ['', undefined],
    ['60S', undefined],
  ] as const) {
    it(`reads the duration ${JSON.stringify(text)} as ${String(value)} ms`, () => {
      expect(parseDuration(text)).to.equal(value);
    });
  }

  for (const [text, value] of [
    ['5GB', 5_000_000_000],
    ['128KiB', 131_072],
    ['1.5MB', 1_500_000],
    ['10 GiB', 10_737_418_240],
    ['12', undefined],
    ['12gb', undefined],
  ] as const) {
    it(`reads the size ${JSON.stringify(text)} as ${String(value)} bytes`, () => {
      expect(parseSize(text)).to.equal(value);
    });
  }

  for (const [value, message] of [
    [60, 'a number without its unit'],
    [true, 'not a duration'],
    ['soon', 'not a duration'],
    ['1s', 'at least 5s'],
    ['2h', 'at most 1h'],
  ] as const) {
    it(`refuses ${JSON.stringify(value)} as a duration between 5s and 1h: ${message}`, () => {
      const result = duration('5s', '1h').safeParse(value);

      expect(result.error?.issues.map((issue) => issue.message).join()).to.contain(message);
    });
  }

  it('is bytes once parsed', () => {
    expect(size().parse('1kB')).to.equal(1000);
  });
});
