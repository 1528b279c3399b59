import { formatBlobRef, parseBlobRef, type ByteSource, type InstanceItem, type ObjectStore } from '../../core/store.ts';
import { parseSopInstanceUid } from '../../core/identifiers.ts';

/** A DICOM file a test has made. */
interface MadeInstance {
  readonly bytes: Uint8Array;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
}

/** Items over files held in memory, for what only reads: MR Image Storage, explicit VR little endian unless said. */
export function memoryInstances(
  instances: readonly MadeInstance[],
  overrides: Partial<InstanceItem> = {},
): { items: InstanceItem[]; store: ObjectStore } {
  const items = instances.map((instance, index): InstanceItem => ({
    kind: 'instance',
    blob: formatBlobRef(`memory/${index}`, 0, instance.bytes.length),
    sizeBytes: instance.bytes.length,
    sha256: '',
    studyInstanceUid: instance.studyInstanceUid,
    seriesInstanceUid: instance.seriesInstanceUid,
    sopInstanceUid: parseSopInstanceUid(instance.sopInstanceUid),
    sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
    transferSyntaxUid: '1.2.840.10008.1.2.1',
    ...overrides,
  }));
  const open = async (ref: InstanceItem['blob']): Promise<ByteSource> => {
    const bytes = instances[Number(parseBlobRef(ref).pack.replace('memory/', ''))]?.bytes;
    if (bytes === undefined) throw new TypeError(`no such instance: ${ref}`);
    return {
      sizeBytes: bytes.length,
      read: async (offset, length) => bytes.slice(offset, offset + length),
      async *stream(offset = 0, length = bytes.length) {
        yield bytes.slice(offset, offset + length);
      },
      close: async () => {},
    };
  };
  return { items, store: { open, createPack: () => Promise.reject(new TypeError('nothing is written here')) } };
}
