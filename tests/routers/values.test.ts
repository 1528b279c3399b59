import { expect } from 'chai';
import { comparable, kindOf } from '../../routers/values.ts';

const DAY_MS = 86_400_000;

describe('comparable', () => {
  for (const [kind, value, expected] of [
    ['number', '30', 30],
    ['number', ' 3.0E1 ', 30],
    ['number', '-.5', -0.5],
    ['number', '0x10', undefined],
    ['number', '', undefined],
    ['number', 'Infinity', undefined],
    ['single', '2.894', Math.fround(2.894)],
    ['date', '19700102', 1],
    ['date', '1970-01-02', 1],
    ['date', '1970.01.02', 1],
    ['date', '19700230', undefined],
    ['date', '19701301', undefined],
    ['date', '197001', undefined],
    ['time', '01', 3600],
    ['time', '0102', 3720],
    ['time', '010203', 3723],
    ['time', '010203.5', 3723.5],
    ['time', '01:02', 3720],
    ['time', '01:02:03.25', 3723.25],
    ['time', '2400', undefined],
    ['time', '0060', undefined],
    ['time', 'noon', undefined],
    ['date-time', '1970', 0],
    ['date-time', '197001', 0],
    ['date-time', '19700102', DAY_MS],
    ['date-time', '19700102010203.5', DAY_MS + 3_723_500],
    ['date-time', '19700102010000+0100', DAY_MS],
    ['date-time', '19700101230000-0100', DAY_MS],
    ['date-time', '1970-01-02', DAY_MS],
    ['date-time', '1970-01-02T01:02:03', DAY_MS + 3_723_000],
    ['date-time', '1970-01-02 01:02', DAY_MS + 3_720_000],
    ['date-time', '1970-01-02T01:00:00+01:00', DAY_MS],
    ['date-time', '1970-01-02T00:00:00Z', DAY_MS],
    ['date-time', '1970-13-02', undefined],
    ['date-time', '1970010225', undefined],
    ['age', '010D', 10],
    ['age', '002W', 14],
    ['age', '002M', 60.875],
    ['age', '4Y', 1461],
    ['age', '4', undefined],
  ] as const) {
    it(`reads the ${kind} ${JSON.stringify(value)} as ${String(expected)}`, () => {
      expect(comparable(kind, value)).to.equal(expected);
    });
  }

  it('knows no kind for bytes and items', () => {
    expect(['OB', 'OW', 'SQ', 'UN', 'AT'].map(kindOf)).to.deep.equal([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
