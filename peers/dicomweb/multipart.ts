/**
 * RFC 2046 Section 5.1 as PS3.18 Section 8.6.1.2 uses it: multipart/related, read as a stream. Nothing is held but the
 * few bytes that may be the beginning of a boundary; who reads slowly slows the sender down.
 */
import { HubError } from '../../core/errors.ts';
import { type MediaType, parseMediaType } from './media-type.ts';

export interface MultipartLimits {
  readonly maxParts: number;
  readonly maxHeaderBytes: number;
}

export interface Part {
  /** Its `type` is empty when the part names none. */
  readonly contentType: MediaType;
  /** Content-Location, as the sender wrote it. */
  readonly location: string | undefined;
  /** Content-Length, where it is a number; the sender's word. */
  readonly announcedBytes: number | undefined;
  /** To be read, or left, before the next part is asked for. */
  readonly body: AsyncIterable<Buffer>;
}

const CRLF = '\r\n';
const BLANK_LINE = '\r\n\r\n';
/** RFC 2046 Section 5.1.1 allows 70 characters; Orthanc sends 73. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{1,200}$/;
/** Blanks a transport may put behind a boundary; more of them are no delimiter. */
const MAX_PADDING = 256;
/** Every delimiter begins with it. */
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

/** Boundary of a multipart/related type. @throws {HubError} `request.invalid` when it is missing or not valid */
export function boundaryOf(type: MediaType): string {
  const boundary = type.parameters.get('boundary') ?? '';
  if (!BOUNDARY.test(boundary) || boundary.endsWith(' ')) {
    throw new HubError('request.invalid', { detail: 'the multipart boundary is missing or not valid' });
  }
  return boundary;
}

/** @throws {HubError} `request.invalid` when the body ends early or is not what its type says, `request.too-large` */
export async function* multipartParts(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
  limits: MultipartLimits,
): AsyncGenerator<Part> {
  const input = new Input(body, Buffer.from(`${CRLF}--${boundary}`));
  try {
    for await (const _ of input.upToDelimiter()); // The preamble is not for us.
    for (let parts = 1; !(await input.isLastDelimiter()); parts += 1) {
      if (parts > limits.maxParts) throw new HubError('request.too-large', { maxParts: limits.maxParts });
      const header = fieldsOf(await input.header(limits.maxHeaderBytes));
      const content = input.upToDelimiter();
      const length = header.get('content-length') ?? '';
      yield {
        contentType: parseMediaType(header.get('content-type') ?? ''),
        location: header.get('content-location'),
        announcedBytes: /^\d{1,15}$/.test(length) ? Number(length) : undefined,
        body: content,
      };
      for await (const _ of content); // What the reader left.
    }
  } finally {
    await input.leave();
  }
}

class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #delimiter: Buffer;
  /** The first delimiter has no line before it; this is its line break. */
  #buffer: Buffer = Buffer.from(CRLF);

  constructor(body: AsyncIterable<Uint8Array>, delimiter: Buffer) {
    this.#chunks = body[Symbol.asyncIterator]();
    this.#delimiter = delimiter;
  }

  /** The rest of the body is not wanted. */
  async leave(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** Bytes before the next delimiter, which is taken too. */
  async *upToDelimiter(): AsyncGenerator<Buffer> {
    /** Up to here no delimiter begins. */
    let clear = 0;
    for (;;) {
      const at = this.#buffer.indexOf(this.#delimiter, clear);
      if (at === -1) {
        const safe = this.#beginOfDelimiter(clear);
        if (safe > 0) yield this.#taken(safe);
        clear = 0;
        await this.#more();
        continue;
      }
      const end = await this.#endOfDelimiter(at);
      if (end !== undefined) {
        const last = this.#taken(at);
        this.#taken(end - at);
        if (at > 0) yield last;
        return;
      }
      // A longer line that only begins like a boundary: it is data.
      clear = at + 1;
    }
  }

  /**
   * Where the last bytes may be the beginning of a delimiter; nearly always nowhere. Kept back whatever they are, they
   * would make every chunk of the body be copied behind them, and its memory cost a collection of garbage each few requests.
   */
  #beginOfDelimiter(clear: number): number {
    const from = Math.max(clear, this.#buffer.length - this.#delimiter.length + 1);
    const at = this.#buffer.indexOf(CR, from);
    return at === -1 ? this.#buffer.length : at;
  }

  #taken(bytes: number): Buffer {
    const taken = this.#buffer.subarray(0, bytes);
    this.#buffer = this.#buffer.subarray(bytes);
    return taken;
  }

  async isLastDelimiter(): Promise<boolean> {
    while (this.#buffer.length < 2) await this.#more();
    return this.#buffer.toString('latin1', 0, 2) === '--';
  }

  /** From the end of the delimiter to the blank line. */
  async header(maxBytes: number): Promise<string> {
    for (;;) {
      const end = this.#buffer.indexOf(BLANK_LINE);
      if (end !== -1 && end <= maxBytes) {
        const header = this.#buffer.toString('latin1', 0, end);
        this.#buffer = this.#buffer.subarray(end + BLANK_LINE.length);
        return header;
      }
      if (this.#buffer.length > maxBytes) {
        throw new HubError('request.invalid', { detail: 'the header of a part is too long' });
      }
      await this.#more();
    }
  }

  /**
   * RFC 2046 Section 5.1.1: behind a boundary stand two hyphens, or blanks and a line break.
   *
   * @returns where the hyphens or the line break begin; undefined when the line goes on and is none
   */
  async #endOfDelimiter(delimiterAt: number): Promise<number | undefined> {
    const start = delimiterAt + this.#delimiter.length;
    while (this.#buffer.length < start + 2) await this.#more();
    if (this.#buffer.toString('latin1', start, start + 2) === '--') return start;
    for (let at = start; at <= start + MAX_PADDING; at += 1) {
      while (this.#buffer.length < at + 2) await this.#more();
      const byte = this.#buffer[at];
      if (byte === SPACE || byte === TAB) continue;
      return this.#buffer.toString('latin1', at, at + 2) === CRLF ? at : undefined;
    }
    return undefined;
  }

  async #more(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done === true)
      throw new HubError('request.invalid', { detail: 'the request ends before its last boundary' });
    this.#buffer = this.#buffer.length === 0 ? viewOf(next.value) : Buffer.concat([this.#buffer, next.value]);
  }
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** RFC 5322 Section 2.2: by name in lower case, the first of each; a line that begins with a blank goes on the one before. */
function fieldsOf(header: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of header.replaceAll(/\r\n(?=[ \t])/g, '').split(CRLF)) {
    const [, name, value] = /^([^\s:]+)\s*:\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined || fields.has(name.toLowerCase())) continue;
    fields.set(name.toLowerCase(), value.trim());
  }
  return fields;
}
