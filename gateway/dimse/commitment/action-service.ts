/** N-ACTION of the Storage Commitment Push Model (PS3.4 Section J.3.2): answered when the request is in the ledger. */
import { toHubError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/ports.ts';
import { encodeResponse, STATUS, type CommandSet } from '../command-set.ts';
import { ABORT_REASON, ProtocolError } from '../framing.ts';
import type { MessageCarrier, Service } from '../messages.ts';
import { STORAGE_COMMITMENT_SOP_CLASS, STORAGE_COMMITMENT_SOP_INSTANCE } from '../presentation-contexts.ts';
import { parseActionInformation, REQUEST_STORAGE_COMMITMENT } from './data-sets.ts';
import type { Desk } from './desk.ts';

/** Some 100,000 references. */
const MAX_BYTES = 16 * 1024 * 1024;

interface Verdict {
  readonly status: number;
  readonly comment?: string;
  /** To be called when the response has been written. */
  readonly onAnswered?: () => void;
}

export function actionService(desk: Desk, carrier: MessageCarrier, log: Logger): Service {
  const perform = async (set: CommandSet, bytes: Buffer, transferSyntaxUid: string): Promise<Verdict> => {
    const { affectedSopClassUid, affectedSopInstanceUid, actionTypeId } = set;
    if (
      affectedSopClassUid !== STORAGE_COMMITMENT_SOP_CLASS ||
      affectedSopInstanceUid !== STORAGE_COMMITMENT_SOP_INSTANCE
    ) {
      return { status: STATUS.noSuchInstance };
    }
    if (actionTypeId !== REQUEST_STORAGE_COMMITMENT) return { status: STATUS.noSuchAction };
    if (carrier.isStopping()) return { status: STATUS.processingFailure, comment: 'The hub is stopping' };
    try {
      const asked = parseActionInformation(bytes, transferSyntaxUid, desk.maxItems);
      const { outcome, onAnswered } = await desk.request(asked, carrier.provenance());
      if (outcome !== 'conflict') return { status: STATUS.success, onAnswered };
      return { status: STATUS.invalidArgument, comment: 'Transaction UID is used for other instances' };
    } catch (error) {
      const failure = toHubError(error);
      const { code, title } = { code: failure.code, title: failure.row.title };
      log.warn('storage commitment refused', { code, ...failure.fields });
      if (code === 'dataset.too-large') return { status: STATUS.resourceLimitation, comment: 'Too many references' };
      const isOurs = !code.startsWith('dataset.');
      if (isOurs) log.error('storage commitment not recorded', { code, reason: String(failure) });
      return { status: isOurs ? STATUS.processingFailure : STATUS.invalidArgument, comment: title };
    }
  };

  return (context, set) => {
    const parts: Buffer[] = [];
    let length = 0;
    return {
      take: (slice) => {
        length += slice.length;
        if (length > MAX_BYTES) throw new ProtocolError(ABORT_REASON.invalidParameterValue, 'a data set too large');
        parts.push(Buffer.from(slice));
        return undefined;
      },
      end: () => {
        const { promise, resolve } = Promise.withResolvers<undefined>();
        // It lies in memory until it is in the ledger: of one association one at a time, also of one that pipelines.
        carrier.holdBack(promise);
        return async () => {
          try {
            const verdict = await perform(set, Buffer.concat(parts.splice(0)), context.transferSyntaxUid ?? '');
            carrier.write(encodeResponse(context.id, set, verdict.status, verdict.comment));
            verdict.onAnswered?.();
          } finally {
            resolve(undefined);
          }
        };
      },
      abandon: () => Promise.resolve(),
    };
  };
}
