/** What connectors are handed, made for tests: files, the store they are in, and orders to deliver them. */
import { createHash, randomUUID } from 'node:crypto';
import { readHeader } from '../../core/dicom/part10.ts';
import { encodePart10 } from '../../core/dicom/encode.ts';
import type { ConnectorContext, DeliveryOrder } from '../../core/plugins.ts';
import {
  type ArtefactItem,
  type ByteSource,
  formatBlobRef,
  type InstanceItem,
  type ObjectStore,
  parseBlobRef,
  type RunItem,
} from '../../core/store.ts';
import { openDecodedInstances } from '../../wiring/decoded-instances.ts';
import { silentLog } from './silent-log.ts';

const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';

/** A store over files in memory that a test adds to. */
export class MemoryStore implements ObjectStore {
  readonly #files: Uint8Array[] = [];
  /** How many sources are open: a connector must close what it opens. */
  openSources = 0;

  async instance(bytes: Uint8Array, changes: Partial<InstanceItem> = {}): Promise<InstanceItem> {
    const { dataSet, transferSyntaxUid } = await readHeader(sourceOf(bytes, () => undefined));
    const uid = (keyword: string) => dataSet.string(keyword) ?? '';
    return {
      kind: 'instance',
      ...this.#add(bytes),
      studyInstanceUid: uid('StudyInstanceUID'),
      seriesInstanceUid: uid('SeriesInstanceUID'),
      sopInstanceUid: uid('SOPInstanceUID'),
      sopClassUid: uid('SOPClassUID'),
      transferSyntaxUid,
      ...changes,
    };
  }

  artefact(name: string, text: string, changes: Partial<ArtefactItem> = {}): ArtefactItem {
    return {
      kind: 'artefact',
      name,
      mediaType: 'text/plain',
      derivedBy: 'qc',
      ...this.#add(Buffer.from(text)),
      ...changes,
    };
  }

  async open(ref: InstanceItem['blob']): Promise<ByteSource> {
    const bytes = this.#files[Number(parseBlobRef(ref).pack.replace('memory/', ''))];
    if (bytes === undefined) throw new TypeError('no such file');
    this.openSources += 1;
    return sourceOf(bytes, () => {
      this.openSources -= 1;
    });
  }

  createPack(): Promise<never> {
    return Promise.reject(new TypeError('nothing is written here'));
  }

  #add(bytes: Uint8Array): Pick<InstanceItem, 'blob' | 'sizeBytes' | 'sha256'> {
    const blob = formatBlobRef(`memory/${this.#files.push(bytes) - 1}`, 0, bytes.byteLength);
    return { blob, sizeBytes: bytes.byteLength, sha256: createHash('sha256').update(bytes).digest('hex') };
  }
}

function sourceOf(bytes: Uint8Array, onClose: () => void): ByteSource {
  return {
    sizeBytes: bytes.byteLength,
    read: async (offset, length) => bytes.slice(offset, offset + length),
    async *stream(offset = 0, length = bytes.byteLength - offset) {
      // Small, odd chunks, so that nobody counts on a chunk being something whole.
      for (let at = offset; at < offset + length; at += 40_001) {
        yield bytes.slice(at, Math.min(at + 40_001, offset + length));
      }
    },
    close: async () => onClose(),
  };
}

/** A small MR image of explicit VR little endian; `index` makes its SOP Instance UID. */
export function mrImage(index: number, changes: Parameters<typeof encodePart10>[0] = {}): Uint8Array {
  return encodePart10({
    SOPClassUID: MR_IMAGE_STORAGE,
    SOPInstanceUID: `2.25.7000.1.1.${index}`,
    StudyInstanceUID: '2.25.7000',
    SeriesInstanceUID: '2.25.7000.1',
    Modality: 'MR',
    PatientName: 'Nobody^At All',
    PatientID: 'N-1',
    StudyDate: '20260301',
    Rows: 64,
    Columns: 64,
    BitsAllocated: 16,
    BitsStored: 12,
    HighBit: 11,
    PixelRepresentation: 0,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    PixelData: { vr: 'OW', value: new Uint8Array(64 * 64 * 2).fill(index % 251) },
    ...changes,
  });
}

/** An order for the items; `delivered` and `signal` as for a first attempt. */
export function orderOf(items: readonly RunItem[], changes: Partial<DeliveryOrder> = {}): DeliveryOrder {
  return {
    deliveryId: randomUUID(),
    attempt: 1,
    runId: randomUUID(),
    route: 'rat-brain',
    destination: 'kct-pacs',
    studyInstanceUid: '2.25.7000',
    revision: 1,
    items,
    delivered: new Set(),
    revised: new Set(),
    signal: new AbortController().signal,
    ...changes,
  };
}

export function contextOf(store: ObjectStore, secrets: Readonly<Record<string, string>> = {}): ConnectorContext {
  return {
    store,
    hubName: 'savilahti',
    log: silentLog,
    secret: (reference) => {
      const value = secrets['env' in reference ? reference.env : reference.file];
      if (value === undefined) throw new TypeError('no such secret in this test');
      return value;
    },
    decoded: openDecodedInstances(silentLog),
    openTopics: async (brokers) => {
      const { openTopicWriter } = await import('../../platform/bus/kafka/topic-writer.ts');
      return openTopicWriter(brokers, silentLog);
    },
  };
}
