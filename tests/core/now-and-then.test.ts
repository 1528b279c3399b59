import { expect } from 'chai';
import { nowAndThen } from '../../core/now-and-then.ts';

describe('what happens again and again', () => {
  it('is said at once, and then once a minute, with how often it was', () => {
    const said: (readonly [atMs: number, times: number])[] = [];
    let nowMs = 5;
    const say = nowAndThen(60_000, () => nowMs);

    for (; nowMs < 180_000; nowMs += 1_000) say((times) => said.push([nowMs, times]));

    expect(said).to.deep.equal([
      [5, 1],
      [60_005, 60],
      [120_005, 60],
    ]);
  });

  it('is said at once when it comes back after a while', () => {
    const said: number[] = [];
    let nowMs = 0;
    const say = nowAndThen(60_000, () => nowMs);

    say((times) => said.push(times));
    nowMs = 3_600_000;
    say((times) => said.push(times));

    expect(said).to.deep.equal([1, 1]);
  });
});
