/**
 * Writes core/dicom/dictionary.json from pydicom's dictionary and the newer rows of PS3.15 Table E.1-1 and PS3.6:
 *
 *   node bin/on-pinned-node.mjs scripts/make-dictionary.ts <pydicom>/_dicom_dict.py <pydicom version> <PS3.6 edition of it>
 *
 * Then run prettier over it. One row an attribute, `tag VR VM keyword`: small to load and easy to review.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as z from 'zod';

const TABLES = resolve(import.meta.dirname, '../processors/deidentify/tables');
const OUTPUT = resolve(import.meta.dirname, '../core/dicom/dictionary.json');
const ROW =
  /^ {4}(?:0x([0-9A-F]{8})|'([0-9A-Fa-fx]{8})'): \('([^']*)', '([^']*)', (?:"[^"]*"|'[^']*'), '[^']*', '(\w*)'\)/;

const [path, version, edition] = process.argv.slice(2);
if (path === undefined || version === undefined || edition === undefined) {
  console.error('usage: make-dictionary.ts <_dicom_dict.py> <pydicom version> <PS3.6 edition>');
  process.exit(2);
}
const source = readFileSync(path);
const rows = new Map<string, string>();
for (const line of source.toString('utf8').split('\n')) {
  const [, plain, mask, vr, vm, keyword] = ROW.exec(line) ?? [];
  if (vr === undefined || vm === undefined || keyword === undefined || keyword === '') continue;
  // Of the repeating groups only curves and overlays are still met; their rows stand under 5000 and 6000.
  const tag = plain ?? (/^[56]0xx/.test(mask ?? '') ? mask?.replace('xx', '00') : undefined);
  if (tag !== undefined) rows.set(tag, `${tag} ${vr.replaceAll(' ', '/').replaceAll('/or/', '|')} ${vm} ${keyword}`);
}
const fromDictionary = rows.size;

const profile = z
  .object({
    edition: z.string(),
    rows: z.array(
      z.object({
        tag: z.string(),
        keyword: z.string().nullable(),
        vr: z.array(z.string()).nullable(),
        vm: z.string().nullable(),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(resolve(TABLES, 'confidentiality-profile.json'), 'utf8')));
for (const { tag, keyword, vr, vm } of profile.rows)
  if (keyword !== null && vr !== null && !rows.has(tag)) rows.set(tag, `${tag} ${vr.join('|')} ${vm} ${keyword}`);

const unlisted = z
  .object({ unlisted: z.record(z.string(), z.array(z.tuple([z.string(), z.string(), z.boolean()]))) })
  .parse(JSON.parse(readFileSync(resolve(TABLES, 'unlisted-by-vr.json'), 'utf8')));
for (const [vr, entries] of Object.entries(unlisted.unlisted))
  for (const [tag, keyword] of entries)
    // That table does not say the multiplicity; 1-n is what a reader may rely on.
    if (/^[0-9A-F]{8}$/.test(tag) && !rows.has(tag)) rows.set(tag, `${tag} ${vr} 1-n ${keyword}`);

writeFileSync(
  OUTPUT,
  JSON.stringify({
    source: `pydicom ${version} (MIT licence) _dicom_dict.py, PS3.6 ${edition}`,
    sha256: createHash('sha256').update(source).digest('hex'),
    newer: `${rows.size - fromDictionary} rows of PS3.15 Table E.1-1 and PS3.6, ${profile.edition}`,
    rows: [...rows.values()].toSorted(),
  }),
);
console.log(`${rows.size} rows, ${rows.size - fromDictionary} of them newer than ${edition}`);
