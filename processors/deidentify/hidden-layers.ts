/**
 * Texts inside of texts and bytes: what is percent-encoded, escaped as JSON or XML does, base64, hexadecimal, UTF-16 or
 * deflated says the same as the plain text, to whoever looks. One layer at a time, two deep, all of it bounded.
 */
import { gunzipSync, inflateRawSync, inflateSync } from 'node:zlib';
import type { ZlibOptions } from 'node:zlib';
import { constants } from 'node:zlib';

const DEEPEST = 2;
const INFLATED_LIMIT_BYTES = 16 * 1024 * 1024;
/** A stream begins with two bytes that others have too: no more attempts than this per value. */
const ATTEMPT_LIMIT = 256;
/** Shorter runs decode to nothing that identifies. */
const BASE64 = /[A-Za-z0-9+/_-]{6,}={0,2}/g;
const HEXADECIMAL = /(?:[0-9A-Fa-f]{2}){4,}/g;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

/** What a text says once more in other words; without the text itself. */
export function layersOfText(text: string, depth = 0): readonly string[] {
  if (depth >= DEEPEST || text.length < 6) return [];
  const unescaped = [percentDecoded(text), unescapedJson(text), withoutEntities(text)].filter((one) => one !== text);
  const decoded = [
    ...[...text.matchAll(BASE64)].map(([run]) => readable(Buffer.from(run, 'base64'))),
    ...[...text.matchAll(HEXADECIMAL)].map(([run]) => readable(Buffer.from(run, 'hex'))),
  ];
  const found = [...unescaped, ...decoded.filter((one) => one !== undefined)];
  return [...found, ...found.flatMap((one) => layersOfText(one, depth + 1))];
}

/** What bytes hold: deflated streams, zip entries, UTF-16. */
export function layersOfBytes(bytes: Uint8Array): readonly string[] {
  const texts: string[] = [];
  if (isUtf16(bytes)) texts.push(new TextDecoder('utf-16le').decode(bytes), new TextDecoder('utf-16be').decode(bytes));
  for (const inflated of inflatedStreams(bytes)) {
    texts.push(inflated.toString('utf8'));
    if (isUtf16(inflated)) texts.push(inflated.toString('utf16le'));
  }
  return texts;
}

function* inflatedStreams(bytes: Uint8Array): Generator<Buffer> {
  let attempts = 0;
  let budgetBytes = INFLATED_LIMIT_BYTES;
  const options = (): ZlibOptions => ({ maxOutputLength: budgetBytes, finishFlush: constants.Z_SYNC_FLUSH });
  for (let at = 0; at + 4 < bytes.length && attempts < ATTEMPT_LIMIT && budgetBytes > 0; at++) {
    const inflate = inflaterAt(bytes, at);
    if (inflate === undefined) continue;
    attempts += 1;
    try {
      const inflated = inflate(options());
      if (inflated.length < 4) continue;
      budgetBytes -= inflated.length;
      yield inflated;
    } catch {
      // Two bytes that look like a beginning, and are none.
    }
  }
}

function inflaterAt(bytes: Uint8Array, at: number): ((options: ZlibOptions) => Buffer) | undefined {
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  // RFC 1950: deflate with a window of 32 KiB, and a checksum over the two bytes.
  if (first === 0x78 && ((first << 8) | second) % 31 === 0)
    return (options) => inflateSync(bytes.subarray(at), options);
  if (first === 0x1f && second === 0x8b && bytes[at + 2] === 8)
    return (options) => gunzipSync(bytes.subarray(at), options);
  if (first !== 0x50 || second !== 0x4b || bytes[at + 2] !== 3 || bytes[at + 3] !== 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
  if (view.byteLength < 30 || view.getUint16(8, true) !== 8) return undefined;
  const start = at + 30 + view.getUint16(26, true) + view.getUint16(28, true);
  return (options) => inflateRawSync(bytes.subarray(start), options);
}

/** Text that is not ASCII in UTF-16 has no zero bytes of its own: it is told by its mark. */
function isUtf16(bytes: Uint8Array): boolean {
  const mark = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  return bytes.length >= 4 && (mark === 0xfeff || mark === 0xfffe);
}

function percentDecoded(text: string): string {
  if (!/%[0-9A-Fa-f]{2}/.test(text)) return text;
  const bytes = text
    .replaceAll('+', ' ')
    .replaceAll(/(?:%[0-9A-Fa-f]{2})+/g, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'));
  return bytes;
}

function unescapedJson(text: string): string {
  return text.replaceAll(/\\u([0-9A-Fa-f]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function withoutEntities(text: string): string {
  return text.replaceAll(
    /&(?:#x([0-9A-Fa-f]{1,6})|#(\d{1,7})|([a-z]{2,4}));/g,
    (whole, hex?: string, decimal?: string, name?: string) => {
      if (name !== undefined) return ENTITIES[name] ?? whole;
      const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

/** Random bytes are no text: only what decodes to letters is looked at. */
function readable(bytes: Uint8Array): string | undefined {
  if (bytes.length < 4) return undefined;
  const text = Buffer.from(bytes).toString('utf8');
  return /^[^\0-\x08\x0e-\x1f\x7f\ufffd]+$/.test(text) ? text : undefined;
}
