/**
 * What bytes say in character sets that nobody named: a Japanese name in Shift JIS, a Chinese one in GB 18030, a Polish one
 * in Latin-2, in a data set that says otherwise or nothing. Read wrong on a screen, they are read right by whoever tries.
 */

import { TextDecoder } from 'node:util';

/** By the Encoding Standard: what PS3.3 Section C.12.1.1.2 has, and what computers of the same countries wrote. */
const LABELS: readonly string[] = [
  ...['gb18030', 'big5', 'shift_jis', 'euc-jp', 'euc-kr'],
  ...['iso-8859-2', 'iso-8859-3', 'iso-8859-4', 'iso-8859-5', 'iso-8859-6', 'iso-8859-7', 'iso-8859-8', 'iso-8859-15'],
  ...['windows-1250', 'windows-1251', 'windows-1253', 'windows-1254', 'windows-1255', 'windows-1256', 'windows-874'],
  'koi8-r',
];
/** Longer texts are read by what they say they are. */
const LONGEST_BYTES = 65_536;

let decoders: readonly TextDecoder[] | undefined;

/** Those readings in which every byte is part of a character; without the value's own. */
export function otherReadings(value: Uint8Array): readonly string[] {
  if (value.length > LONGEST_BYTES) return [];
  decoders ??= LABELS.map((label) => new TextDecoder(label, { fatal: true }));
  const readings = new Set<string>();
  for (const decoder of decoders) {
    try {
      readings.add(decoder.decode(value));
    } catch {
      // These bytes are no text in it.
    }
  }
  return [...readings];
}
