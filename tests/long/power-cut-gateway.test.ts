import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { sendInstances } from '../../connectors/c-store/send.ts';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { parseSopInstanceUid, parseStudyInstanceUid } from '../../core/identifiers.ts';
import { type BlobRef, parseBlobRef } from '../../core/store.ts';
import { openSpoolFolder } from '../../gateway/spool/files.ts';
import { openSpool } from '../../gateway/spool/spool.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { createLogger } from '../../platform/logger.ts';
import { mrInstance, type MrInstance } from '../support/mr-instance.ts';
import { skip } from '../support/skip.ts';
import { waitFor } from '../support/wait-for.ts';
import { type LoopDisk, mountLoopDisk } from './loop-disk.ts';

const HOLDER = join(import.meta.dirname, 'gateway-holder.ts');
const ROUNDS = 20;
const SCANNERS = 4;
const log = createLogger({ level: 'error', format: 'json' });

describe('when the power is cut under the gateway', function () {
  this.timeout(600_000);
  let disk: LoopDisk | undefined;
  let reason = '';
  before(async () => {
    const mounted = await mountLoopDisk(1_500);
    if (typeof mounted === 'string') reason = mounted;
    else disk = mounted;
  });
  after(async () => {
    await disk?.remove();
  });

  it(`each instance that had its Success is there, byte for byte (${String(ROUNDS)} cuts, ${String(SCANNERS)} associations)`, async function () {
    if (disk === undefined) skip(this, reason);
    const dataDir = join(disk.path, 'data');
    await mkdir(dataDir);
    const holder = fork(HOLDER, [dataDir], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const [ready] = (await once(holder, 'message')) as [{ port: number }];
    const acknowledged = new Map<string, MrInstance>();
    const stop = new AbortController();
    const scanners = Array.from({ length: SCANNERS }, () => push(ready.port, acknowledged, stop.signal));
    try {
      for (let round = 1; round <= ROUNDS; round += 1) {
        const enough = acknowledged.size + 40;
        await waitFor('more acknowledgements', () => acknowledged.size >= enough, 60_000);
        expect(await lostByCut(disk, holder, acknowledged), `cut ${String(round)}`).to.deep.equal([]);
      }
    } finally {
      stop.abort();
      const exited = once(holder, 'exit');
      holder.kill('SIGKILL');
      await Promise.allSettled([...scanners, exited]);
    }

    expect(acknowledged.size).to.be.at.least(40 * ROUNDS);
  });
});

/** A scanner that sends new instances, one after the other, and remembers what was acknowledged. */
async function push(port: number, acknowledged: Map<string, MrInstance>, signal: AbortSignal): Promise<void> {
  const peer = {
    host: '127.0.0.1',
    port,
    calledAeTitle: 'HUB',
    callingAeTitle: 'SCANNER',
    timeouts: { connectMs: 5_000, associationMs: 60_000, responseMs: 120_000 },
  };
  while (!signal.aborted) {
    const images = Array.from({ length: 10 }, () => mrInstance({}, 128));
    const outgoing = images.map((image) => ({
      image,
      sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
      sopInstanceUid: image.sopInstanceUid,
      transferSyntaxUid: '1.2.840.10008.1.2.1',
      open: () => Promise.resolve(bytesAsSource(image.part10)),
    }));
    await sendInstances(peer, outgoing, signal, ({ instance, outcome }) => {
      if (outcome === 'stored') acknowledged.set(instance.sopInstanceUid, instance.image);
    });
    // The disk is small, and the test is about when the power goes, not about how much is written.
    await delay(200, undefined, { signal }).catch(() => undefined);
  }
}

/** Stops the gateway in mid-stride, looks at what its disk holds at that instant, and lets it go on. */
async function lostByCut(
  disk: LoopDisk,
  holder: ChildProcess,
  acknowledged: ReadonlyMap<string, MrInstance>,
): Promise<readonly string[]> {
  holder.kill('SIGSTOP');
  const expected = [...acknowledged.values()];
  const after = await disk.cutPower();
  holder.kill('SIGCONT');
  try {
    return await missingFrom(join(after.path, 'data'), expected);
  } finally {
    await after.remove();
  }
}

/** What the next start would not find: neither in the ledger nor, unrecorded, in the spool; or found with other bytes. */
async function missingFrom(dataDir: string, expected: readonly MrInstance[]): Promise<readonly string[]> {
  const ledger = await openSqliteLedger({ file: join(dataDir, 'ledger.db'), log });
  const files = await openSpoolFolder(join(dataDir, 'spool'));
  const { spool, unrecorded } = await openSpool(
    files,
    await ledger.instances.spoolPositions(),
    {
      disk: { maxUsedFraction: 1, minFreeBytes: 0 },
      segmentBytes: 4_000_000,
      maxInFlightBytes: 64_000_000,
      maxObjectBytes: 64_000_000,
    },
    log,
  );
  const waiting = new Map<string, BlobRef>();
  for (const { description, blob } of unrecorded)
    if (description.kind === 'instance') waiting.set(description.sopInstanceUid, blob);
  const missing: string[] = [];
  const packs = new Map<string, Promise<Buffer>>();
  const contentOf = (pack: string): Promise<Buffer> => {
    const known = packs.get(pack) ?? readFile(join(dataDir, pack));
    packs.set(pack, known);
    return known;
  };
  for (const { sopInstanceUid, studyInstanceUid, dataSet } of expected) {
    const recorded = await ledger.instances.ofStudy(parseStudyInstanceUid(studyInstanceUid));
    const blob = recorded[0]?.blob ?? waiting.get(parseSopInstanceUid(sopInstanceUid));
    if (blob === undefined || !(await endsWith(contentOf, blob, dataSet))) missing.push(sopInstanceUid);
  }
  await spool.close();
  await ledger.close();
  return missing;
}

/** The stored file is preamble, file meta information and the data set as it was sent. */
async function endsWith(
  contentOf: (pack: string) => Promise<Buffer>,
  blob: BlobRef,
  dataSet: Uint8Array,
): Promise<boolean> {
  const { pack, offset, length } = parseBlobRef(blob);
  const content = await contentOf(pack);
  return content.subarray(offset + length - dataSet.length, offset + length).equals(dataSet);
}
