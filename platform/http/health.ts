/** Probes: live while the process answers, ready while every check handed in holds; degraded is ready with a problem to see to. */
import { Router } from 'express';
import { toHubError } from '../../core/errors.ts';
import { otherMethods } from '../../core/other-methods.ts';
import type { Logger } from '../../core/ports.ts';

export interface ReadinessCheck {
  /** `doors`, `ledger`, `disk` … */
  readonly name: string;
  /** Resolves when all is well. @throws {HubError} whose sentence the probe shows */
  readonly check: () => Promise<void>;
  /** Its failure is shown, and takes the hub out of nobody's service: all else works. */
  readonly isAdvisory?: boolean;
}

/** A check that hangs is a check that fails: an orchestrator's own time-out is rarely longer. */
const CHECK_TIMEOUT_MS = 3_000;

/** @param alive - what must hold for this process to be of use at all: whoever asks ends it when something does not */
export function healthRouter(
  checks: readonly ReadinessCheck[],
  log: Logger,
  alive: readonly ReadinessCheck[] = [],
): Router {
  const router = Router();
  const tellLive = onChange((checks) =>
    checks.length === 0 ? log.info('alive again') : log.error('not alive', { checks }),
  );
  const tellReady = onChange((checks) =>
    checks.length === 0 ? log.info('ready again') : log.warn('not ready', { checks }),
  );
  router.get('/live', async (_request, response) => {
    const results = await Promise.all(alive.map((check) => perform(check)));
    const problems = results.filter(({ problem }) => problem !== undefined);
    tellLive(problems);
    if (problems.length === 0) {
      response.json({ status: 'live' });
      return;
    }
    response.status(503).json({ status: 'dead', checks: problems });
  });
  router.get('/ready', async (_request, response) => {
    const results = await Promise.all(checks.map((check) => perform(check)));
    const isFailed = checks.some(({ isAdvisory }, n) => isAdvisory !== true && results[n]?.problem !== undefined);
    const problems = results.filter(({ problem }) => problem !== undefined);
    tellReady(isFailed ? problems : []);
    const status = isFailed ? 'not-ready' : problems.length > 0 ? 'degraded' : 'ready';
    response.status(isFailed ? 503 : 200).json({ status, checks: results });
  });
  router.all(['/live', '/ready'], otherMethods(['GET']));
  return router;
}

interface Outcome {
  readonly name: string;
  readonly problem?: string;
}

/**
 * Tells of problems when they begin, when other checks fail and when all is over: probes come every few seconds, for as
 * long as an outage lasts, and what they say may have figures in it that change each time.
 */
function onChange(tell: (problems: readonly Outcome[]) => void): (problems: readonly Outcome[]) => void {
  let told = '';
  return (problems) => {
    const now = problems.map(({ name }) => name).join();
    if (now !== told) tell(problems);
    told = now;
  };
}

async function perform({ name, check }: ReadinessCheck): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('no answer in time'), CHECK_TIMEOUT_MS);
  });
  const outcome = check().then(
    () => undefined,
    // A probe needs no token: it learns the title and the advice that was written for it, no other detail.
    (error: unknown) => {
      const { row, fields } = toHubError(error);
      return typeof fields['advice'] === 'string' ? `${row.title}: ${fields['advice']}` : row.title;
    },
  );
  const problem = await Promise.race([outcome, late]);
  clearTimeout(timer);
  return problem === undefined ? { name } : { name, problem };
}
