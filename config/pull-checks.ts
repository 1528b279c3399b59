/** Pulls that contradict the rest: a name that is another source's, a title that is not ours. */
import { suggest } from '../core/suggestion.ts';
import { entriesAt, isMapping, listOf, names, type Report, valueAt } from './raw-values.ts';

const PULLS = ['pulls'];
const DIMSE = ['gateway', 'dimse'];

export function reportPulls(raw: unknown, report: Report): void {
  const sources = names([...entriesAt(raw, [...DIMSE, 'sources']), ...entriesAt(raw, ['gateway', 'folders'])]);
  const titles = ownTitles(raw);
  for (const { index, name, value } of entriesAt(raw, PULLS)) {
    const at = [...PULLS, index];
    if (name !== undefined && sources.includes(name)) {
      report([...at, 'name'], `the name ${name} is taken by a source: routes could not tell what came from where`);
    }
    const { from } = value;
    if (isMapping(from) && 'dicom' in from) {
      const moveTo = from['moveTo'];
      if (typeof moveTo === 'string' && !titles.includes(moveTo.trim())) {
        report([...at, 'from', 'moveTo'], `not an AE title of this hub: ${moveTo}${suggest(moveTo, titles)}`);
      }
    }
  }
}

function ownTitles(raw: unknown): readonly string[] {
  const written = valueAt(raw, [...DIMSE, 'aeTitle']) ?? 'HUB';
  const more = entriesAt(raw, [...DIMSE, 'titles']).map(({ value }) => value['aeTitle']);
  return [...(Array.isArray(written) ? listOf(written) : [written]), ...more].map((title) => String(title).trim());
}
