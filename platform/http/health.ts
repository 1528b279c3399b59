/** Probes: live while the process answers, ready while every check handed in holds. */
import { Router } from 'express';
import { toHubError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';

export interface ReadinessCheck {
  /** `doors`, `ledger`, `disk` … */
  readonly name: string;
  /** Resolves when all is well. @throws {HubError} whose sentence the probe shows */
  readonly check: () => Promise<void>;
}

/** A check that hangs is a check that fails: an orchestrator's own time-out is rarely longer. */
const CHECK_TIMEOUT_MS = 3_000;

export function healthRouter(checks: readonly ReadinessCheck[], log: Logger): Router {
  const router = Router();
  router.get('/live', (_request, response) => {
    response.json({ status: 'live' });
  });
  router.get('/ready', async (_request, response) => {
    const results = await Promise.all(checks.map((check) => perform(check)));
    const isReady = results.every(({ problem }) => problem === undefined);
    if (!isReady) log.warn('not ready', { checks: results.filter(({ problem }) => problem !== undefined) });
    response.status(isReady ? 200 : 503).json({ status: isReady ? 'ready' : 'not-ready', checks: results });
  });
  return router;
}

async function perform({ name, check }: ReadinessCheck): Promise<{ readonly name: string; readonly problem?: string }> {
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
