/**
 * RFC 2046 Section 5.1 as PS3.18 Section 8.6.1.2 uses it: multipart/related, read as a stream. Nothing is held but the
 * few bytes that may be the beginning of a boundary; who reads slowly slows the sender down.
 */
import { HubError } from '../../core/errors.ts';

export interface MultipartLimits {
  readonly maxParts: number;
  readonly maxHeaderBytes: number;
}

export interface Part {
  /** Lower-case media type without parameters; empty when the part names none. */
  readonly mediaType: string;
  /** To be read, or left, before the next part is asked for. */
  readonly body: AsyncIterable<Buffer>;
}

const CRLF = '\r\n';
const BLANK_LINE = '\r\n\r\n';
/** RFC 2046 Section 5.1.1 */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{1,70}$/;

/**
 * Boundary and root type of a multipart/related request.
 *
 * @throws {HubError} `request.media-type` when it is not multipart/related or of other parts, `request.invalid` without boundary
 */
export function parseMultipartType(contentType: string | undefined, rootType: string): string {
  const type = parseMediaType(contentType ?? '');
  // PS3.18 Section 10.5.3: 415 for whatever else the Content-Type names, multipart or not.
  if (type.mediaType !== 'multipart/related')
    throw new HubError('request.media-type', { detail: type.mediaType === '' ? 'no Content-Type' : type.mediaType });
  const root = type.parameters.get('type')?.toLowerCase();
  if (root !== undefined && root !== rootType) throw new HubError('request.media-type', { detail: `type=${root}` });
  const boundary = type.parameters.get('boundary') ?? '';
  if (!BOUNDARY.test(boundary) || boundary.endsWith(' ')) {
    throw new HubError('request.invalid', { detail: 'the multipart boundary is missing or not valid' });
  }
  return boundary;
}

/** @throws {HubError} `request.invalid` when the body ends early or is not what its type says */
export async function* multipartParts(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
  limits: MultipartLimits,
): AsyncGenerator<Part> {
  const input = new Input(body, Buffer.from(`${CRLF}--${boundary}`));
  for await (const _ of input.upToDelimiter()); // The preamble is not for us.
  for (let parts = 1; !(await input.isLastDelimiter()); parts += 1) {
    if (parts > limits.maxParts) throw new HubError('request.too-large', { maxParts: limits.maxParts });
    const header = await input.header(limits.maxHeaderBytes);
    const content = input.upToDelimiter();
    yield { mediaType: mediaTypeOf(header), body: content };
    for await (const _ of content); // What the reader left.
  }
}

class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #delimiter: Buffer;
  /** The first delimiter has no line before it; this is its line break. */
  #buffer = Buffer.from(CRLF);

  constructor(body: AsyncIterable<Uint8Array>, delimiter: Buffer) {
    this.#chunks = body[Symbol.asyncIterator]();
    this.#delimiter = delimiter;
  }

  /** Bytes before the next delimiter, which is taken too. */
  async *upToDelimiter(): AsyncGenerator<Buffer> {
    for (;;) {
      const at = this.#buffer.indexOf(this.#delimiter);
      if (at !== -1) {
        const last = this.#buffer.subarray(0, at);
        this.#buffer = this.#buffer.subarray(at + this.#delimiter.length);
        if (last.length > 0) yield last;
        return;
      }
      const safe = this.#buffer.length - this.#delimiter.length + 1;
      if (safe > 0) {
        const some = this.#buffer.subarray(0, safe);
        this.#buffer = this.#buffer.subarray(safe);
        yield some;
      }
      await this.#more();
    }
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

  async #more(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done === true)
      throw new HubError('request.invalid', { detail: 'the request ends before its last boundary' });
    this.#buffer = this.#buffer.length === 0 ? Buffer.from(next.value) : Buffer.concat([this.#buffer, next.value]);
  }
}

function mediaTypeOf(header: string): string {
  for (const line of header.split(CRLF)) {
    const [, value] = /^content-type\s*:\s*(.*)$/i.exec(line) ?? [];
    if (value !== undefined) return parseMediaType(value).mediaType;
  }
  return '';
}

/** RFC 9110 Section 8.3.1 */
function parseMediaType(value: string): {
  readonly mediaType: string;
  readonly parameters: ReadonlyMap<string, string>;
} {
  const [, mediaType = '', rest = ''] = /^\s*([^;]*?)\s*(;.*)?$/s.exec(value) ?? [];
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, plain] of rest.matchAll(/;\s*([^=;\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))/g)) {
    parameters.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? plain?.trim() ?? '');
  }
  return { mediaType: mediaType.toLowerCase(), parameters };
}
