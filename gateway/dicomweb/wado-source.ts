/** What can be retrieved: instances somewhere in the store, and their headers, kept for the next frame of the same instance. */
import type { Request } from 'express';
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { Item } from '../../core/dicom/element.ts';
import { readHeader, type Part10Header } from '../../core/dicom/part10.ts';
import { transferSyntax } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError, toHubError } from '../../core/errors.ts';
import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { Logger } from '../../core/ports.ts';
import type { BlobRef, ByteSource, InstanceItem, ObjectStore } from '../../core/store.ts';
import { describePixels, type PixelDescription } from '../../pixels/description.ts';
import { framePlaces, readFrameBytes, type FramePlaces } from '../../pixels/frame-places.ts';

/**
 * The instances that may be seen at this door, of a study, a series or one alone; empty when there are none. Which
 * those are is for the port to say: all that was received, or what was released to whoever asks.
 */
export type InstancesOf = (
  study: StudyInstanceUid,
  series: SeriesInstanceUid | undefined,
  instance: SopInstanceUid | undefined,
  request: Request,
) => Promise<readonly InstanceItem[]>;

/** All that was received. */
export function receivedInstances(ledger: Pick<Ledger, 'instances' | 'studies'>): InstancesOf {
  return async (study, series, instance) => {
    const items =
      instance === undefined
        ? await ledger.instances.ofStudy(study, series === undefined ? {} : { series: [series] })
        : [await ledger.instances.one(study, instance, series)].filter((item) => item !== undefined);
    if (items.length === 0 && (await ledger.studies.get(study))?.expiredAt !== undefined)
      throw new HubError('resource.gone', { detail: 'what was received of the study was removed after delivery' });
    return items;
  };
}

/** Pixel data of an opened instance. */
export interface OpenedPixels {
  readonly description: PixelDescription;
  readonly places: FramePlaces;
  /** One frame as stored, in a buffer of its own. @param frame - from 0 */
  readonly read: (frame: number) => Promise<Uint8Array>;
}

/** One instance with its header read. It holds a file open until `close`. */
export interface OpenedInstance {
  readonly item: InstanceItem;
  readonly header: Part10Header;
  readonly dataSet: DataSet;
  readonly source: ByteSource;
  /** @throws {HubError} `resource.not-found` without pixel data, `pixels.*` */
  pixels(): Promise<OpenedPixels>;
  close(): Promise<void>;
}

interface Known {
  readonly header: Part10Header;
  readonly heldBytes: number;
  pixels?: { readonly description: PixelDescription; readonly places: FramePlaces };
}

/** Headers kept, of all requests together: a viewer asks for the frames of one instance one by one. */
const KEPT_BYTES = 128 * 1024 * 1024;
const KEPT_HEADERS = 64;
/** What an element that was read takes beside its bytes: four million of them fit into a header of 64 MiB. */
const ELEMENT_BYTES = 160;

export class InstanceOpener {
  readonly #store: ObjectStore;
  readonly #log: Logger;
  /** The order of a map is that of its insertions: the first was not asked for the longest. */
  readonly #known = new Map<BlobRef, Known>();
  #knownBytes = 0;
  /** Being read: the six connections of a viewer ask for one instance at the same time. */
  readonly #underWay = new Map<BlobRef, Promise<Known>>();

  constructor(store: ObjectStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  /** @throws {HubError} `resource.gone` when the ledger knows the instance and the store has lost it */
  async bytes(item: InstanceItem): Promise<ByteSource> {
    try {
      return await this.#store.open(item.blob);
    } catch (error) {
      if (toHubError(error).code !== 'store.missing') throw error;
      this.#log.error('stored bytes of an instance are missing', {
        studyInstanceUid: item.studyInstanceUid,
        sopInstanceUid: item.sopInstanceUid,
        blob: item.blob,
      });
      throw new HubError('resource.gone', {}, error);
    }
  }

  async open(item: InstanceItem): Promise<OpenedInstance> {
    const source = await this.bytes(item);
    try {
      const known = this.#known.get(item.blob) ?? (await this.#read(item.blob, source));
      this.#keep(item.blob, known);
      return opened(item, source, known);
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  #read(blob: BlobRef, source: ByteSource): Promise<Known> {
    const underWay = this.#underWay.get(blob);
    if (underWay !== undefined) return underWay;
    const reading = readHeader(source)
      .then((header) => ({ header, heldBytes: heldBytes(header) }))
      .finally(() => this.#underWay.delete(blob));
    this.#underWay.set(blob, reading);
    return reading;
  }

  #keep(blob: BlobRef, known: Known): void {
    const before = this.#known.get(blob);
    if (before !== undefined) this.#forget(blob, before);
    this.#known.set(blob, known);
    this.#knownBytes += known.heldBytes;
    for (const [oldest, header] of this.#known) {
      if (this.#known.size <= KEPT_HEADERS && this.#knownBytes <= KEPT_BYTES) break;
      this.#forget(oldest, header);
    }
  }

  #forget(blob: BlobRef, { heldBytes: bytes }: Known): void {
    this.#known.delete(blob);
    this.#knownBytes -= bytes;
  }
}

function heldBytes({ inflated, bytes, dataSet }: Part10Header): number {
  return (inflated ?? bytes).length + ELEMENT_BYTES * elementsOf(dataSet.item);
}

function elementsOf({ elements }: Item): number {
  return elements.reduce(
    (count, { items = [] }) => count + 1 + items.reduce((sum, item) => sum + elementsOf(item), 0),
    0,
  );
}

function opened(item: InstanceItem, source: ByteSource, known: Known): OpenedInstance {
  const { header } = known;
  return {
    item,
    header,
    dataSet: header.dataSet,
    source,
    pixels: async () => {
      const { description, places } = (known.pixels ??= await pixelsOf(source, header));
      return {
        description,
        places,
        read: (frame) => readFrameBytes(source, header, description, places, frame),
      };
    },
    close: () => source.close(),
  };
}

async function pixelsOf(source: ByteSource, header: Part10Header) {
  const { pixelData, dataSet } = header;
  if (pixelData === undefined) throw new HubError('resource.not-found', { detail: 'the instance has no pixel data' });
  const description = describePixels(dataSet, pixelData.tag);
  // PS3.5 Section 8.1.2: pairs of pixels would have to be turned, across the borders of frames.
  if (
    transferSyntax(header.transferSyntaxUid)?.bigEndian === true &&
    pixelData.vr === 'OW' &&
    description.bitsAllocated < 16
  )
    throw new HubError('pixels.unsupported', { detail: 'big endian words of less than 16 bits' });
  return { description, places: await framePlaces(source, header, description) };
}
