/** A gateway with pulls in this process, on a temporary folder. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Moves } from '../../../connectors/pull/moves.ts';
import type { PullFrom, PullOptions } from '../../../connectors/pull/options.ts';
import { startPulls } from '../../../connectors/pull/pulls.ts';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { PullRunRow, PullStudyRow } from '../../../core/ledger/pulls.ts';
import type { Clock } from '../../../core/ports.ts';
import { openGateway } from '../../../gateway/gateway.ts';
import type { Gateway } from '../../../gateway/running-gateway.ts';
import { openSqliteLedger } from '../../../platform/ledger/sqlite/client.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { silentLog } from '../../support/silent-log.ts';
import { waitFor } from '../../support/wait-for.ts';
import type { MadePacs } from './made-pacs.ts';

export interface Pulling {
  readonly ledger: Ledger;
  readonly gateway: Gateway;
  /** Asks for a run and waits for its end. */
  readonly run: (deadlineMs?: number) => Promise<PullRunRow>;
  readonly studies: () => Promise<readonly PullStudyRow[]>;
  /** SOP Instance UIDs that the ledger holds of a study. */
  readonly held: (study: string) => Promise<readonly string[]>;
  readonly metrics: () => Promise<string>;
  readonly stop: () => Promise<void>;
}

export const PULL = 'nightly';

const OPTIONS: Omit<PullOptions, 'from'> = {
  name: PULL,
  windows: [],
  query: { studyDate: { from: '20260301', to: '20260310' } },
  priority: 'medium',
  concurrency: 1,
  maxMatches: 100,
  timeouts: { answerMs: 500, stallMs: 500, settleMs: 300 },
  // As long as the spool takes to tell the ledger, so that an attempt knows what the one before brought.
  retry: { attempts: 2, firstDelayMs: 600, maxDelayMs: 600 },
};

export function fromPacs(pacs: Pick<MadePacs, 'port' | 'aeTitle'>, kind: 'c-move' | 'c-get' = 'c-move'): PullFrom {
  const peer = () => ({
    host: '127.0.0.1',
    port: pacs.port,
    calledAeTitle: pacs.aeTitle,
    callingAeTitle: 'HUB',
    timeouts: { connectMs: 500, associationMs: 500, responseMs: 500 },
  });
  return kind === 'c-get' ? { kind, peer } : { kind, peer, moveTo: 'HUB' };
}

export async function startPulling(
  options: Partial<PullOptions> & Pick<PullOptions, 'from'>,
  settings: {
    readonly pacs?: MadePacs;
    readonly clock?: Clock;
    readonly isDiskLow?: boolean;
    readonly owner?: string;
    /** Shared with another hub, which has the node of another name; absent: one of its own, in a file. */
    readonly shared?: { readonly ledger: Ledger; readonly node: string };
  } = {},
): Promise<Pulling> {
  const dataDir = await mkdtemp(join(tmpdir(), 'hub-pull-'));
  const clock = settings.clock ?? { now: () => new Date() };
  const metrics = createMetrics();
  const { shared } = settings;
  const ledger =
    shared?.ledger ?? (await openSqliteLedger({ file: join(dataDir, 'ledger.db'), log: silentLog, clock }));
  const moves = new Moves([PULL], shared === undefined);
  const gateway = await openGateway(
    { ledger, log: silentLog, metrics, clock, moves },
    {
      dataDir,
      pulls: [PULL],
      ...(shared === undefined ? {} : { replica: { node: shared.node, identity: shared.node } }),
      completion: { quietMs: 60_000, forceMs: 5_400_000 },
      disk:
        settings.isDiskLow === true ? { maxUsedFraction: 0, minFreeBytes: 0 } : { maxUsedFraction: 1, minFreeBytes: 0 },
      dimse: {
        host: '127.0.0.1',
        port: 0,
        titles: [{ aeTitle: 'HUB', storageCommitment: true }],
        // Somebody, so that not everybody on this machine may call.
        sources: [{ name: 'other', aeTitle: 'OTHER', hosts: ['127.0.0.1'] }],
        movers: [{ name: PULL, aeTitle: 'PACS', hosts: ['127.0.0.1'] }],
      },
    },
  );
  await gateway.accept();
  if (settings.pacs !== undefined) settings.pacs.destinationPort = gateway.dimsePort ?? 0;
  const pulls = await startPulls(
    [{ ...OPTIONS, ...options }],
    { ledger, intake: gateway.intake, moves, clock, log: silentLog, metrics, random: () => 0 },
    settings.owner ?? 'tests',
  );
  let runs = 0;
  return {
    ledger,
    gateway,
    run: async (deadlineMs) => {
      runs += 1;
      const runId = `run-${String(runs)}`;
      await ledger.pulls.request({ runId, pull: PULL, kind: 'manual' });
      return await waitFor(
        'the run to end',
        async () => {
          const [run] = await ledger.pulls.runs({ pull: PULL, limit: 1 });
          return run?.runId === runId && run.endedAt !== undefined ? run : undefined;
        },
        deadlineMs,
      );
    },
    studies: () => ledger.pulls.studies({ pull: PULL, limit: 500 }),
    held: async (study) => {
      const items = await ledger.instances.ofStudy(parseStudyInstanceUid(study));
      return items.map(({ sopInstanceUid }) => sopInstanceUid);
    },
    metrics: async () => (await metrics.render()).body,
    stop: async () => {
      await pulls.stop();
      await gateway.stop(2000);
      if (shared === undefined) await ledger.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export function uids(instances: readonly { readonly sopInstanceUid: string }[]): readonly string[] {
  return instances.map(({ sopInstanceUid }) => sopInstanceUid).sort();
}
