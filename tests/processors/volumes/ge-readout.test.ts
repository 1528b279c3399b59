import { expect } from 'chai';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { readDataSet } from '../../../core/dicom/part10.ts';
import { geEchoSpacingSeconds } from '../../../processors/volumes/ge-readout.ts';
import { sampleFile } from '../../support/dicom-samples.ts';
import { attribute, privateBlock } from '../../support/mr-series.ts';

async function spacing(
  lines: number,
  { share = 1, partial = 'NO', sequence = 'EP\\GR', microseconds = 388 } = {},
): Promise<number | undefined> {
  const bytes = sampleFile([
    attribute('SOPInstanceUID', '1.2.3'),
    attribute('ScanningSequence', sequence),
    attribute('PartialFourier', partial),
    ...privateBlock('GEMS_PARM_01', 0x0043, [
      [0x2c, 'SS', microseconds],
      [0x83, 'DS', [share, 1]],
    ]),
  ]);
  return geEchoSpacingSeconds((await readDataSet(bytesAsSource(bytes))).dataSet, lines);
}

describe('the echo spacing of a GE scan', () => {
  it('is what dcm2niix 1.0.20260724 computes, with parallel imaging and partial Fourier', async () => {
    expect(await spacing(64)).to.be.closeTo(0.000388, 1e-9);
    expect(await spacing(64, { share: 0.5 })).to.be.closeTo(0.000190921, 1e-9);
    expect(await spacing(62, { share: 0.33333 })).to.be.closeTo(0.000133574, 1e-9);
    expect(await spacing(50, { share: 0.5 })).to.be.closeTo(0.000197959, 1e-9);
    expect(await spacing(50, { share: 0.5, partial: 'YES' })).to.be.closeTo(0.000213796, 1e-9);
  });

  it('is none of a scan that is not echo-planar, or does not say', async () => {
    expect(await spacing(64, { sequence: 'SE' })).to.equal(undefined);
    expect(await spacing(64, { microseconds: 0 })).to.equal(undefined);
    expect(await spacing(1)).to.equal(undefined);
  });
});
