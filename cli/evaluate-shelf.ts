/** Where `hub evaluate` keeps each case as soon as it is scored, so that a run that was cut off goes on. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HubError } from '../core/errors.ts';
import { caseResultSchema } from '../evaluation/case-result.ts';
import { type Registration, registrationSchema } from '../evaluation/report.ts';
import type { CaseShelf } from '../evaluation/run.ts';
import { maskNifti } from '../processors/segment/mask-nifti.ts';
import { comparisonPicture } from './evaluate-pictures.ts';
import type { CaseScan } from './evaluate-scan.ts';
import { makeFolder } from './out-folder.ts';
import { json } from './terminal.ts';

/** A folder for each case: `result.json`, `prediction.nii.gz` (values as the references have them), `overlay.png`. */
export function caseShelf(folder: string): CaseShelf<CaseScan> {
  return {
    read: async (name, key) => {
      const parsed = caseResultSchema.safeParse(await readJson(join(folder, name, 'result.json')));
      return parsed.success && parsed.data.key === key ? parsed.data : undefined;
    },
    keep: async (result, { scan: { volume: scan }, reference }, masks) => {
      const place = join(folder, result.name);
      await makeFolder(place);
      const picture = comparisonPicture(scan, [...reference.values()], masks ?? []);
      await writeFile(join(place, 'overlay.png'), picture);
      if (masks !== undefined) {
        const map = new Uint8Array(scan.dims[0] * scan.dims[1] * scan.dims[2]);
        masks.forEach((mask, at) => {
          const index = result.labels[at]?.index ?? 0;
          for (let n = 0; n < map.length; n += 1) if (mask[n] === 1) map[n] = index;
        });
        await writeFile(join(place, 'prediction.nii.gz'), await maskNifti(scan, map));
      }
      // Last, and as a whole: killed before, the case is done again.
      await replace(join(place, 'result.json'), `${json(result)}\n`);
    },
  };
}

/**
 * Writes down which model is tried and what it has to reach, before it is; a run that goes on must be of the same.
 *
 * @throws {HubError} `command.usage` when the folder holds an evaluation of another model
 */
export async function register(folder: string, wanted: Registration): Promise<Registration> {
  await makeFolder(folder);
  const file = join(folder, 'registration.json');
  const known = registrationSchema.safeParse(await readJson(file));
  if (!known.success) {
    await replace(file, `${json(wanted)}\n`);
    return wanted;
  }
  const registration: Registration = {
    registeredAt: known.data.registeredAt,
    model: wanted.model,
    ...(wanted.against === undefined ? {} : { against: wanted.against }),
  };
  if (known.data.model.manifestSha256 !== wanted.model.manifestSha256)
    throw new HubError('command.usage', {
      detail: `${folder} holds an evaluation of ${known.data.model.name} ${known.data.model.version} with another manifest: choose another --out`,
    });
  return registration;
}

export async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch {
    // Not there, or not whole: made again.
    return undefined;
  }
}
