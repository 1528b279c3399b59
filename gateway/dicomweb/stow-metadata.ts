/**
 * Instances that come as DICOM JSON with their bulk data beside it (PS3.18 Section 10.5.1). Small values wait in memory
 * until an instance has all of them; one large value, the pixel data as a rule, streams into the spool as it comes.
 */
import { jsonText, readJsonInstance, type BulkDataGap, type JsonInstance } from '../../core/dicom/json-model-reader.ts';
import { paddingOf } from '../../core/dicom/encode-element.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../core/errors.ts';
import {
  compressionOf,
  elementHeader,
  encapsulated,
  encapsulationHead,
  encapsulationTail,
  fragment,
  nativeLength,
} from './bulk-data.ts';
import { jsonDataSets } from './json-data-sets.ts';
import type { MemoryShare } from './memory-share.ts';
import type { Part } from '../../peers/dicomweb/multipart.ts';
import { begin, failureOf, outcomeOf, type Begun, type InstancePorts, type RequestContext } from './stow-instance.ts';
import type { InstanceOutcome } from './stow-response.ts';

/** A part up to here waits in memory, where its length is known and its place may come later. */
const HELD_PART_BYTES = 8 * 1024 * 1024;
/** Of JSON, for one data set: thousands of frames have a few MiB of functional groups, or contours as many. */
const DATA_SET_BYTES = 16 * 1024 * 1024;

interface Pending {
  readonly json: JsonInstance;
  /** Of memory, for what was read. */
  readonly jsonBytes: number;
  readonly gaps: readonly BulkDataGap[];
  readonly values: Map<BulkDataGap, Uint8Array>;
  transferSyntaxUid: string;
  isDone: boolean;
}

interface Place {
  readonly pending: Pending;
  readonly gap: BulkDataGap;
}

export class MetadataInstances {
  readonly #pending = new Set<Pending>();
  /** By what the URI of a gap comes to. */
  readonly #places = new Map<string, Place[]>();
  #instances = 0;
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

  /** A metadata part. @throws {HubError} `request.invalid` when it is not JSON, `request.too-large` */
  async metadata(body: AsyncIterable<Buffer>, maxInstances: number): Promise<void> {
    for await (const { json, bytes } of jsonDataSets(body, DATA_SET_BYTES, this.#memory)) {
      this.#instances += 1;
      if (this.#instances > maxInstances) throw new HubError('request.too-large', { maxInstances });
      let read: JsonInstance;
      try {
        read = readJsonInstance(json);
      } catch (error) {
        this.#memory.give(bytes);
        await this.#settle(
          Promise.resolve(
            failureOf(
              error,
              namesOf((tag) => jsonText(json, tag)),
            ),
          ),
        );
        continue;
      }
      const gaps = read.pieces.filter((piece): piece is BulkDataGap => !(piece instanceof Uint8Array));
      const pending: Pending = {
        json: read,
        jsonBytes: bytes,
        gaps,
        values: new Map(),
        transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN,
        isDone: false,
      };
      if (gaps.length === 0) await this.#write(pending);
      else this.#wait(pending);
    }
  }

  /** A part with bulk data, read to its end. @throws {HubError} what ended the request */
  async bulkData(part: Part): Promise<void> {
    const places = this.#takePlaces(part.location);
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
    const isLast =
      first.pending.gaps.at(-1) === first.gap && first.pending.values.size === first.pending.gaps.length - 1;
    if (isWhole) {
      for (const { pending, gap } of places) await this.#put(pending, gap, part, start);
    } else if (places.length > 1 || !isLast) {
      for (const { pending } of places)
        await this.#fail(pending, new HubError('dataset.too-large', { maxBytes: HELD_PART_BYTES }));
    } else {
      await this.#stream(first.pending, first.gap, part, start, chunks);
    }
    this.#memory.give(bytes);
  }

  /** No more parts: what still has gaps cannot be stored. */
  async end(): Promise<void> {
    for (const pending of this.#pending) {
      await this.#fail(pending, new HubError('dataset.unreadable', { detail: 'bulk-data-missing' }));
    }
  }

  #wait(pending: Pending): void {
    this.#pending.add(pending);
    for (const gap of pending.gaps) {
      const uri = this.#resolved(gap.uri);
      const places = this.#places.get(uri) ?? [];
      places.push({ pending, gap });
      this.#places.set(uri, places);
    }
  }

  /** What a part is for; a second part for the same is for nothing. */
  #takePlaces(location: string | undefined): readonly Place[] {
    if (location === undefined) return [];
    const uri = this.#resolved(location);
    const places = this.#places.get(uri) ?? [];
    this.#places.delete(uri);
    return places.filter(({ pending }) => !pending.isDone);
  }

  #resolved(uri: string): string {
    return URL.canParse(uri, this.#base) ? new URL(uri, this.#base).href : uri;
  }

  async #put(pending: Pending, gap: BulkDataGap, part: Part, value: Buffer): Promise<void> {
    if (pending.isDone) return;
    let element: Uint8Array;
    try {
      const compression = this.#compression(pending, gap, part, value);
      if (compression === undefined) {
        const pad = value.length % 2 === 1 ? [Uint8Array.of(paddingOf(gap.vr))] : [];
        element = Buffer.concat([elementHeader(gap.tag, gap.vr, value.length), value, ...pad]);
      } else {
        pending.transferSyntaxUid = compression;
        element = Buffer.concat([encapsulationHead(), fragment(value), encapsulationTail()]);
      }
    } catch (error) {
      await this.#fail(pending, error);
      return;
    }
    // One part may be for thousands of instances, and each has a copy of its own.
    this.#memory.take(element.length);
    pending.values.set(gap, element);
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
      else for await (const piece of encapsulated(after(start, rest))) await this.#push(begun, piece);
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
    if (length % 2 === 1) await this.#push(begun, Uint8Array.of(paddingOf(gap.vr)));
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
    return begin({ ...namesOf(json.value), transferSyntaxUid }, this.#ports);
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
    this.#release(pending);
    await this.#settle(Promise.resolve(failureOf(error, namesOf(pending.json.value))));
  }

  #release(pending: Pending): void {
    pending.isDone = true;
    this.#pending.delete(pending);
    this.#memory.give(pending.jsonBytes);
    for (const value of pending.values.values()) this.#memory.give(value.length);
    pending.values.clear();
  }
}

function namesOf(value: JsonInstance['value']) {
  return { sopClassUid: value(TAG.SOPClassUID) ?? '', sopInstanceUid: value(TAG.SOPInstanceUID) ?? '' };
}

async function* after(start: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield start;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}
