/** Reads the values of planned frames, in whatever order, with few instances open at a time. */
import { readHeader, type Part10Header } from '../../core/dicom/part10.ts';
import { toHubError } from '../../core/errors.ts';
import type { ByteSource, ObjectStore } from '../../core/store.ts';
import { decodeFrame } from '../../pixels/decode.ts';
import { describePixels, type PixelDescription } from '../../pixels/description.ts';
import { framePlaces, readFrameBytes, type FramePlaces } from '../../pixels/frame-places.ts';
import type { Frame, LoadedInstance } from './frame.ts';
import { isReadable } from './pixels.ts';

/** Open at a time: a series of a multi-frame instance a slice goes round them once a repetition. */
const MAX_OPEN = 16;

interface OpenInstance {
  readonly source: ByteSource;
  readonly header: Part10Header;
  readonly description: PixelDescription;
  readonly places: FramePlaces;
  /** The tiles of a mosaic come from one picture. */
  decoded?: { readonly frameIndex: number; readonly samples: Uint8Array };
}

export interface FrameReader {
  /**
   * Stored samples of the whole stored frame (of a mosaic, all of it), little endian.
   *
   * @returns undefined when its pixel data is damaged, cut off or in no format we read
   */
  samplesOf(frame: Frame): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

export function frameReader(store: ObjectStore): FrameReader {
  /** In the order they were last used. */
  const opened = new Map<LoadedInstance, OpenInstance>();

  const openInstance = async (instance: LoadedInstance): Promise<OpenInstance> => {
    const known = opened.get(instance);
    if (known !== undefined) {
      opened.delete(instance);
      opened.set(instance, known);
      return known;
    }
    const source = await store.open(instance.item.blob);
    try {
      const header = await readHeader(source);
      const description = describePixels(header.dataSet, header.pixelData?.tag ?? 0);
      const places = await framePlaces(source, header, description);
      const fresh = { source, header, description, places };
      opened.set(instance, fresh);
      const [oldest] = opened;
      if (opened.size > MAX_OPEN && oldest !== undefined) {
        opened.delete(oldest[0]);
        await oldest[1].source.close();
      }
      return fresh;
    } catch (error) {
      opened.delete(instance);
      await source.close();
      throw error;
    }
  };

  return {
    samplesOf: async ({ instance, frameIndex }) => {
      if (!isReadable(instance.format)) return undefined;
      try {
        const open = await openInstance(instance);
        if (open.decoded?.frameIndex === frameIndex) return open.decoded.samples;
        const { source, header, description, places } = open;
        const stored = await readFrameBytes(source, header, description, places, frameIndex);
        const { samples } = await decodeFrame(stored, header.transferSyntaxUid, description);
        open.decoded = { frameIndex, samples };
        return samples;
      } catch (error) {
        const { code } = toHubError(error);
        if (code === 'dataset.unreadable' || code.startsWith('pixels.')) return undefined;
        throw error;
      }
    },
    close: async () => {
      for (const { source } of opened.values()) await source.close();
      opened.clear();
    },
  };
}
