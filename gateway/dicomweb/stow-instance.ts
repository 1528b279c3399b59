/** One Part 10 file of a store request, on its way through `ingest` like every instance. */
import { fileMeta } from '../../core/dicom/part10.ts';
import { HubError, toHubError } from '../../core/errors.ts';
import { isUid } from '../../core/identifiers.ts';
import type { Provenance } from '../../core/ledger/instances.ts';
import type { Ingested } from '../ingest.ts';
import type { Offer } from '../offer.ts';
import type { Reception } from '../spool/reception.ts';
import { FileMetaReader, type FileMeta } from './file-meta.ts';
import type { InstanceOutcome } from './stow-response.ts';

export interface InstancePorts {
  readonly receive: (prefix: Uint8Array) => Reception;
  /** Resolves when the object is durable. @throws {HubError} */
  readonly store: (reception: Reception, offer: Offer) => Promise<Ingested>;
}

/** What the request says of every instance in it. */
export interface RequestContext {
  readonly provenance: Provenance;
  /** The study of the path. */
  readonly study: string | undefined;
}

/**
 * Reads a Part 10 file to its end; the disk settles the outcome later, which never rejects.
 *
 * @throws {HubError} what ended the request; then nothing of the instance stays
 */
export async function receivePart10(
  body: AsyncIterable<Buffer>,
  context: RequestContext,
  ports: InstancePorts,
): Promise<{ readonly outcome: Promise<InstanceOutcome> }> {
  const reader = new FileMetaReader();
  let begun: Begun | undefined;
  try {
    for await (const chunk of body) {
      let bytes: Uint8Array = chunk;
      if (begun === undefined) {
        const read = reader.push(chunk);
        if (read === undefined) continue;
        begun = begin(read.meta, ports);
        bytes = read.rest;
      }
      if (!begun.reception.push(bytes)) await begun.reception.room();
    }
  } catch (error) {
    // The request was cut off: nothing of a partial instance stays.
    await begun?.reception.abandon();
    throw error;
  }
  if (begun === undefined) {
    const read = reader.end();
    begun = begin(read.meta, ports);
    begun.reception.push(read.rest);
  }
  return { outcome: outcomeOf(begun, context, ports) };
}

export interface Begun {
  readonly reception: Reception;
  readonly meta: FileMeta | undefined;
  readonly refusal: HubError | undefined;
}

/** What is no Part 10 file is received as it is, so that quarantine has its bytes. */
export function begin(meta: FileMeta | HubError, ports: InstancePorts): Begun {
  if (meta instanceof HubError) {
    return { reception: ports.receive(new Uint8Array(0)), meta: undefined, refusal: meta };
  }
  const areUids = isUid(meta.sopClassUid) && isUid(meta.sopInstanceUid);
  const refusal = areUids ? undefined : new HubError('dataset.uid-invalid', { attribute: 'file meta information' });
  return { reception: ports.receive(fileMeta(meta)), meta, refusal };
}

/** Hands over an object with all its bytes. Failures are outcomes, too. */
export async function outcomeOf(
  { reception, meta, refusal }: Begun,
  { provenance, study }: RequestContext,
  ports: InstancePorts,
): Promise<InstanceOutcome> {
  const offer: Offer = {
    provenance,
    expected: {
      transferSyntaxUid: meta?.transferSyntaxUid ?? '',
      sopClassUid: meta?.sopClassUid,
      sopInstanceUid: meta?.sopInstanceUid,
      studyInstanceUid: study,
    },
    refusal,
  };
  try {
    const { sopClassUid, sopInstanceUid, studyInstanceUid, seriesInstanceUid } = await ports.store(reception, offer);
    return { sopClassUid, sopInstanceUid, studyInstanceUid, seriesInstanceUid };
  } catch (error) {
    return failureOf(error, meta);
  }
}

/** What became of an instance that is not stored, by its name where it has one. */
export function failureOf(error: unknown, named: Partial<FileMeta> | undefined): InstanceOutcome {
  const { sopClassUid, sopInstanceUid } = named ?? {};
  const isNamed = sopInstanceUid !== undefined && isUid(sopInstanceUid);
  return { failure: toHubError(error), ...(isNamed ? { sopClassUid, sopInstanceUid } : {}) };
}
