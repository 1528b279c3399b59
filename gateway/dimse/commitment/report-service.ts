/**
 * N-EVENT-REPORT of the Storage Commitment Push Model (PS3.4 Section J.3.3), the hub as SCU: a destination says what came
 * of a commitment it was asked for. Answered when the ledger has it; whoever asked finds it there.
 */
import { toHubError } from '../../../core/errors.ts';
import type { AskedCommitmentsLedger, ReportOutcome } from '../../../core/ledger/asked-commitments.ts';
import type { Logger } from '../../../core/ports.ts';
import type { GatewayMetrics } from '../../metrics.ts';
import { STATUS } from '../command-set.ts';
import type { MessageCarrier, Service } from '../messages.ts';
import { commitmentService, type Verdict } from './commitment-service.ts';
import { isEventType, parseEventInformation } from './data-sets.ts';

export interface ReportPorts {
  readonly askedCommitments: Pick<AskedCommitmentsLedger, 'report'>;
  readonly metrics: Pick<GatewayMetrics, 'commitmentResults'>;
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
  return commitmentService(carrier, async ({ context, set, bytes, transferSyntaxUid }) => {
    const destinations = context.commitment?.reportsOf ?? [];
    if (!isEventType(set.eventTypeId)) return { status: STATUS.noSuchEventType };
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
  });
}
