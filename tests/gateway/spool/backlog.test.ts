import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import { formatBlobRef } from '../../../core/store.ts';
import { gatewayMetrics } from '../../../gateway/metrics.ts';
import { quarantineDescription } from '../../../gateway/quarantine.ts';
import type { SpoolFiles } from '../../../gateway/spool/files.ts';
import { digesterHere } from '../../../gateway/spool/digester.ts';
import { SpoolPump } from '../../../gateway/spool/pump.ts';
import type { SpooledRecord } from '../../../gateway/spool/recovery.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { openTestLedger } from '../../support/open-ledger.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { openSpoolFolder } from '../../../gateway/spool/files.ts';
import { waitFor } from '../../support/wait-for.ts';

describe('what a recovery finds', () => {
  const folder = temporaryFolder();

  it('is told to the ledger before the doors open, all of a segment together; what comes new waits for company', async () => {
    const { ledger, remove } = await openTestLedger();
    const files = await openSpoolFolder(folder.path);
    const told: string[] = [];
    const pump = (name: string) => new SpoolPump(portsOf(name, files, told));

    const [fresh, resumed] = [pump('new'), pump('found')];
    fresh.add(record(1));
    await resumed.resume([record(1), record(2), record(3)], 10_000);
    const before = [...told];
    await waitFor('both', () => told.length === 2);
    await Promise.all([fresh.stop(0), resumed.stop(0)]);
    await remove();

    expect(before).to.deep.equal(['found up to 300']);
    expect(told).to.deep.equal(['found up to 300', 'new up to 100']);

    function portsOf(name: string, spool: SpoolFiles, trace: string[]) {
      return {
        ledger: {
          ...ledger,
          quarantine: { ...ledger.quarantine, hold: () => Promise.resolve() },
          instances: {
            ...ledger.instances,
            record: (_: unknown, position: { readonly offset: number }) => {
              trace.push(`${name} up to ${position.offset}`);
              return Promise.resolve([]);
            },
          },
        },
        files: spool,
        digester: digesterHere(spool),
        log: silentLog,
        clock: { now: () => new Date() },
        metrics: gatewayMetrics(createMetrics()),
        completionOf: () => ({ quietMs: 1_000, forceMs: 1_000 }),
        onRecorded: () => undefined,
      };
    }
  });
});

function record(n: number): SpooledRecord {
  const segment = '0000000001.seg';
  const provenance = { door: 'dimse', source: 'pv-7t', associationId: 'one' } as const;
  const offer = { provenance, expected: { transferSyntaxUid: '1.2.840.10008.1.2.1' } };
  return {
    segment,
    endOffset: n * 100,
    blob: formatBlobRef(`spool/${segment}`, (n - 1) * 100, 100),
    sizeBytes: 100,
    dataSetBytes: 100,
    description: quarantineDescription(offer, new HubError('dataset.unreadable'), {
      dataSetCrc32: 0,
      dataSetSha256: '0'.repeat(64),
      receivedAt: '2026-01-01T00:00:00.000Z',
    }),
  };
}
