/** Text in the character sets of PS3.3 Section C.12.1.1.2, which Node can read but not write. */

const ESC = 0x1b;
const reversed = new Map<string, ReadonlyMap<string, readonly number[]>>();

/** @param term - of Specific Character Set (0008,0005), its last value where there are several */
export function encodeText(text: string, term: string): Uint8Array {
  switch (term) {
    case '':
    case 'ISO_IR 100':
      return Buffer.from(text, 'latin1');
    case 'ISO_IR 192':
      return Buffer.from(text, 'utf8');
    case 'ISO_IR 126':
      return byTable(text, 'iso-8859-7', 1);
    case 'ISO_IR 144':
      return byTable(text, 'iso-8859-5', 1);
    case 'GB18030':
      return byTable(text, 'gb18030', 2);
    case 'ISO 2022 IR 87':
      return escaped(text, 'euc-jp', [ESC, 0x24, 0x42], [ESC, 0x28, 0x42], 0x7f);
    case 'ISO 2022 IR 149':
      return escaped(text, 'euc-kr', [ESC, 0x24, 0x29, 0x43], [], 0xff);
    default:
      throw new TypeError(`no such character set: ${term}`);
  }
}

/** PS3.5 Section 6.1.2.5.3: every run of foreign characters is announced, and ended before a delimiter. */
function escaped(
  text: string,
  label: string,
  into: readonly number[],
  back: readonly number[],
  mask: number,
): Uint8Array {
  const table = tableOf(label, 2);
  const bytes: number[] = [];
  for (const run of text.match(/[\0-\x7f]+|[^\0-\x7f]+/g) ?? []) {
    if (run.charCodeAt(0) < 0x80) bytes.push(...Buffer.from(run, 'latin1'));
    else
      bytes.push(...into, ...Array.from(run).flatMap((one) => bytesOf(one, table).map((byte) => byte & mask)), ...back);
  }
  return Uint8Array.from(bytes);
}

function byTable(text: string, label: string, size: 1 | 2): Uint8Array {
  const table = tableOf(label, size);
  return Uint8Array.from(
    Array.from(text).flatMap((one) => (one.charCodeAt(0) < 0x80 ? [one.charCodeAt(0)] : bytesOf(one, table))),
  );
}

function bytesOf(character: string, table: ReadonlyMap<string, readonly number[]>): readonly number[] {
  const bytes = table.get(character);
  if (bytes === undefined) throw new TypeError(`${character} is not in this character set`);
  return bytes;
}

function tableOf(label: string, size: 1 | 2): ReadonlyMap<string, readonly number[]> {
  const known = reversed.get(label);
  if (known !== undefined) return known;
  const decoder = new TextDecoder(label);
  const table = new Map<string, readonly number[]>();
  const learn = (bytes: readonly number[]) => {
    const text = decoder.decode(Uint8Array.from(bytes));
    if (Array.from(text).length === 1 && text !== '\ufffd' && !table.has(text)) table.set(text, bytes);
  };
  for (let high = 0xa1; high <= 0xfe; high++)
    if (size === 1) learn([high]);
    else for (let low = 0xa1; low <= 0xfe; low++) learn([high, low]);
  reversed.set(label, table);
  return table;
}
