/** From bytes to text by Specific Character Set (0008,0005), code extensions included (PS3.5 Section 6.1, PS3.3 Section C.12.1.1.2). */

/** PS3.3 Tables C.12-2 to C.12-5: defined term to the label of the Encoding Standard. Latin-1 is decoded here. */
const LATIN_1 = 'latin-1';
const SETS: Readonly<Record<string, string>> = {
  '': LATIN_1,
  'ISO_IR 6': LATIN_1,
  'ISO_IR 100': LATIN_1,
  'ISO_IR 101': 'iso-8859-2',
  'ISO_IR 109': 'iso-8859-3',
  'ISO_IR 110': 'iso-8859-4',
  'ISO_IR 144': 'iso-8859-5',
  'ISO_IR 127': 'iso-8859-6',
  'ISO_IR 126': 'iso-8859-7',
  'ISO_IR 138': 'iso-8859-8',
  'ISO_IR 148': 'windows-1254',
  'ISO_IR 203': 'iso-8859-15',
  'ISO_IR 13': 'shift_jis',
  'ISO_IR 166': 'windows-874',
  'ISO_IR 192': 'utf-8',
  GB18030: 'gb18030',
  GBK: 'gb18030',
};

/** What an escape sequence invokes (PS3.3 Tables C.12-3 and C.12-4), by the bytes after ESC. */
const ESCAPES: Readonly<Record<string, { readonly half: 'g0' | 'g1'; readonly set: string }>> = {
  '(B': { half: 'g0', set: LATIN_1 },
  '(J': { half: 'g0', set: LATIN_1 },
  ')I': { half: 'g1', set: 'shift_jis' },
  $B: { half: 'g0', set: 'jis-x-0208' },
  '$@': { half: 'g0', set: 'jis-x-0208' },
  '$(D': { half: 'g0', set: 'jis-x-0212' },
  '$)C': { half: 'g1', set: 'euc-kr' },
  '$)A': { half: 'g1', set: 'gb18030' },
  '-A': { half: 'g1', set: LATIN_1 },
  '-B': { half: 'g1', set: 'iso-8859-2' },
  '-C': { half: 'g1', set: 'iso-8859-3' },
  '-D': { half: 'g1', set: 'iso-8859-4' },
  '-L': { half: 'g1', set: 'iso-8859-5' },
  '-G': { half: 'g1', set: 'iso-8859-6' },
  '-F': { half: 'g1', set: 'iso-8859-7' },
  '-H': { half: 'g1', set: 'iso-8859-8' },
  '-M': { half: 'g1', set: 'windows-1254' },
  '-b': { half: 'g1', set: 'iso-8859-15' },
  '-T': { half: 'g1', set: 'windows-874' },
};

const ESC = 0x1b;
const decoders = new Map<string, { decode(bytes: Uint8Array): string }>();

/**
 * Decodes one element's value, backslashes and all. Bytes a set does not have become U+FFFD; an unknown term reads as
 * Latin-1, so that no byte is lost.
 *
 * @param terms - values of Specific Character Set, as read from the data set; empty for the default repertoire
 */
export function decodeText(bytes: Uint8Array, terms: readonly string[]): string {
  if (isPlainAscii(bytes)) return latin1(bytes);
  const initial = labelOf(terms[0] ?? '');
  // PS3.3 Section C.12.1.1.2: code extensions are in use when there are several terms or the one is of ISO 2022.
  const usesEscapes = bytes.includes(ESC) && initial !== 'utf-8' && initial !== 'gb18030';
  return usesEscapes ? decodeExtended(bytes, initial) : decode(bytes, initial);
}

/** The defined terms of (0008,0005), from its value bytes. */
export function parseCharacterSets(value: Uint8Array): readonly string[] {
  return latin1(value)
    .split('\\')
    .map((term) => term.replaceAll('\0', ' ').trim());
}

/** One character a byte, without looking at any character set. */
export function latin1(bytes: Uint8Array): string {
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString('latin1');
}

function labelOf(term: string): string {
  return SETS[term.replace(/^ISO[ _]2022[ _]IR[ _]/, 'ISO_IR ').replace(/^ISO[ -]IR[ _]/, 'ISO_IR ')] ?? LATIN_1;
}

function decodeExtended(bytes: Uint8Array, initial: string): string {
  let text = '';
  let g0 = LATIN_1;
  let g1 = initial;
  let offset = 0;
  while (offset < bytes.length) {
    const byte = bytes[offset] ?? 0;
    if (byte === ESC) {
      const escape = escapeAt(bytes, offset + 1);
      if (escape === undefined) {
        // Not an escape sequence of DICOM: keep the byte, it may stand between letters of a value we search for.
        text += '\x1b';
        offset += 1;
        continue;
      }
      if (escape.half === 'g0') g0 = escape.set;
      else g1 = escape.set;
      offset += escape.length;
      continue;
    }
    if (g0 === LATIN_1 && isDelimiter(byte)) {
      // PS3.5 Section 6.1.2.5.3: at a delimiter the initial sets are active again.
      g1 = initial;
      text += String.fromCharCode(byte);
      offset += 1;
      continue;
    }
    const isHigh = byte >= 0x80;
    let end = offset + 1;
    while (end < bytes.length && continues(bytes[end] ?? 0, isHigh, g0)) end++;
    text += isHigh ? decode(bytes.subarray(offset, end), g1) : decodeLow(bytes.subarray(offset, end), g0);
    offset = end;
  }
  return text;
}

function continues(byte: number, isHigh: boolean, g0: string): boolean {
  return byte !== ESC && byte >= 0x80 === isHigh && !(g0 === LATIN_1 && isDelimiter(byte));
}

function escapeAt(bytes: Uint8Array, offset: number) {
  for (const length of [3, 2]) {
    const name = latin1(bytes.subarray(offset, offset + length));
    const escape = Object.hasOwn(ESCAPES, name) ? ESCAPES[name] : undefined;
    if (escape !== undefined) return { ...escape, length: length + 1 };
  }
  return undefined;
}

/** The lower half: ASCII, or two-byte sets, which EUC-JP holds in its upper half. */
function decodeLow(bytes: Uint8Array, g0: string): string {
  if (g0 === LATIN_1) return latin1(bytes);
  const prefix = g0 === 'jis-x-0212' ? [0x8f] : [];
  const euc: number[] = [];
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const first = bytes[i] ?? 0;
    // Control characters and spaces stand outside of a two-byte set.
    if (first < 0x21) {
      text += decode(Uint8Array.from(euc.splice(0)), 'euc-jp') + String.fromCharCode(first);
      continue;
    }
    euc.push(...prefix, first | 0x80, (bytes[++i] ?? 0) | 0x80);
  }
  return text + decode(Uint8Array.from(euc), 'euc-jp');
}

function decode(bytes: Uint8Array, label: string): string {
  if (label === LATIN_1) return latin1(bytes);
  const decoder = decoders.get(label) ?? new TextDecoder(label);
  decoders.set(label, decoder);
  return decoder.decode(bytes);
}

function isPlainAscii(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x80 || byte === ESC) return false;
  }
  return true;
}

/** Line feed, form feed, carriage return, and the delimiters of values and of person names. */
function isDelimiter(byte: number): boolean {
  return byte === 0x0a || byte === 0x0c || byte === 0x0d || byte === 0x5c || byte === 0x5e || byte === 0x3d;
}
