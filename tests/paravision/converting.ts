/** Scans of ParaVision, made and real, as the tests convert them. */
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { convertedIn, type ConvertedScan } from '../support/paravision-converted.ts';
import { KINDS } from '../support/paravision-scans.ts';
import { type SyntheticScan, type SyntheticStudy, writeStudy } from '../support/paravision-study.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

export interface Converting {
  readonly folder: { readonly path: string };
  readonly converted: (scan: Omit<SyntheticScan, 'number'>, study?: Partial<SyntheticStudy>) => Promise<ConvertedScan>;
}

/** Called in a `describe`: the folder is removed with its tests. */
export function converting(): Converting {
  const folder = temporaryFolder();
  let number = 0;
  return {
    folder,
    converted: async (scan, study = {}) => {
      const place = join(folder.path, `study-${(number += 1)}`);
      await writeStudy(place, { version: '6.0.1', ...study, scans: [{ ...scan, number: 3 }] });
      const [only] = await convertedIn(place);
      return only ?? expect.fail();
    },
  };
}

export const kind = (name: string): Omit<SyntheticScan, 'number'> => KINDS[name] ?? expect.fail();

const RODENT = resolve(import.meta.dirname, '../../../shared/mri/rodent');
export const BANANA = join(RODENT, 'bruker_pv5_banana/bru_banana');
export const PV6 = join(RODENT, 'bruker_pv6_meta_only/20151110_170605_4011_1_1');
