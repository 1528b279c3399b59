/** A gateway with its ledger in a process of its own, on a disk whose power somebody is going to cut. */
import { openGateway } from '../../gateway/gateway.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { createLogger } from '../../platform/logger.ts';
import { createMetrics } from '../../platform/metrics.ts';

const [, , dataDir = ''] = process.argv;
const clock = { now: () => new Date() };
const log = createLogger({ level: 'error', format: 'json' });
const ledger = await openSqliteLedger({ file: `${dataDir}/ledger.db`, log, clock });
const gateway = await openGateway(
  { ledger, log, metrics: createMetrics(), clock },
  {
    dataDir,
    dimse: { host: '127.0.0.1', port: 0, titles: [{ aeTitle: 'HUB', storageCommitment: true }], sources: [] },
    completion: { quietMs: 60_000, forceMs: 5_400_000 },
    disk: { maxUsedFraction: 0.99, minFreeBytes: 1_000_000 },
    // Small, so that segments are closed and made while the power is cut.
    spool: { segmentBytes: 4_000_000 },
  },
);
await gateway.accept();
process.send?.({ port: gateway.dimsePort });
