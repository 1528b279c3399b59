/**
 * N-EVENT-REPORT of the Storage Commitment Push Model (PS3.4 Section J.3.3), the hub as SCU: a destination says what came
 * of a commitment it was asked for. Answered when the ledger has it; whoever asked finds it there.
 */
import { toHubError } from '../../../core/errors.ts';
import type { AskedCommitmentsLedger, ReportOutcome } from '../../../core/ledger/asked-commitments.ts';
import type { Logger } from '../../../core/ports.ts';
import type { GatewayMetrics } from '../../metrics.ts';
import { encodeResponse, STATUS, type CommandSet } from '../command-set.ts';
import { ABORT_REASON, ProtocolError } from '../framing.ts';
import type { MessageCarrier, Service } from '../messages.ts';
import { STORAGE_COMMITMENT_SOP_CLASS, STORAGE_COMMITMENT_SOP_INSTANCE } from '../presentation-contexts.ts';
import { isEventType, parseEventInformation } from './data-sets.ts';

/** Some 100,000 references. */
const MAX_BYTES = 16 * 1024 * 1024;

export interface ReportPorts {
  readonly askedCommitments: Pick<AskedCommitmentsLedger, 'report'>;
  readonly metrics: Pick<GatewayMetrics, 'commitmentResults'>;
}

interface Verdict {
  readonly status: number;
  readonly comment?: string;
}

/** A report that is there already, or that nobody waits for any more, is no mistake of who sends it. */
const VERDICTS: Readonly<Record<ReportOutcome, Verdict>> = {
  recorded: { status: STATUS.success },
  repeated: { status: STATUS.success },
  late: { status: STATUS.success },
  unknown: { status: STATUS.invalidArgument, comment: 'Transaction UID is not known' },
};

export function reportService(
  { askedCommitments, metrics }: ReportPorts,
  carrier: MessageCarrier,
  log: Logger,
): Service {
  const perform = async (
    set: CommandSet,
    bytes: Buffer,
    transferSyntaxUid: string,
    destinations: readonly string[],
  ): Promise<Verdict> => {
    const { affectedSopClassUid, affectedSopInstanceUid, eventTypeId } = set;
    if (
      affectedSopClassUid !== STORAGE_COMMITMENT_SOP_CLASS ||
      affectedSopInstanceUid !== STORAGE_COMMITMENT_SOP_INSTANCE
    ) {
      return { status: STATUS.noSuchInstance };
    }
    if (!isEventType(eventTypeId)) return { status: STATUS.noSuchEventType };
    const count = (outcome: ReportOutcome | 'refused'): void => {
      for (const destination of destinations) metrics.commitmentResults.increment({ destination, outcome });
    };
    try {
      const report = { ...parseEventInformation(bytes, transferSyntaxUid), destinations };
      const outcome = await askedCommitments.report(report);
      count(outcome);
      const fields = {
        ...{ destinations, transactionUid: report.transactionUid, outcome },
        ...{ committed: report.committed.length, failed: report.failed.length },
      };
      if (outcome === 'unknown') log.warn('storage commitment reported that nobody asked for', fields);
      else log.info('storage commitment reported', fields);
      return VERDICTS[outcome];
    } catch (error) {
      const { code, row, fields } = toHubError(error);
      count('refused');
      log.warn('report of a storage commitment refused', { code, destinations, ...fields });
      const isTheirs = code.startsWith('dataset.');
      return { status: isTheirs ? STATUS.invalidArgument : STATUS.processingFailure, comment: row.title };
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
            const destinations = context.commitment?.reportsOf ?? [];
            const bytes = Buffer.concat(parts.splice(0));
            const { status, comment } = await perform(set, bytes, context.transferSyntaxUid ?? '', destinations);
            carrier.write(encodeResponse(context.id, set, status, comment));
          } finally {
            resolve(undefined);
          }
        };
      },
      abandon: () => Promise.resolve(),
    };
  };
}
