/** N-ACTION of the Storage Commitment Push Model (PS3.4 Section J.3.2): answered when the request is in the ledger. */
import { toHubError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/ports.ts';
import { STATUS } from '../command-set.ts';
import type { MessageCarrier, Service } from '../messages.ts';
import { commitmentService } from './commitment-service.ts';
import { parseActionInformation, REQUEST_STORAGE_COMMITMENT } from './data-sets.ts';
import type { Desk } from './desk.ts';

export function actionService(desk: Desk, carrier: MessageCarrier, log: Logger): Service {
  return commitmentService(carrier, async ({ set, bytes, transferSyntaxUid }) => {
    if (set.actionTypeId !== REQUEST_STORAGE_COMMITMENT) return { status: STATUS.noSuchAction };
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
  });
}
