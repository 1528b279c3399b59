/** Destinations that keep files for others: two partners' files must not come to lie under one prefix or path. */
import { entriesAt, type Report, valueAt } from './raw-values.ts';

/** What says where a type's files lie; the last of it may lie inside another's. */
const PLACES: Readonly<Record<string, readonly string[]>> = {
  s3: ['endpoint', 'bucket', 'prefix'],
  sftp: ['host', 'port', 'path'],
};

/** Each of its own: with `{partner}` in the layout they lie apart. */
export function reportPlaces(raw: unknown, report: Report): void {
  const before: {
    readonly type: string;
    readonly place: string;
    readonly name: string | undefined;
    readonly partner: unknown;
  }[] = [];
  for (const { index, name, value } of entriesAt(raw, ['destinations'])) {
    const type = String(value['type']);
    const keys = PLACES[type];
    if (keys === undefined || /\{partner\}/.test(String(value['layout']))) continue;
    const place = `${keys.map((key) => textOf(valueAt(value, [key]))).join(' ')}/`;
    const other = before.find(
      (each) =>
        each.type === type &&
        each.partner !== value['partner'] &&
        (place.startsWith(each.place) || each.place.startsWith(place)),
    );
    const [last = ''] = keys.slice(-1);
    if (other !== undefined)
      report(
        ['destinations', index, last in value ? last : 'type'],
        `the same place as ${other.name ?? 'a destination above'}, which belongs to another`,
      );
    before.push({ type, place, name, partner: value['partner'] });
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value).replace(/\/+$/, '') : '';
}
