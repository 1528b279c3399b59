/** JSON of which there is only one way to write it (RFC 8785): what is signed can be stored and sent in any layout. */

/** @throws {TypeError} on what JSON does not have: functions, numbers that are not finite, halves of surrogate pairs */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('JSON has finite numbers only');
    // RFC 8785 Section 3.2.2.3: as ECMAScript writes them.
    return JSON.stringify(value);
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new TypeError('half a surrogate pair is no text');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((one: unknown) => canonicalJson(one)).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`JSON has no ${typeof value}`);
  // RFC 8785 Section 3.2.3: by UTF-16 code units, as sort() compares.
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, member]) => `${canonicalJson(name)}:${canonicalJson(member)}`).join(',')}}`;
}
