import { expect } from 'chai';
import { count } from '../../core/count.ts';
import { rangedSource } from '../../core/ranged-source.ts';

describe('a ranged source', () => {
  const MIB = 1_048_576;
  const asked: (readonly [offset: number, length: number])[] = [];
  let closed = 0;
  const open = (sizeBytes: number) =>
    rangedSource(
      sizeBytes,
      (offset, length) => {
        asked.push([offset, length]);
        return Promise.resolve(new Uint8Array(length));
      },
      () => Promise.resolve(void (closed += 1)),
    );
  beforeEach(() => {
    asked.length = 0;
    closed = 0;
  });

  for (const [offset, length, expected] of [
    [0, 10, 10],
    [90, 20, 10],
    [100, 1, 0],
    [200, 1, 0],
  ] as const) {
    it(`answers ${expected} bytes for ${length} from ${offset} of 100`, async () => {
      expect(await open(100).read(offset, length)).to.have.length(expected);
      expect(asked).to.deep.equal([[offset, expected]]);
    });
  }

  it('streams a range in chunks of 1 MiB, and all of it unless told otherwise', async () => {
    const source = open(2 * MIB + 5);

    const lengths: number[][] = [[], []];
    for await (const { length } of source.stream()) lengths[0]?.push(length);
    for await (const { length } of source.stream(MIB, MIB + 2)) lengths[1]?.push(length);

    expect(lengths).to.deep.equal([
      [MIB, MIB, 5],
      [MIB, 2],
    ]);
  });

  it('is closed once, however often it is asked to', async () => {
    const source = open(1);

    await Promise.all([source.close(), source.close()]);

    expect(closed).to.equal(1);
  });
});

describe('a count', () => {
  for (const [number, many, expected] of [
    [0, undefined, '0 instances'],
    [1, undefined, '1 instance'],
    [2, undefined, '2 instances'],
    [2, 'more instances', '2 more instances'],
  ] as const) {
    it(`says ${expected}`, () => {
      expect(count(number, 'instance', many)).to.equal(expected);
    });
  }
});
