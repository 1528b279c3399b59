import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseJcamp } from '../../paravision/jcamp.ts';
import { visuFrom } from '../../paravision/without-visu.ts';
import { convertedIn, itemsIn, readFrames } from '../support/paravision-converted.ts';
import { jcamp, list } from '../support/paravision-study.ts';
import { BANANA, PV6, converting } from './converting.ts';

describe('a ParaVision reconstruction without visu_pars', () => {
  const { folder } = converting();
  it('is what it is with them, for a scan that has both', async () => {
    const place = join(folder.path, 'banana');
    await cp(join(BANANA, '1'), join(place, '1'), { recursive: true });
    const [expected] = await convertedIn(place);
    await writeFile(join(place, 'subject'), await readFile(join(PV6, 'subject')));
    await rm(join(place, '1/pdata/1/visu_pars'));

    const [made] = await convertedIn(place);

    if (expected === undefined || made === undefined) expect.fail();
    const frames = readFrames(made);
    expect(frames).to.have.length(5);
    readFrames(expected).forEach((frame, n) => {
      const other = frames[n];
      expect(other?.position).to.deep.equal(frame.position);
      expect(other?.orientation).to.deep.equal(frame.orientation);
      expect(other?.spacing).to.deep.equal(frame.spacing);
      expect(other?.valueAt(40, 31)).to.be.closeTo(frame.valueAt(40, 31), 1e-6);
      expect(other?.macro('MREchoSequence')?.number('EffectiveEchoTime')).to.equal(16.5);
    });
    expect(made.dataSet.string('PatientID')).to.equal('4011');
    const [item] = await itemsIn(place);
    expect(item?.kind === 'image' ? item.remark : item).to.match(/^visu_pars is missing, .* acqp, method and reco$/);
  });

  it('stands where the real visu_pars of another version put three crossed slices', async () => {
    const read = async (name: string) => parseJcamp(await readFile(join(PV6, '1', name), 'utf8'), name);
    const visu = await read('visu_pars');
    const reco = parseJcamp(
      jcamp('6.0', {
        ...{ RECO_size: list([100, 100]), RECO_fov: list([3, 3]), RECO_transposition: list([0, 1, 1]) },
        ...{ RECO_wordtype: '_16BIT_SGN_INT', RECO_map_slope: list([142.264_8]), RECO_image_type: 'MAGNITUDE_IMAGE' },
      }),
      'reco',
    );

    const made = visuFrom(await read('acqp'), undefined, reco);

    for (const name of ['VisuCoreOrientation', 'VisuCorePosition', 'VisuCoreExtent', 'VisuCoreSize'])
      expect(made.parameters.get(name)?.values, name).to.deep.equal(visu.parameters.get(name)?.values);
  });
});
