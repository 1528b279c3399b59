/** The gateway alone in a process of its own, with the real ledger, as the ingest benchmark sends to it. */
import { openGateway } from '../gateway/gateway.ts';
import { openSqliteLedger } from '../platform/ledger/sqlite/client.ts';
import { createLogger } from '../platform/logger.ts';
import { createMetrics } from '../platform/metrics.ts';

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('usage: ingest-gateway.ts DATA-FOLDER');

const clock = { now: () => new Date() };
const log = createLogger({ level: 'warn', format: 'json' });
const ledger = await openSqliteLedger({ file: `${dataDir}/ledger.db`, log, clock });
const gateway = await openGateway(
  { ledger, log, metrics: createMetrics(), clock },
  {
    dataDir,
    dimse: { host: '127.0.0.1', port: 0, aeTitles: ['HUB'], sources: [] },
    completion: { quietMs: 60_000, forceMs: 5_400_000 },
  },
);
await gateway.accept();
process.stdout.write(`${JSON.stringify({ port: gateway.dimsePort })}\n`);

process.once('SIGTERM', () => {
  void (async () => {
    await gateway.stop(10_000);
    await ledger.close();
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
    process.stdout.write(
      `${JSON.stringify({ cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, maxRssMb: maxRSS / 1024 })}\n`,
    );
    process.exit(0);
  })();
});
