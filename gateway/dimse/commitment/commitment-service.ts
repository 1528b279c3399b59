/**
 * What both services of the Storage Commitment Push Model (PS3.4 Section J.3) are about: a list of references is taken
 * whole, bounded, and answered when what it says is in the ledger.
 */
import { encodeResponse, STATUS, type CommandSet } from '../command-set.ts';
import { ABORT_REASON, ProtocolError } from '../framing.ts';
import type { MessageCarrier, Service } from '../messages.ts';
import {
  STORAGE_COMMITMENT_SOP_CLASS,
  STORAGE_COMMITMENT_SOP_INSTANCE,
  type NegotiatedContext,
} from '../presentation-contexts.ts';

/** Some 100,000 references. */
const MAX_BYTES = 16 * 1024 * 1024;

/** What the response says. */
export interface Verdict {
  readonly status: number;
  readonly comment?: string;
  /** To be called when the response has been written. */
  readonly onAnswered?: () => void;
}

/** A message to the one instance there is of the Storage Commitment Push Model, with its whole data set. */
export interface CommitmentMessage {
  readonly context: NegotiatedContext;
  readonly set: CommandSet;
  readonly bytes: Buffer;
  readonly transferSyntaxUid: string;
}

/** @param perform - called only for a message to that instance */
export function commitmentService(
  carrier: MessageCarrier,
  perform: (message: CommitmentMessage) => Promise<Verdict>,
): Service {
  return (context, set) => {
    const parts: Buffer[] = [];
    let length = 0;
    const answer = async (): Promise<void> => {
      const bytes = Buffer.concat(parts.splice(0));
      const verdict = isAddressed(set)
        ? await perform({ context, set, bytes, transferSyntaxUid: context.transferSyntaxUid ?? '' })
        : { status: STATUS.noSuchInstance };
      carrier.write(encodeResponse(context.id, set, verdict.status, verdict.comment));
      verdict.onAnswered?.();
    };
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
        return () =>
          answer().finally(() => {
            resolve(undefined);
          });
      },
      abandon: () => Promise.resolve(),
    };
  };
}

/** The well-known SOP Instance of the class is the only one (PS3.4 Section J.3.5). */
function isAddressed({ affectedSopClassUid, affectedSopInstanceUid }: CommandSet): boolean {
  return (
    affectedSopClassUid === STORAGE_COMMITMENT_SOP_CLASS && affectedSopInstanceUid === STORAGE_COMMITMENT_SOP_INSTANCE
  );
}
