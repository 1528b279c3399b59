/**
 * How long an acknowledgement waits for the ledger's opinion: a second, and then not at all for a while. A ledger that is
 * down must not make each image of a scanner a second slower.
 */
import { isLedgerAway } from '../core/away.ts';
import type { Logger } from '../core/ports.ts';

/** The ledger is asked no longer than this before an acknowledgement: it need not be up for one. */
const PATIENCE_MS = 1_000;
/** After one answer that did not come, for so long nobody waits for one; then a question goes out that nobody waits for. */
const REST_MS = 3_000;

export interface LedgerPatience {
  /** Undefined: it cannot be known now. What the question asked for may still happen. */
  ask<Answer>(question: () => Promise<Answer>): Promise<Answer | undefined>;
}

export function ledgerPatience(
  { log }: { readonly log: Logger },
  { patienceMs = PATIENCE_MS, restMs = REST_MS } = {},
): LedgerPatience {
  let restsUntilMs: number | undefined;
  let isProbing = false;

  const failed = (reason: string) => {
    if (restsUntilMs === undefined) {
      log.warn('ledger not asked before acknowledgements until it answers again', { reason });
    }
    restsUntilMs = performance.now() + restMs;
  };
  const answered = () => {
    if (restsUntilMs === undefined) return;
    restsUntilMs = undefined;
    log.info('ledger is asked before acknowledgements again');
  };
  const inTime = async <Answer>(question: () => Promise<Answer>): Promise<Answer | undefined> => {
    let patience: NodeJS.Timeout | undefined;
    try {
      const answer = await Promise.race([
        question().then((value) => ({ value })),
        // A bare timer: an abort signal for each acknowledgement costs more than the question.
        new Promise<undefined>((resolve) => {
          patience = setTimeout(() => resolve(undefined), patienceMs);
        }),
      ]);
      if (answer === undefined) failed('no answer in time');
      else answered();
      return answer?.value;
    } catch (error) {
      if (isLedgerAway(error)) failed(String(error));
      else log.warn('ledger not asked before an acknowledgement', { reason: String(error) });
      return undefined;
    } finally {
      clearTimeout(patience);
    }
  };

  return {
    async ask(question) {
      if (restsUntilMs === undefined) return inTime(question);
      if (performance.now() >= restsUntilMs && !isProbing) {
        isProbing = true;
        void inTime(question).finally(() => (isProbing = false));
      }
      return undefined;
    },
  };
}
