/**
 * Instances that come as DICOM JSON with their bulk data beside it (PS3.18 Section 10.5.1). Small values wait in memory
 * until an instance has all of them; one large value, the pixel data as a rule, streams into the spool as it comes.
 */
import { readJsonInstance, type BulkDataGap, type JsonInstance } from '../../core/dicom/json-model-reader.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../core/errors.ts';
import { compressionOf, elementHeader, encapsulationHead, encapsulationTail, fragment } from './bulk-data.ts';
import type { MemoryShare } from './memory-share.ts';
import type { Part } from './multipart.ts';
import { begin, failureOf, outcomeOf, type Begun, type InstancePorts, type RequestContext } from './stow-instance.ts';
import type { InstanceOutcome } from './stow-response.ts';

/** A part up to here waits in memory, where its length is known and its place may come later. */
const HELD_PART_BYTES = 8 * 1024 * 1024;
const FRAGMENT_BYTES = 1024 * 1024;

interface Pending {
  readonly json: JsonInstance;
  readonly gaps: readonly BulkDataGap[];
  readonly values: Map<BulkDataGap, Uint8Array>;
  transferSyntaxUid: string;
  isDone: boolean;
}

export class MetadataInstances {
  readonly #pending: Pending[] = [];
  readonly #context: RequestContext;
  readonly #ports: InstancePorts;
  readonly #memory: MemoryShare;
  /** What the URIs of the request are relative to. */
  readonly #base: string;
  readonly #settle: (outcome: Promise<InstanceOutcome>) => Promise<void>;

  /** @param settle - told the outcome of each instance, once; resolves when there may be more */
  constructor(
    context: RequestContext,
    ports: InstancePorts,
    memory: MemoryShare,
    base: string,
    settle: (outcome: Promise<InstanceOutcome>) => Promise<void>,
  ) {
    this.#context = context;
    this.#ports = ports;
    this.#memory = memory;
    this.#base = base;
    this.#settle = settle;
  }

  /** A metadata part, whole. @throws {HubError} `request.invalid` when it is not JSON */
  async metadata(body: AsyncIterable<Buffer>, maxInstances: number): Promise<void> {
    const text = await this.#whole(body);
    let json: unknown;
    try {
      json = JSON.parse(text.toString('utf8'));
    } catch {
      // The parser's own message quotes what was sent.
      throw new HubError('request.invalid', { detail: 'the metadata is not JSON' });
    }
    const dataSets: readonly unknown[] = Array.isArray(json) ? json : [json];
    if (dataSets.length > maxInstances) throw new HubError('request.too-large', { maxInstances });
    for (const dataSet of dataSets) {
      try {
        const read = readJsonInstance(dataSet);
        const gaps = read.pieces.filter((piece): piece is BulkDataGap => !(piece instanceof Uint8Array));
        const pending: Pending = {
          json: read,
          gaps,
          values: new Map(),
          transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN,
          isDone: false,
        };
        if (gaps.length === 0) await this.#write(pending);
        else this.#pending.push(pending);
      } catch (error) {
        await this.#settle(Promise.resolve(failureOf(error, undefined)));
      }
    }
  }

  /** A part with bulk data, read to its end. @throws {HubError} what ended the request */
  async bulkData(part: Part): Promise<void> {
    const places = this.#placesOf(part.location);
    const [first] = places;
    if (first === undefined) {
      const failure = new HubError('request.invalid', { detail: 'a bulk data part is referred to by no instance' });
      await this.#settle(Promise.resolve({ failure }));
      return;
    }
    const chunks = part.body[Symbol.asyncIterator]();
    const held: Buffer[] = [];
    let bytes = 0;
    let isWhole = false;
    while (bytes < HELD_PART_BYTES && !isWhole) {
      const next = await chunks.next();
      isWhole = next.done === true;
      if (next.done === true) break;
      this.#memory.take(next.value.length);
      held.push(next.value);
      bytes += next.value.length;
    }
    const start = Buffer.concat(held);
    if (isWhole) {
      for (const { pending, gap } of places) await this.#put(pending, gap, part, start);
      return;
    }
    const isLast =
      first.pending.gaps.at(-1) === first.gap && first.pending.values.size === first.pending.gaps.length - 1;
    if (places.length > 1 || !isLast) {
      for (const { pending } of places)
        await this.#fail(pending, new HubError('dataset.too-large', { maxBytes: HELD_PART_BYTES }));
      return;
    }
    await this.#stream(first.pending, first.gap, part, start, chunks);
    this.#memory.give(bytes);
  }

  /** No more parts: what still has gaps cannot be stored. */
  async end(): Promise<void> {
    for (const pending of this.#pending) {
      await this.#fail(pending, new HubError('dataset.unreadable', { detail: 'bulk-data-missing' }));
    }
  }

  #placesOf(location: string | undefined): readonly { readonly pending: Pending; readonly gap: BulkDataGap }[] {
    if (location === undefined) return [];
    const wanted = this.#resolved(location);
    return this.#pending.flatMap((pending) =>
      pending.isDone
        ? []
        : pending.gaps
            .filter((gap) => !pending.values.has(gap) && this.#resolved(gap.uri) === wanted)
            .map((gap) => ({ pending, gap })),
    );
  }

  #resolved(uri: string): string {
    return URL.canParse(uri, this.#base) ? new URL(uri, this.#base).href : uri;
  }

  async #put(pending: Pending, gap: BulkDataGap, part: Part, value: Buffer): Promise<void> {
    if (pending.isDone) return;
    try {
      const compression = this.#compression(pending, gap, part, value);
      if (compression === undefined) {
        const pad = value.length % 2 === 1 ? [Uint8Array.of(0)] : [];
        pending.values.set(gap, Buffer.concat([elementHeader(gap.tag, gap.vr, value.length), value, ...pad]));
      } else {
        pending.transferSyntaxUid = compression;
        pending.values.set(gap, Buffer.concat([encapsulationHead(), fragment(value), encapsulationTail()]));
      }
    } catch (error) {
      await this.#fail(pending, error);
      return;
    }
    if (pending.values.size === pending.gaps.length) await this.#write(pending);
  }

  async #write(pending: Pending): Promise<void> {
    const begun = this.#begin(pending);
    await this.#push(
      begun,
      ...pending.json.pieces.map((piece) => (piece instanceof Uint8Array ? piece : pending.values.get(piece))),
    );
    await this.#finish(pending, begun);
  }

  /** The last value of an instance goes straight to the spool, whatever its size. */
  async #stream(
    pending: Pending,
    gap: BulkDataGap,
    part: Part,
    start: Buffer,
    rest: AsyncIterator<Buffer>,
  ): Promise<void> {
    let begun: Begun | undefined;
    try {
      const compression = this.#compression(pending, gap, part, start);
      const length = part.announcedBytes ?? nativeLength(pending.json, gap);
      if (compression === undefined && length === undefined)
        throw new HubError('dataset.unreadable', { detail: 'bulk-data-length-not-known' });
      if (compression !== undefined) pending.transferSyntaxUid = compression;
      begun = this.#begin(pending);
      const at = pending.json.pieces.indexOf(gap);
      const known = (piece: Uint8Array | BulkDataGap) =>
        piece instanceof Uint8Array ? piece : pending.values.get(piece);
      await this.#push(begun, ...pending.json.pieces.slice(0, at).map(known));
      if (compression === undefined) await this.#native(begun, gap, length ?? 0, start, rest);
      else await this.#encapsulated(begun, start, rest);
      await this.#push(begun, ...pending.json.pieces.slice(at + 1).map(known));
    } catch (error) {
      await begun?.reception.abandon();
      // A cut-off request ends all of it; what is wrong with this value ends only its instance.
      if (!(error instanceof HubError) || !error.code.startsWith('dataset.')) throw error;
      await this.#fail(pending, error);
      return;
    }
    await this.#finish(pending, begun);
  }

  async #native(
    begun: Begun,
    gap: BulkDataGap,
    length: number,
    start: Buffer,
    rest: AsyncIterator<Buffer>,
  ): Promise<void> {
    await this.#push(begun, elementHeader(gap.tag, gap.vr, length));
    let bytes = 0;
    for await (const chunk of after(start, rest)) {
      bytes += chunk.length;
      if (bytes > length) break;
      await this.#push(begun, chunk);
    }
    if (bytes !== length) throw new HubError('dataset.unreadable', { detail: 'bulk-data-length' });
    if (length % 2 === 1) await this.#push(begun, Uint8Array.of(0));
  }

  /** PS3.5 Section A.4 lets a frame have several fragments: so its length need not be known. */
  async #encapsulated(begun: Begun, start: Buffer, rest: AsyncIterator<Buffer>): Promise<void> {
    await this.#push(begun, encapsulationHead());
    let held = Buffer.alloc(0);
    for await (const chunk of after(start, rest)) {
      held = Buffer.concat([held, chunk]);
      while (held.length >= FRAGMENT_BYTES) {
        await this.#push(begun, fragment(held.subarray(0, FRAGMENT_BYTES)));
        held = held.subarray(FRAGMENT_BYTES);
      }
    }
    if (held.length > 0) await this.#push(begun, fragment(held));
    await this.#push(begun, encapsulationTail());
  }

  #compression(pending: Pending, gap: BulkDataGap, part: Part, first: Uint8Array): string | undefined {
    if (gap.tag !== TAG.PixelData || !gap.isTopLevel) return undefined;
    const compression = compressionOf(part.contentType, first, pending.json.transferSyntaxUid);
    const isVideo = part.contentType.type.startsWith('video/');
    // Where one frame ends in the bytes of several, nobody says.
    if (compression !== undefined && !isVideo && Number(pending.json.value(TAG.NumberOfFrames) ?? 1) > 1)
      throw new HubError('dataset.unreadable', { detail: 'several-frames-in-one-part' });
    return compression;
  }

  #begin({ json, transferSyntaxUid }: Pending): Begun {
    const meta = {
      sopClassUid: json.value(TAG.SOPClassUID) ?? '',
      sopInstanceUid: json.value(TAG.SOPInstanceUID) ?? '',
      transferSyntaxUid,
    };
    return begin(meta, this.#ports);
  }

  async #push({ reception }: Begun, ...parts: readonly (Uint8Array | undefined)[]): Promise<void> {
    for (const part of parts) {
      if (part !== undefined && !reception.push(part)) await reception.room();
    }
  }

  async #finish(pending: Pending, begun: Begun): Promise<void> {
    this.#release(pending);
    await this.#settle(outcomeOf(begun, this.#context, this.#ports));
  }

  async #fail(pending: Pending, error: unknown): Promise<void> {
    if (pending.isDone) return;
    const { json } = pending;
    this.#release(pending);
    const named = {
      sopClassUid: json.value(TAG.SOPClassUID) ?? '',
      sopInstanceUid: json.value(TAG.SOPInstanceUID) ?? '',
    };
    await this.#settle(Promise.resolve(failureOf(error, named)));
  }

  #release(pending: Pending): void {
    pending.isDone = true;
    for (const value of pending.values.values()) this.#memory.give(value.length);
    pending.values.clear();
  }

  async #whole(body: AsyncIterable<Buffer>): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of body) {
      this.#memory.take(chunk.length);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }
}

async function* after(start: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield start;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

/** PS3.5 Section 8.1.1: what native pixel data must have, so that it can be announced before it is there. */
function nativeLength(json: JsonInstance, gap: BulkDataGap): number | undefined {
  if (gap.tag !== TAG.PixelData || !gap.isTopLevel) return undefined;
  const number = (tag: number, otherwise: number) => Number(json.value(tag) ?? otherwise);
  const pixels = number(TAG.Rows, NaN) * number(TAG.Columns, NaN) * number(TAG.NumberOfFrames, 1);
  const bits = pixels * number(TAG.SamplesPerPixel, 1) * number(TAG.BitsAllocated, NaN);
  return Number.isSafeInteger(bits) && bits > 0 ? Math.ceil(bits / 8) : undefined;
}
