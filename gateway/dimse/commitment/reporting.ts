/** Tells sources what their storage commitments came to: on the association that asked, or on one of the hub's own. */
import { HubError, toHubError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { CommitmentAttempt, CommitmentRow, NextOfCommitment } from '../../../core/ledger/commitments.ts';
import type { Clock, Logger } from '../../../core/ports.ts';
import { nextDelayMs, type RetryPolicy } from '../../../core/retry.ts';
import type { GatewayMetrics } from '../../metrics.ts';
import { STATUS } from '../command-set.ts';
import { encodeEventInformation } from './data-sets.ts';
import { type ReportAddress, reportOnNewAssociation } from './new-association.ts';
import type { EventInformation, ReportChannel } from './report-channel.ts';

export interface ReportingOptions {
  /** For the response to an N-EVENT-REPORT, and for each step of opening an association. */
  readonly responseMs: number;
  readonly retry: RetryPolicy;
  /** Where a source takes results; undefined when it is only told on its own associations. */
  readonly addressOf: (source: string) => ReportAddress | undefined;
  /** Whether the association that asked is tried first. */
  readonly triesSameAssociation: (source: string) => boolean;
}

interface ReportingPorts {
  readonly ledger: Pick<Ledger, 'commitments'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<GatewayMetrics, 'commitmentReports'>;
  readonly random: () => number;
}

export class Reporting {
  readonly #ports: ReportingPorts;
  readonly #options: ReportingOptions;
  readonly #channels = new Map<string, ReportChannel>();
  readonly #stopping = new AbortController();

  constructor(ports: ReportingPorts, options: ReportingOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  stop(): void {
    this.#stopping.abort();
  }

  opened(associationId: string, channel: ReportChannel): void {
    this.#channels.set(associationId, channel);
  }

  closed(associationId: string): void {
    this.#channels.delete(associationId);
  }

  /** One attempt, and in the ledger what follows from it. */
  async report(row: CommitmentRow): Promise<void> {
    const { ledger, clock, log, metrics } = this.#ports;
    const { commitmentId, source } = row;
    const items = await ledger.commitments.items(commitmentId);
    const startedAt = clock.now().toISOString();
    const event = (syntax: string) => encodeEventInformation(row.transactionUid, items, syntax);
    const { way, failure } = await this.#attempt(row, event);
    // A hub that stops has not failed, and its peer may have the answer: it is told again.
    if (this.#stopping.signal.aborted) return;
    const attempt: CommitmentAttempt = {
      ...{ attempt: row.attempts + 1, startedAt, way },
      outcome: failure === undefined ? 'answered' : 'failed',
      ...(failure === undefined ? {} : { detail: failure.message }),
    };
    const then = this.#next(row, way, failure);
    if (!(await ledger.commitments.attempted(commitmentId, attempt, then))) return;
    const fields = { commitmentId, source, way, attempt: attempt.attempt, failures: row.failures };
    if (then.state === 'reported') log.info('storage commitment reported', fields);
    else if (then.state === 'reporting') {
      log.warn('storage commitment not reported yet', { ...fields, reason: failure?.message, dueAt: then.dueAt });
    } else log.error('storage commitment could not be reported', { ...fields, reason: then.reason });
    metrics.commitmentReports.increment({ source, outcome: OUTCOMES[then.state] });
  }

  async #attempt(
    row: CommitmentRow,
    event: (transferSyntaxUid: string) => EventInformation,
  ): Promise<{ readonly way: CommitmentAttempt['way']; readonly failure: HubError | undefined }> {
    const { source, associationId } = row;
    const { responseMs, triesSameAssociation, addressOf } = this.#options;
    const address = addressOf(source);
    const channel =
      triesSameAssociation(source) || address === undefined ? this.#channels.get(associationId) : undefined;
    const way = channel !== undefined ? 'same-association' : address !== undefined ? 'new-association' : 'none';
    try {
      if (channel !== undefined) checkStatus(await channel.report(event, responseMs));
      else if (address !== undefined) {
        const titles = { callingAeTitle: row.calledAeTitle, calledAeTitle: address.aeTitle ?? row.callingAeTitle };
        checkStatus(await reportOnNewAssociation(address, titles, event, responseMs, this.#stopping.signal));
      } else throw new HubError('partner.unreachable', { detail: 'its association has ended, and it has no address' });
      return { way, failure: undefined };
    } catch (error) {
      // A peer that does not answer where it asked is called.
      if (channel !== undefined) this.#channels.delete(associationId);
      return { way, failure: toHubError(error) };
    }
  }

  #next(row: CommitmentRow, way: CommitmentAttempt['way'], failure: HubError | undefined): NextOfCommitment {
    if (failure === undefined) return { state: 'reported' };
    const { retry, addressOf } = this.#options;
    if (addressOf(row.source) === undefined) return { state: 'failed', reason: failure.message };
    const nowMs = this.#ports.clock.now().getTime();
    if (way === 'same-association') return { state: 'reporting', dueAt: new Date(nowMs) };
    const delayMs = nextDelayMs(retry, row.attempts + 1, this.#ports.random());
    return delayMs === undefined
      ? { state: 'failed', reason: failure.message }
      : { state: 'reporting', dueAt: new Date(nowMs + delayMs) };
  }
}

const OUTCOMES = { reported: 'answered', reporting: 'failed', failed: 'given-up' } as const;

/** @throws {HubError} `partner.refused` */
function checkStatus(status: number): void {
  if (status === STATUS.success) return;
  throw new HubError('partner.refused', { status: `0x${status.toString(16).padStart(4, '0')}` });
}
