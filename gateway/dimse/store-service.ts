/**
 * C-STORE (PS3.4 Annex B): the data set goes to the spool as its bytes come. A Success leaves only after `store` has
 * returned.
 */
import { fileMeta } from '../../core/dicom/part10.ts';
import { HubError, toHubError } from '../../core/errors.ts';
import { isUid } from '../../core/identifiers.ts';
import type { MoveOrigins } from '../../core/intake.ts';
import type { Logger } from '../../core/ports.ts';
import type { Offer } from '../offer.ts';
import type { Reception } from '../spool/reception.ts';
import { STATUS, encodeResponse, type CommandSet } from './command-set.ts';
import { type Incoming, type MessageCarrier, readOver, type Service } from './messages.ts';
import type { NegotiatedContext } from './presentation-contexts.ts';

/** Where objects go. */
export interface StoreHandling {
  /** An object begins, behind this prefix. */
  readonly receive: (prefix: Uint8Array) => Reception;
  /** Resolves when the object is durable. @throws {HubError} */
  readonly store: (reception: Reception, offer: Offer) => Promise<{ readonly sizeBytes: number }>;
  /** Who knows of what peers were asked to send; absent: none was. */
  readonly moves?: MoveOrigins | undefined;
}

/** What one association brought. */
export interface StoreCounts {
  stored: number;
  failed: number;
  bytes: number;
}

export function storeService(
  handling: StoreHandling,
  carrier: MessageCarrier,
  counts: StoreCounts,
  log: Logger,
): Service {
  const refuse = (context: NegotiatedContext, set: CommandSet, failure: HubError) => {
    counts.failed += 1;
    log.debug('instance refused', { code: failure.code });
    carrier.write(encodeResponse(context.id, set, failure.row.dimse, failure.row.title));
  };

  const answer = async (
    context: NegotiatedContext,
    set: CommandSet,
    stored: Promise<{ readonly sizeBytes: number }>,
  ) => {
    try {
      const { sizeBytes } = await stored;
      carrier.write(encodeResponse(context.id, set, STATUS.success));
      counts.stored += 1;
      counts.bytes += sizeBytes;
      log.debug('instance stored', { sopInstanceUid: set.affectedSopInstanceUid, sizeBytes });
    } catch (error) {
      const failure = toHubError(error);
      if (failure.code === 'internal.unexpected') log.error('instance not stored', { reason: String(failure.cause) });
      refuse(context, set, failure);
    }
  };

  return (context, set) => {
    const none = set.hasDataSet ? undefined : new HubError('dataset.empty');
    const stopping = carrier.isStopping() ? new HubError('gateway.stopping') : undefined;
    const failure = none ?? stopping;
    if (failure !== undefined) {
      return readOver(() => refuse(context, set, failure));
    }
    return receiving(handling, carrier, context, set, async (stored) => answer(context, set, stored));
  };
}

function receiving(
  handling: StoreHandling,
  carrier: MessageCarrier,
  context: NegotiatedContext,
  set: CommandSet,
  answer: (stored: Promise<{ readonly sizeBytes: number }>) => Promise<void>,
): Incoming {
  const { transferSyntaxUid = '' } = context;
  const { affectedSopClassUid: sopClassUid, affectedSopInstanceUid: sopInstanceUid } = set;
  const { callingAeTitle: sourceAeTitle = '' } = carrier.provenance();
  const reception = handling.receive(
    fileMeta({
      sopClassUid: isUid(sopClassUid) ? sopClassUid : '',
      sopInstanceUid: isUid(sopInstanceUid) ? sopInstanceUid : '',
      transferSyntaxUid,
      ...(sourceAeTitle === '' ? {} : { sourceAeTitle }),
    }),
  );
  return {
    take: (slice) => (reception.push(slice) ? undefined : reception.room()),
    end: () => {
      const provenance = carrier.provenance();
      const origin = handling.moves?.originOf({
        source: provenance.source,
        callingAeTitle: sourceAeTitle,
        ...(set.moveOriginator === undefined ? {} : { originator: set.moveOriginator }),
      });
      const stored = handling.store(reception, {
        provenance: { ...provenance, source: origin?.source ?? provenance.source },
        expected: { transferSyntaxUid, sopClassUid, sopInstanceUid, studyInstanceUid: origin?.studyInstanceUid },
        refusal: origin?.refusal ?? refusalOf(context, set),
      });
      if (origin?.onStored !== undefined)
        void stored.then(({ sizeBytes }) => origin.onStored?.(sizeBytes)).catch(() => undefined);
      stored.catch(() => undefined); // Looked at when its turn to be answered comes.
      return async () => answer(stored);
    },
    abandon: () => reception.abandon(),
  };
}

function refusalOf(context: NegotiatedContext, set: CommandSet): HubError | undefined {
  if (set.affectedSopClassUid !== context.abstractSyntaxUid) {
    return new HubError('sop-class.unsupported', { attribute: 'AffectedSOPClassUID' });
  }
  if (isUid(set.affectedSopInstanceUid)) return undefined;
  return new HubError(set.affectedSopInstanceUid === '' ? 'dataset.uid-missing' : 'dataset.uid-invalid', {
    attribute: 'AffectedSOPInstanceUID',
  });
}
