/** The way in for what the hub fetches itself: `ingest` like every door, its sender being somebody we asked. */
import { fileMeta } from '../core/dicom/part10.ts';
import type { HubError } from '../core/errors.ts';
import type { AnnouncedInstance, Fetching, Intake } from '../core/intake.ts';
import { receivePart10, type InstancePorts } from './dicomweb/stow-instance.ts';

interface PullDoorPorts extends InstancePorts {
  readonly isOpen: () => boolean;
  readonly isFull: () => boolean;
  readonly onSeen: (source: string) => void;
  readonly onEnded: (associationId: string, isWhole: boolean) => void;
}

export class PullDoor implements Intake {
  readonly #ports: PullDoorPorts;

  constructor(ports: PullDoorPorts) {
    this.#ports = ports;
  }

  get isClosed(): boolean {
    return !this.#ports.isOpen() || this.#ports.isFull();
  }

  async takeDataSet(
    body: AsyncIterable<Uint8Array>,
    announced: AnnouncedInstance,
    { provenance, studyInstanceUid }: Fetching,
  ): Promise<void> {
    const reception = this.#ports.receive(fileMeta({ ...announced, ...titleOf(provenance.callingAeTitle) }));
    try {
      for await (const bytes of body) if (!reception.push(bytes)) await reception.room();
    } catch (error) {
      // The association was cut off: nothing of a partial instance stays.
      await reception.abandon();
      throw error;
    }
    this.#ports.onSeen(provenance.source);
    await this.#ports.store(reception, { provenance, expected: { ...announced, studyInstanceUid } });
  }

  async takePart10(
    body: AsyncIterable<Uint8Array>,
    { provenance, studyInstanceUid }: Fetching,
  ): Promise<{ readonly durable: Promise<HubError | undefined> }> {
    const { outcome } = await receivePart10(buffers(body), { provenance, study: studyInstanceUid }, this.#ports);
    this.#ports.onSeen(provenance.source);
    return { durable: outcome.then(({ failure }) => failure) };
  }

  ended(associationId: string, isWhole: boolean): void {
    this.#ports.onEnded(associationId, isWhole);
  }
}

function titleOf(callingAeTitle: string | undefined) {
  return callingAeTitle === undefined ? {} : { sourceAeTitle: callingAeTitle };
}

async function* buffers(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const bytes of body) yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
