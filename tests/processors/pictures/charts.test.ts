import { expect } from 'chai';
import { controlChart, controlLimits } from '../../../processors/pictures/control-chart.ts';
import { diffusionChart } from '../../../processors/pictures/diffusion-chart.ts';
import { markup } from '../../../processors/pictures/markup.ts';
import { chartsOf } from '../../../processors/pictures/scan-charts.ts';
import { measure } from '../../../processors/qc/measure.ts';
import { parseQcOptions } from '../../../processors/qc/options.ts';
import { judge } from '../../../processors/qc/verdict.ts';
import type { Triple } from '../../../processors/volumes/volume.ts';
import { seeded } from '../../support/seeded.ts';
import { head, moved, noisy, volumeOf } from '../qc/scans.ts';

describe('the charts of a scan', () => {
  it('draw every point of a course where its number says, and mark the repetitions that moved', () => {
    const series = volumeOf(
      Array.from({ length: 20 }, (_, t) => noisy(moved(head(), t === 14 ? 2 : 0), 5, t + 1)),
      'functional',
    );
    const measured = measure(series);
    const displacement = measured.curves.framewiseDisplacement ?? [];

    const svg = String(chartsOf(series, measured).find(({ name }) => name === 'time-courses')?.svg);

    const panel = svg.split('<g>').find((part) => part.includes('>Framewise displacement<')) ?? '';
    const path = /<path d="(M[\d.]+ [\d.]+(?:L[\d.]+ [\d.]+)+)" fill="none" stroke="#0072b2"/.exec(panel)?.[1] ?? '';
    const points = path
      .split(/[ML]/)
      .slice(1)
      .map((pair) => pair.split(' ').map(Number));
    expect(points).to.have.length(displacement.length);
    const ys = points.map(([, y]) => y ?? 0);
    const [least, most] = [
      displacement.indexOf(Math.min(...displacement)),
      displacement.indexOf(Math.max(...displacement)),
    ];
    const slope = ((ys[most] ?? 0) - (ys[least] ?? 0)) / ((displacement[most] ?? 0) - (displacement[least] ?? 0));
    expect(slope).to.be.below(0);
    displacement.forEach((value, i) =>
      expect(ys[i]).to.be.closeTo((ys[least] ?? 0) + slope * (value - (displacement[least] ?? 0)), 0.15),
    );
    expect(panel.match(/<circle/g)?.length).to.equal(measured.measures['fd_num']);
    expect(measured.measures['fd_num']).to.be.above(0);
  });

  it('place each direction once, a gradient and its opposite in the same place', () => {
    const directions: Triple[] = [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
      [0, 0, -1],
    ];

    const { svg, about } = diffusionChart({
      bValues: [0, 1000, 1000, 1000, 2500],
      directions: [undefined, ...directions],
    });

    const sphere = /<g transform="translate\(476 99\)">(.*?)<\/g>/.exec(String(svg))?.[1] ?? '';
    // The highest shell is round, the next one square; its places are those of the corners.
    const squares = [...sphere.matchAll(/<rect x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)"/g)].map(
      ([, x, y, width]) => [Math.round(Number(x) + Number(width) / 2), Math.round(Number(y) + Number(width) / 2)],
    );
    expect(squares).to.deep.equal([
      [74, 0],
      [0, 74],
      [0, 0],
    ]);
    expect(sphere).to.match(/<circle cx="0" cy="0" r="3" fill/);
    expect(about).to.equal('Diffusion weighting: 1 repetitions without, b 2500 s/mm²: 1, b 1000 s/mm²: 3.');
  });

  it('show the very limits that the verdict goes by', () => {
    const random = seeded(3);
    const measured = measure(volumeOf([noisy(head(), 60)], 'anatomical'));
    const before = Array.from({ length: 25 }, () => 40 + random());
    const past = before.map((value) => ({ measures: { snr_normal_db: value }, parameters: {}, recordedAt: '' }));
    const options = parseQcOptions({});

    const { judgements } = judge({ kind: 'anatomical', measured, found: [], parameters: {}, past }, options);
    const limits = controlLimits(before, 'high', 0.5, options.history);

    const judged = judgements.find((one) => one.measure === 'snr_normal_db');
    expect(judged?.severity).to.equal('fail');
    expect(judged?.limit).to.be.closeTo(limits.failLow ?? Number.NaN, 1e-4);
  });

  it('stack every scan of the past into its bin, and put this one beside them', () => {
    const points = Array.from({ length: 30 }, (_, i) => ({ x: i, value: i % 3, isAccepted: i !== 4 }));

    const { svg, about } = controlChart({ title: 'A < B', unit: 'dB', points, now: 2.5, width: 335, x: { label: '' } });

    const text = String(svg);
    expect(text.match(/<circle/g)).to.have.length(29);
    expect(text.match(/m-3-3l6 6/g)).to.have.length(1);
    expect(text.match(/m0-4.5/g)).to.have.length(2);
    const bars = [...text.matchAll(/<rect [^>]*width="([\d.]+)"/g)]
      .map(([, width]) => Number(width))
      .filter((width) => width > 0);
    expect(bars).to.have.length(3);
    expect(new Set(bars).size).to.equal(1);
    expect(text).to.include('A &lt; B (dB)').and.not.to.include('A < B');
    expect(about).to.equal('A < B: 30 scans; this scan 2.5 dB.');
  });

  it('escape whatever stands in them, and leave out what XML cannot hold', () => {
    expect(String(markup`<a b="${'"x" & <y>\u0007'}">${markup`<i>${3}</i>`}${[markup`1`, markup`2`]}</a>`)).to.equal(
      '<a b="&quot;x&quot; &amp; &lt;y&gt;"><i>3</i>12</a>',
    );
  });
});
