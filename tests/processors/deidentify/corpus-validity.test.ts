import { existsSync, globSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { phantomStudy } from '../../../demo/phantom/study.ts';
import { run } from '../../support/child-process.ts';
import { deidentifyFiles } from '../../support/deidentified.ts';
import { dciodvfy, type Peer } from '../../support/peers.ts';
import { EXAMINED_POLICIES } from '../../support/planted/policies.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const REAL_DATA = '../shared/mri/dicom';

describe('sound objects under every examined policy', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const sources = new Map<string, Uint8Array>();
  const seen = new Map<string, ReadonlySet<string>>();
  let validator: Peer;

  before(async () => {
    validator = await dciodvfy();
    const [animal] = phantomStudy({ slices: 2 });
    const [human] = phantomStudy({
      slices: 2,
      attributes: { PatientSpeciesDescription: undefined, PatientBreedDescription: undefined },
    });
    sources.set('animal', animal?.bytes ?? new Uint8Array());
    sources.set('human', human?.bytes ?? new Uint8Array());
    if (existsSync(REAL_DATA))
      // One of each scanner: classic, mosaic, enhanced.
      for (const path of globSync('{pydicom_small/MR_small.dcm,*/{*,*/*,*/*/*}}', { cwd: REAL_DATA })
        .filter((name) => /\.dcm$|\/MR\.\d/.test(name))
        .filter((_, index) => index % 25 === 0))
        sources.set(path, await readFile(join(REAL_DATA, path)));
    for (const [name, bytes] of sources) seen.set(name, await errorsIn(bytes));
  });

  for (const [name, policy] of Object.entries(EXAMINED_POLICIES))
    it(`have no error under ${name} that dciodvfy did not see before`, async () => {
      const fresh: string[] = [];
      let released = 0;
      for (const [source, bytes] of sources) {
        const result = await deidentifyFiles([bytes], { ...policy });
        if (result.outcome === 'held') continue;
        released += 1;
        for (const error of await errorsIn(result.files[0] ?? new Uint8Array()))
          if (seen.get(source)?.has(error) !== true) fresh.push(`${source}: ${error}`);
      }

      expect(released).to.be.greaterThan(1);
      expect(fresh).to.deep.equal([]);
    });

  /** Without the values and item numbers in its sentences. */
  async function errorsIn(bytes: Uint8Array): Promise<ReadonlySet<string>> {
    const file = join(folder.path, 'examined.dcm');
    await writeFile(file, bytes);
    const { stdout, stderr } = await run(validator.command('dciodvfy'), [file]);
    const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.startsWith('Error'));
    return new Set(lines.map((line) => line.replaceAll(/(?<!Element=|Module=)<[^>]*>|\d+/g, '')));
  }
});
