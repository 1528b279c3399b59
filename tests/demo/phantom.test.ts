import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { generateHead } from '../../demo/phantom/head.ts';
import { phantomStudy } from '../../demo/phantom/study.ts';
import { run } from '../support/child-process.ts';
import { dciodvfy } from '../support/peers.ts';

const SMALL = { columns: 32, rows: 24, slices: 10, spacingMm: [0.6, 1.6, 0.6] as const };

describe('the simulated head', () => {
  it('is the same for the same seed and another for another', () => {
    const head = generateHead({ ...SMALL, seed: 5 });

    expect(generateHead({ ...SMALL, seed: 5 }).voxels).to.deep.equal(head.voxels);
    expect(generateHead({ ...SMALL, seed: 6 }).voxels).not.to.deep.equal(head.voxels);
  });

  it('has a brain of a size that mice and rats have, inside the field of view', () => {
    const volumeMm3 = (species: 'mouse' | 'rat') => {
      const { mask, spacingMm } = generateHead({ species, columns: 64, rows: 48, slices: 32, ...spacing(species) });
      return mask.reduce((sum, voxel) => sum + voxel, 0) * spacingMm[0] * spacingMm[1] * spacingMm[2];
    };

    expect(volumeMm3('mouse')).to.be.within(350, 670);
    expect(volumeMm3('rat')).to.be.within(1500, 2500);
  });

  it('has noise of the strength asked for where there is nothing else', () => {
    const { voxels } = generateHead({ ...SMALL, noise: 0.05 });

    // Rayleigh: the mean of the magnitude of pure noise is σ √(π/2).
    const corner = [0, 1, 2, 3, 32, 33, 34, 35, 64, 65, 66, 67].map((voxel) => voxels[voxel] ?? 0);
    expect(corner.reduce((a, b) => a + b, 0) / corner.length).to.be.closeTo(0.05 * Math.sqrt(Math.PI / 2), 0.03);
    expect(generateHead({ ...SMALL, noise: 0 }).voxels[0]).to.equal(0);
  });

  it('refuses a grid that is none', () => {
    expect(() => generateHead({ columns: 0 })).to.throw(RangeError);
  });
});

describe('the simulated study', () => {
  it('has at least 24 slices by default, each with a name and UIDs of its own', () => {
    const instances = phantomStudy();

    expect(instances.length).to.be.at.least(24);
    expect(new Set(instances.map(({ sopInstanceUid }) => sopInstanceUid)).size).to.equal(instances.length);
    expect(new Set(instances.map(({ name }) => name)).size).to.equal(instances.length);
    expect(new Set(instances.map(({ studyInstanceUid }) => studyInstanceUid)).size).to.equal(1);
    expect(phantomStudy({ seed: 2 })[0]?.studyInstanceUid).not.to.equal(instances[0]?.studyInstanceUid);
  });

  it('repeats byte for byte', () => {
    const bytes = () =>
      phantomStudy({ ...SMALL, seed: 9 }).map((instance) => Buffer.from(instance.bytes).toString('hex'));

    expect(bytes()).to.deep.equal(bytes());
  });

  it('is valid for dciodvfy, without one error', async () => {
    const tools = await dciodvfy();
    const folder = mkdtempSync(join(tmpdir(), 'phantom-'));
    try {
      for (const species of ['mouse', 'rat'] as const) {
        const file = join(folder, `${species}.dcm`);
        writeFileSync(file, phantomStudy({ ...SMALL, species })[4]?.bytes ?? new Uint8Array());

        const { stdout, stderr } = await run(tools.command('dciodvfy'), [file]);

        expect(`${stdout}${stderr}`).to.include('MRImage');
        expect(`${stdout}${stderr}`).not.to.include('Error');
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function spacing(species: 'mouse' | 'rat') {
  const scale = species === 'rat' ? 1.6 : 1;
  return { spacingMm: [0.3 * scale, 0.5 * scale, 0.3 * scale] as const };
}
