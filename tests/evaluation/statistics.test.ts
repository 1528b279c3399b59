import { expect } from 'chai';
import { agreementOf } from '../../evaluation/agreement.ts';
import { bootstrap, mean, quantile } from '../../evaluation/statistics.ts';
import { seeded } from '../support/seeded.ts';

interface Item {
  readonly subject: string;
  readonly value: number;
}
const meanOf = (items: readonly Item[]) => ({ mean: mean(items.map(({ value }) => value)) });
const width = (items: readonly Item[]): number => {
  const { low, high } = bootstrap(items, ({ subject }) => subject, meanOf)?.mean ?? { low: NaN, high: NaN };
  return high - low;
};

describe('statistics of an evaluation', () => {
  const random = seeded(3);
  const values = Array.from({ length: 60 }, () => random());
  const items = values.map((value, n) => ({ subject: `s${n}`, value }));

  it('interpolate quantiles linearly between neighbours', () => {
    expect(quantile([1, 2, 4, 8], 0.5)).to.equal(3);
    expect(quantile([1, 2, 4, 8], 0.95)).to.be.closeTo(7.4, 1e-12);
    expect(quantile([5], 0.95)).to.equal(5);
  });

  it('give an interval as wide as theory says, the same at each run', () => {
    const centre = mean(values);
    const error = Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0)) / values.length;

    const interval = bootstrap(items, ({ subject }) => subject, meanOf)?.mean;

    expect(interval).to.deep.equal(bootstrap(items, ({ subject }) => subject, meanOf)?.mean);
    expect(interval?.low).to.be.closeTo(centre - 1.96 * error, 0.2 * error);
    expect(interval?.high).to.be.closeTo(centre + 1.96 * error, 0.2 * error);
  });

  it('draw subjects: cases repeated within a subject make nothing surer', () => {
    const repeated = items.flatMap((item) => [item, item, item]);
    const independent = repeated.map((item, n) => ({ ...item, subject: `s${n}` }));

    expect(width(repeated)).to.be.closeTo(width(items), 1e-12);
    expect(width(independent)).to.be.lessThan(0.7 * width(items));
  });

  it('claim no interval for fewer than ten subjects, however many cases they have', () => {
    const few = values.map((value, n) => ({ subject: `s${n % 9}`, value }));

    expect(bootstrap(few, ({ subject }) => subject, meanOf)).to.equal(undefined);
    expect(bootstrap(items.slice(0, 10), ({ subject }) => subject, meanOf)).not.to.equal(undefined);
  });

  it('find bias, limits and a difference that grows with the volume', () => {
    const pairs = Array.from({ length: 12 }, (_, n) => ({
      subject: `s${n}`,
      referenceMm3: 100 + 10 * n,
      predictedMm3: 1.1 * (100 + 10 * n),
    }));

    const found = agreementOf(pairs);

    expect(found?.biasMm3).to.be.closeTo(15.5, 1e-9);
    // Differences 10, 11 … 21: their standard deviation is √13.
    expect(found?.upperMm3).to.be.closeTo(15.5 + 1.96 * Math.sqrt(13), 1e-9);
    expect(found?.lowerMm3).to.be.closeTo(15.5 - 1.96 * Math.sqrt(13), 1e-9);
    expect(found?.slope).to.be.closeTo(0.1 / 1.05, 1e-9);
    expect(found?.intervals?.slope?.low).to.be.closeTo(0.1 / 1.05, 1e-9);
    expect(found?.intervals?.biasMm3.low).to.be.within(13, 15.5);
  });

  it('say nothing of agreement for one case, and of no slope when all volumes are alike', () => {
    const alike = Array.from({ length: 11 }, (_, n) => ({ subject: `s${n}`, referenceMm3: 50, predictedMm3: 50 }));

    expect(agreementOf(alike.slice(0, 1))).to.equal(undefined);
    expect(agreementOf(alike)).to.include({ biasMm3: 0, lowerMm3: 0 }).and.not.have.property('slope');
  });
});
