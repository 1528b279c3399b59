/** Streams one file, or one entry of an archive, into a reception of the spool; what it is shows on the way. */
import { fileMeta } from '../../core/dicom/part10.ts';
import { HubError } from '../../core/errors.ts';
import { isUid } from '../../core/identifiers.ts';
import type { Provenance } from '../../core/ledger/instances.ts';
import type { Offer } from '../offer.ts';
import type { Reception } from '../spool/reception.ts';
import { beginningOf, type Beginning } from './beginning.ts';

export type Received =
  /** All bytes are in; `ingest` makes them durable. */
  | { readonly kind: 'instance'; readonly reception: Reception; readonly offer: Offer }
  | Exclude<Beginning, { readonly kind: 'data-set' }>;

/**
 * @param body - its chunks are copied before the next one is asked for
 * @throws what `body` throws; then nothing of the instance stays
 */
export async function receive(
  body: AsyncIterable<Uint8Array>,
  provenance: Provenance,
  open: (prefix: Uint8Array) => Reception,
): Promise<Received> {
  let held = Buffer.alloc(0);
  let begun: Begun | undefined;
  try {
    for await (const chunk of body) {
      let bytes = chunk;
      if (begun === undefined) {
        held = Buffer.concat([held, chunk]);
        const beginning = beginningOf(held, false);
        if (beginning === undefined) continue;
        if (beginning.kind !== 'data-set') return beginning;
        begun = begin(beginning, open);
        bytes = held.subarray(beginning.offset);
      }
      if (!begun.reception.push(bytes)) await begun.reception.room();
    }
  } catch (error) {
    await begun?.reception.abandon();
    throw error;
  }
  if (begun === undefined) {
    const beginning = beginningOf(held, true) ?? { kind: 'other' };
    if (beginning.kind !== 'data-set') return beginning;
    begun = begin(beginning, open);
    begun.reception.push(held.subarray(beginning.offset));
  }
  const { reception, expected, refusal } = begun;
  return { kind: 'instance', reception, offer: { provenance, expected, refusal, isKeptBySender: true } };
}

interface Begun extends Pick<Offer, 'expected' | 'refusal'> {
  readonly reception: Reception;
}

function begin(
  { meta }: Extract<Beginning, { readonly kind: 'data-set' }>,
  open: (prefix: Uint8Array) => Reception,
): Begun {
  const areUids = isUid(meta.sopClassUid) && isUid(meta.sopInstanceUid);
  return {
    reception: open(areUids ? fileMeta(meta) : new Uint8Array(0)),
    expected: meta,
    refusal: areUids ? undefined : new HubError('dataset.uid-invalid', { attribute: 'file meta information' }),
  };
}
