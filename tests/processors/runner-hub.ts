/** A runner of processors over a real ledger, store and bus, with toy plug-ins. */
import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PositionedEvent } from '../../core/events.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { NewRun } from '../../core/ledger/runs.ts';
import type { LogFields, Logger } from '../../core/ports.ts';
import { openEmbeddedBus } from '../../platform/bus/embedded.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { type Runner, type RunnerOptions, startRunner } from '../../processors/runner.ts';
import { completeStudy, inbox, newRun, routed, STUDY, TestClock } from '../contracts/ledger-facts.ts';
import { waitFor } from '../support/wait-for.ts';

const clock = { now: () => new Date() };

/** A ledger, a store and a runner with the toy plug-ins, each real, in a folder of their own. */
export class RunnerHub {
  readonly dataDir: string;
  readonly ledger: Ledger;
  readonly logged: { readonly message: string; readonly fields: LogFields }[] = [];
  readonly #running: { runner: Runner; stopBus: () => Promise<void> }[] = [];
  metrics = createMetrics();

  private constructor(dataDir: string, ledger: Ledger) {
    this.dataDir = dataDir;
    this.ledger = ledger;
  }

  static async open(): Promise<RunnerHub> {
    const dataDir = await mkdtemp(join(tmpdir(), 'runner-'));
    await mkdir(join(dataDir, 'store'));
    const ledger = await openSqliteLedger({ file: join(dataDir, 'ledger.db') });
    const hub = new RunnerHub(dataDir, ledger);
    await completeStudy(ledger, new TestClock());
    return hub;
  }

  async start(options: Partial<RunnerOptions> = {}, ledger = this.ledger): Promise<Runner> {
    this.metrics = createMetrics();
    const log = loggerInto(this.logged);
    const bus = openEmbeddedBus({ ledger: this.ledger, log });
    const runner = await startRunner(
      { bus, ledger, log, metrics: this.metrics, clock },
      {
        plugins: [{ name: 'release' }],
        resolve: ({ argument }) => argument,
        worker: { url: new URL('./toy-worker.ts', import.meta.url), data: { dataDir: this.dataDir } },
        workers: 2,
        owner: `runner-${randomUUID()}`,
        leaseMs: 600,
        timeLimitMs: () => 10_000,
        retry: { firstDelayMs: 20, maxDelayMs: 40 },
        ...options,
      },
    );
    this.#running.push({ runner, stopBus: () => bus.stop() });
    return runner;
  }

  /** Opens a run as the router does. */
  async route(steps: readonly (readonly [string, unknown?])[], changes: Partial<NewRun> = {}): Promise<string> {
    const run = newRun({ steps: steps.map(([processor, argument]) => ({ processor, argument })), ...changes });
    await this.ledger.runs.open(inbox('router'), STUDY, [run], [routed(run)]);
    return run.runId;
  }

  async ended(runId: string) {
    return await waitFor(`run ${runId} to end`, async () => {
      const run = await this.ledger.runs.get(runId);
      return run?.state === 'processed' || run?.state === 'quarantined' ? run : undefined;
    });
  }

  async events(): Promise<readonly PositionedEvent[]> {
    return await this.ledger.events.read({ streams: ['hub.work.v1', 'hub.result.v1'], after: 0, limit: 100 });
  }

  file(name: string): string {
    return join(this.dataDir, name);
  }

  packs(): readonly string[] {
    return readdirSync(join(this.dataDir, 'store')).toSorted();
  }

  async close(): Promise<void> {
    for (const { runner, stopBus } of this.#running) {
      await runner.stop(0);
      await stopBus();
    }
    await this.ledger.close();
    rmSync(this.dataDir, { recursive: true });
  }
}

function loggerInto(logged: { message: string; fields: LogFields }[], bound: LogFields = {}): Logger {
  const log = (message: string, fields: LogFields = {}) =>
    void logged.push({ message, fields: { ...bound, ...fields } });
  return {
    error: log,
    warn: log,
    info: log,
    debug: log,
    child: (fields) => loggerInto(logged, { ...bound, ...fields }),
  };
}
