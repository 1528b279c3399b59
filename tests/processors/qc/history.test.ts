import { expect } from 'chai';
import type { PastScan } from '../../../core/ledger/qc-history.ts';
import type { Device } from '../../../core/plugins.ts';
import { examine, type Examination, type History } from '../../../processors/qc/examine.ts';
import { keysOf } from '../../../processors/qc/keys.ts';
import { measure } from '../../../processors/qc/measure.ts';
import { MEASURES } from '../../../processors/qc/measures.ts';
import { isMatch, parseQcOptions } from '../../../processors/qc/options.ts';
import { deviationsFrom, parametersOf, usualParameters } from '../../../processors/qc/protocol.ts';
import { factsOf, studyFindings } from '../../../processors/qc/report.ts';
import { judge } from '../../../processors/qc/verdict.ts';
import type { Volume } from '../../../processors/volumes/volume.ts';
import { head, noisy, volumeOf } from './scans.ts';

const SECRET = new Uint8Array(32).fill(3);
const DEVICE: Device = { source: 'pv-7t', serialNumber: 'SIM-000-7', stationName: 'SIM-7T', model: 'SimSpec' };

describe('the history of quality control', () => {
  const clean = head({ columns: 32, rows: 28, slices: 8, spacingMm: [0.72, 1.4, 0.62] });
  const scan = volumeOf([noisy(clean, 20, 4)], 'anatomical');
  const keys = (volume: Volume, device = DEVICE, changes: object = {}) =>
    keysOf(SECRET, { studyInstanceUid: '2.25.1', device, volume, maskKind: 'head', place: 0, ...changes });

  it('compares scans of one scanner and protocol, whatever the protocol was set to', () => {
    const wrong = volumeOf([clean], 'anatomical', { RepetitionTime: 9000, EchoTime: 11 });
    const renamed = volumeOf([clean], 'anatomical', { ProtocolName: 'MSME' });
    const { protocolKey } = keys(scan);

    expect(keys(wrong).protocolKey).to.equal(protocolKey);
    for (const other of [
      keys(renamed),
      keys(scan, { ...DEVICE, serialNumber: 'SIM-000-8' }),
      keys(scan, DEVICE, { maskKind: 'brain' }),
      keys(scan, DEVICE, { place: 1 }),
    ])
      expect(other.protocolKey).not.to.equal(protocolKey);
  });

  it('knows a scan again under other UIDs and dates, and says nothing of what its keys are made of', () => {
    const renamed = { ...scan, seriesInstanceUid: '2.25.99', studyInstanceUid: '2.25.98' };

    const [one, other] = [keys(scan), keys(renamed)];

    expect(other).to.deep.equal(one);
    expect(keys({ ...scan, affine: scan.affine.map((value) => value + 1) }).scanKey).not.to.equal(one.scanKey);
    expect(JSON.stringify(one)).not.to.match(/SIM|RARE|pv-7t|2\.25/);
    expect(
      keysOf(new Uint8Array(32), {
        studyInstanceUid: '2.25.1',
        device: DEVICE,
        volume: scan,
        maskKind: 'head',
        place: 0,
      }),
    ).not.to.deep.equal(one);
  });

  it('is not needed to see that a time series moved by more than a voxel', () => {
    const { measures, ...rest } = measure(scan);
    const said = (fdMaxMm: number, fdMeanMm: number, kind: 'functional' | 'diffusion' = 'functional') => {
      const measured = { ...rest, measures: { ...measures, fd_max_mm: fdMaxMm, fd_mean_mm: fdMeanMm } };
      const { judgements } = judge({ kind, measured, found: [], parameters: {}, past: [] }, parseQcOptions({}));
      return judgements.map(({ measure: name, limit, severity, sentence }) => [name, limit, severity, sentence]);
    };

    expect(said(0.35, 0.1)).to.deep.equal([]);
    expect(said(2, 1, 'diffusion')).to.deep.equal([]);
    expect(said(0.8, 0.1)).to.deep.equal([
      [
        'fd_max_mm',
        0.36,
        'warn',
        'Between two repetitions it moved by 0.8 mm, more than a voxel (0.36 mm): look at the traces, the scan may have to be repeated.',
      ],
    ]);
    expect(said(3, 0.9).map(([name, , severity]) => [name, severity])).to.deep.equal([['fd_mean_mm', 'fail']]);
  });

  it('names a scanner by its serial number, else by its station, else by who sends for it', () => {
    const { serialNumber: _, ...station } = DEVICE;
    const named = [DEVICE, station, { source: 'pv-7t' }].map((device) => keys(scan, device).scannerKey);

    expect(new Set(named).size).to.equal(3);
    expect(keys(scan, { ...DEVICE, source: 'pacs', stationName: 'other' }).scannerKey).to.equal(named[0]);
  });

  describe('judges', () => {
    const { measures } = measure(scan);
    const efc = measures['efc'] ?? 0;
    const past = (count: number, changes: (n: number) => Partial<PastScan['measures']> = () => ({})): PastScan[] =>
      Array.from({ length: count }, (_, n) => ({
        measures: { ...measures, efc: efc + 0.002 * ((n % 5) - 2), ...changes(n) },
        parameters: parametersOf(scan),
        recordedAt: '',
      }));
    const judged = (before: readonly PastScan[], value = efc, argument: unknown = {}) => {
      const measured = { ...measure(scan), measures: { ...measures, efc: value } };
      return judge(
        { kind: 'anatomical', measured, found: [], parameters: parametersOf(scan), past: before },
        parseQcOptions(argument),
      );
    };

    it('not, before there are twenty accepted scans', () => {
      expect(judged([]).verdict).to.equal('not-enough-history');
      expect(judged(past(19), efc + 5).verdict).to.equal('not-enough-history');
      expect(judged(past(20)).verdict).to.equal('pass');
      expect(judged(past(6), efc, { history: { minimum: 6 } }).verdict).to.equal('pass');
    });

    it('by robust deviations on the bad side, with measure, value, limit and a sentence', () => {
      // EFC scatters less than its resolution of 0.01, which takes its place.
      const warn = judged(past(40), efc + 0.05);
      const fail = judged(past(40), efc + 0.09);

      expect([warn.verdict, fail.verdict, judged(past(40), efc - 0.2).verdict]).to.deep.equal(['warn', 'fail', 'pass']);
      const [judgement] = fail.judgements;
      expect(judgement).to.include({ measure: 'efc', severity: 'fail', z: 9 });
      expect(judgement?.limit).to.be.closeTo(efc + 0.07, 1e-5);
      expect(fail.findings[0]).to.match(
        /^Entropy focus criterion is [\d.]+; the median of the 40 accepted scans before is [\d.]+, the limit for that [\d.]+\. .+repeat the scan\.$/,
      );
    });

    it('by the middle of the past, not by its outliers', () => {
      const spoiled = past(25, (n) => (n < 8 ? { efc: 10 * n } : {}));

      expect(judged(spoiled).verdict).to.equal('pass');
      expect(judged(spoiled, efc + 0.2).verdict).to.equal('fail');
    });

    it('by the limits of the site before the past, and says it once', () => {
      const { judgements } = judged(past(30), efc + 0.5, { limits: { any: { efc: { warnAbove: efc + 0.1 } } } });

      expect(judgements.map(({ measure: name, severity, z }) => ({ name, severity, z }))).to.deep.equal([
        { name: 'efc', severity: 'warn', z: null },
      ]);
    });

    it('measures by whole tables: each has a name, a formula, a source, something to do, and a scale where it decides', () => {
      for (const [key, row] of MEASURES) {
        expect(Math.min(row.name.length, row.formula.length, row.source.length, row.act.length), key).to.be.above(3);
        if (row.decides.length > 0) expect(row.resolution, key).to.be.above(0);
        if (row.better === 'note') expect(row.decides, key).to.deep.equal([]);
      }
    });
  });

  describe('knows protocols', () => {
    it('by what most accepted scans were set to, each parameter with a tolerance of its own', () => {
      const usual = parametersOf(scan);
      const reference = usualParameters([...Array.from({ length: 8 }, () => usual), { ...usual, RepetitionTime: 9 }]);
      const deviations = (changes: object) =>
        deviationsFrom(reference, { ...usual, ...changes }, 'the accepted scans').map(
          ({ parameter, severity }) => `${parameter} ${severity}`,
        );

      expect(reference).to.include({ RepetitionTime: 3200, FlipAngle: 90, Columns: 32 });
      expect(deviations({ RepetitionTime: 3225, FlipAngle: 90.9, VoxelX: 0.3603 })).to.deep.equal([]);
      expect(deviations({ RepetitionTime: 3300 })).to.deep.equal(['RepetitionTime warn']);
      expect(deviations({ RepetitionTime: 4000, FlipAngle: 70 })).to.deep.equal([
        'RepetitionTime fail',
        'FlipAngle fail',
      ]);
      expect(deviations({ Columns: 64, Slices: 7 })).to.deep.equal(['Columns warn', 'Slices warn']);
      expect(deviations({ Repetitions: 0 })).to.deep.equal(['Repetitions fail']);
      expect(usualParameters(Array.from({ length: 4 }, () => usual))).to.deep.equal({});
    });

    it('leaves out a parameter that the accepted scans do not agree on', () => {
      const scans = Array.from({ length: 10 }, (_, n) => ({ RepetitionTime: 1000 + 100 * n, FlipAngle: 30 }));

      expect(usualParameters(scans)).to.deep.equal({ FlipAngle: 30 });
    });

    it('by the reference of the site first', async () => {
      const options = parseQcOptions({ protocols: [{ match: 't2_*', parameters: { RepetitionTime: 2500 } }] });

      const [examined] = await examine({ seriesInstanceUid: '2.25.2', volumes: [scan], findings: [], options });

      expect(examined?.report.verdict).to.equal('fail');
      expect(examined?.report.findings).to.deep.equal([
        "Repetition time: 3200 ms, 2500 ms in the site's protocol. Load the protocol anew rather than mend it by hand.",
      ]);
    });

    it('by patterns that stand for a name and nothing else', () => {
      expect(isMatch('T2*', ['t2_turborare'])).to.equal(true);
      expect(isMatch('T2.', ['T2x'])).to.equal(false);
      expect(isMatch('T1', ['xT1x'])).to.equal(false);
    });

    it('misses series that every study should have, and sees a scan that came twice', () => {
      const { protocols, ...rest } = parseQcOptions({
        protocols: [
          { match: 'T2*', series: 1 },
          { match: 'DTI*', series: 2 },
        ],
      });
      const copy = { ...scan, seriesInstanceUid: '2.25.77' };

      const findings = studyFindings([factsOf(scan), factsOf(copy)], { ...rest, protocols });

      expect(findings.map(({ sentence }) => sentence)).to.deep.equal([
        '0 of 2 expected series match DTI*: a scan is missing.',
        '2 series hold the very same picture: all but one are copies.',
      ]);
      const other = volumeOf([noisy(clean, 20, 5)], 'anatomical', {}, { seriesInstanceUid: '2.25.77' });
      expect(studyFindings([factsOf(scan), factsOf(other)], { ...rest, protocols: [] })).to.deep.equal([]);
    });
  });

  it('is asked for a scan without its own past, and gets what was measured', async () => {
    const asked: unknown[] = [];
    const history: History = {
      secret: SECRET,
      device: DEVICE,
      studyInstanceUid: '2.25.1',
      past: (question) => {
        asked.push(question);
        return Promise.resolve([]);
      },
    };
    const examination: Examination = {
      seriesInstanceUid: '2.25.2',
      volumes: [scan],
      findings: [],
      options: parseQcOptions(undefined),
      history,
    };

    const [examined] = await examine(examination);

    const { scanKey, protocolKey } = keys(scan);
    expect(asked).to.deep.equal([{ protocolKey, exceptScan: scanKey, limit: 100 }]);
    expect(examined?.scan).to.include({ scanKey, protocolKey, verdict: 'not-enough-history', accepted: true });
    expect(examined?.scan?.parameters).to.include({ RepetitionTime: 3200 });
  });

  it('does not take a scan that somebody has to look at for sound', async () => {
    const history: History = {
      secret: SECRET,
      device: DEVICE,
      studyInstanceUid: '2.25.1',
      past: () => Promise.resolve([]),
    };
    const options = parseQcOptions({ limits: { any: { slices: { warnBelow: 99 } } } });

    const [examined] = await examine({ seriesInstanceUid: '2.25.2', volumes: [scan], findings: [], options, history });

    expect(examined?.scan).to.include({ verdict: 'warn', accepted: false });
  });

  describe('on bad input', () => {
    it('says that there is no picture, or no numbers, and measures nothing of it', () => {
      const flat = measure(volumeOf([{ ...clean, data: clean.data.map(() => 7) }], 'anatomical'));
      const holes = measure(
        volumeOf([{ ...clean, data: scan.data.map((value, i) => (i % 50 === 0 ? Number.NaN : value)) }], 'anatomical'),
      );
      const judged = [flat, holes].map((measured) =>
        judge({ kind: 'anatomical', measured, found: [], parameters: {}, past: [] }, parseQcOptions({})),
      );

      expect(judged.map(({ verdict }) => verdict)).to.deep.equal(['fail', 'fail']);
      expect(judged[0]?.findings).to.deep.equal(['All voxels have the same value: there is no picture in the scan.']);
      expect(judged[1]?.findings[0]).to.match(/^2[.\d]* % of the voxels are no numbers: export the scan again\.$/);
      expect(holes.measures['snr_normal_db']).to.be.a('number');
      expect(Object.values(holes.measures).every((value) => value === null || Number.isFinite(value))).to.equal(true);
    });

    it('measures one slice, an empty picture and a phase image as far as they go', () => {
      const slice = measure(volumeOf([{ data: clean.data.slice(0, 32 * 28), dims: [32, 28, 1] }], 'unknown'));
      const tiny = measure(volumeOf([{ data: Float32Array.of(0, 1, 2, 3), dims: [2, 2, 1] }], 'anatomical'));
      const phase = measure({ ...scan, component: 'phase' });

      expect(slice.measures['efc']).to.be.a('number');
      expect(tiny.measures['snr']).to.equal(null);
      expect(tiny.reasons['snr']).to.equal('no object was found in the picture');
      expect(phase.measures).to.have.all.keys(
        'slices',
        'repetitions',
        'voxel_x_mm',
        'voxel_y_mm',
        'voxel_z_mm',
        'nonfinite_fraction',
      );
    });

    it('takes no mask of another grid, and no empty one', () => {
      const wrong = measure(scan, { brain: new Uint8Array(5).fill(1) });
      const empty = measure(scan, { brain: new Uint8Array(scan.data.length) });

      for (const { maps, measures } of [wrong, empty]) {
        expect(maps?.maskKind).to.equal('head');
        expect(measures['brain_volume_mm3']).to.equal(null);
      }
    });
  });
});
