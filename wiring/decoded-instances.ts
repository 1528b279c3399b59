/** Instances in explicit VR little endian for destinations that take nothing else: made as retrieval makes them. */
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../core/dicom/transfer-syntaxes.ts';
import type { DecodedInstances } from '../core/plugins.ts';
import type { Logger } from '../core/ports.ts';
import { codecOf } from '../pixels/decodable.ts';
import { PixelWorkers } from '../pixels/workers.ts';

const PIXEL_WORKER = new URL('./pixel-worker.ts', import.meta.url);

/** A thread is started when the first frame is to be decoded. */
export function openDecodedInstances(log: Logger): DecodedInstances & { close(): Promise<void> } {
  const workers = new PixelWorkers({ entry: PIXEL_WORKER });
  return {
    isPossible: ({ transferSyntaxUid }) => codecOf(transferSyntaxUid) !== undefined,
    file: async function* (item, store, signal) {
      // When it is needed: few destinations have it so.
      const { part10File } = await import('../gateway/dicomweb/wado-part10.ts');
      const { InstanceOpener } = await import('../gateway/dicomweb/wado-source.ts');
      yield* part10File(item, EXPLICIT_VR_LITTLE_ENDIAN, { opener: new InstanceOpener(store, log), workers }, signal);
    },
    close: () => workers.close(),
  };
}
