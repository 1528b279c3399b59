/** Spool, pump and ledger without doors, filled with studies of which some are delivered: what retention works on. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { fileMeta } from '../../core/dicom/part10.ts';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import { type InstanceItem, parseBlobRef } from '../../core/store.ts';
import { Arrivals } from '../../gateway/arrivals.ts';
import { HeaderReader } from '../../gateway/header/header-reader.ts';
import { ingest } from '../../gateway/ingest.ts';
import { ledgerPatience } from '../../gateway/ledger-patience.ts';
import { gatewayMetrics } from '../../gateway/metrics.ts';
import { Retention } from '../../gateway/retention.ts';
import { openReceived } from '../../gateway/spool/byte-sources.ts';
import { digesterHere } from '../../gateway/spool/digester.ts';
import { openSpoolFolder, type SpoolFiles } from '../../gateway/spool/files.ts';
import { SpoolPump } from '../../gateway/spool/pump.ts';
import { openSpool, type Spool } from '../../gateway/spool/spool.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { inbox, newRun, routed } from '../contracts/ledger-facts.ts';
import { mrInstance, type MrInstance } from './mr-instance.ts';
import { silentLog } from './silent-log.ts';
import { waitFor } from './wait-for.ts';

const DAY_MS = 86_400_000;
/** Two of the instances below. */
export const SEGMENT_BYTES = 12_000;

/** What a gateway has behind its doors. */
export class SpoolHub {
  readonly ledger: Ledger;
  readonly dataDir: string;
  readonly #files: SpoolFiles;
  readonly #spool: Spool;
  readonly #pump: SpoolPump;
  readonly #arrivals = new Arrivals();
  readonly #metrics = gatewayMetrics(createMetrics());

  static async open(
    dataDir: string,
    { segmentBytes = SEGMENT_BYTES, wrap = (files: SpoolFiles) => files } = {},
  ): Promise<SpoolHub> {
    const ledger = await openSqliteLedger({ file: join(dataDir, 'ledger.db') });
    const files = wrap(await openSpoolFolder(join(dataDir, 'spool')));
    const { spool, unrecorded } = await openSpool(
      files,
      await ledger.instances.spoolPositions(),
      {
        disk: { maxUsedFraction: 1, minFreeBytes: 0 },
        segmentBytes,
        maxInFlightBytes: 64_000_000,
        maxObjectBytes: 64_000_000,
      },
      silentLog,
    );
    const hub = new SpoolHub(dataDir, ledger, files, spool);
    await hub.#pump.resume(unrecorded, 1_000);
    return hub;
  }

  private constructor(dataDir: string, ledger: Ledger, files: SpoolFiles, spool: Spool) {
    this.dataDir = dataDir;
    this.ledger = ledger;
    this.#files = files;
    this.#spool = spool;
    this.#pump = new SpoolPump({
      ledger,
      files,
      digester: digesterHere(files),
      log: silentLog,
      clock: { now: () => new Date() },
      metrics: this.#metrics,
      completionOf: () => ({ quietMs: DAY_MS, forceMs: DAY_MS }),
      onRecorded: (description) => this.#arrivals.forget(description),
    });
  }

  async receive(instance: MrInstance): Promise<void> {
    const transferSyntaxUid = '1.2.840.10008.1.2.1';
    const sopClassUid = '1.2.840.10008.5.1.4.1.1.4';
    const { sopInstanceUid } = instance;
    const reception = this.#spool.receive(fileMeta({ sopClassUid, sopInstanceUid, transferSyntaxUid }));
    reception.push(instance.dataSet);
    const provenance = { door: 'dimse', source: 'pv-7t', associationId: 'one' } as const;
    await ingest(
      reception,
      { provenance, expected: { transferSyntaxUid } },
      {
        ledger: this.ledger,
        patience: ledgerPatience({ log: silentLog }),
        arrivals: this.#arrivals,
        headers: new HeaderReader(),
        pump: this.#pump,
        metrics: this.#metrics,
        clock: { now: () => new Date() },
        log: silentLog,
        sameUidOf: () => 'quarantine',
        namesOf: () => undefined,
        openReceived: async (blob) => openReceived(this.#files, blob),
      },
    ).catch((error: unknown) => {
      // The sender is told; what is kept is looked at below.
      if (!(error instanceof Error)) throw error;
    });
  }

  async recorded(): Promise<void> {
    await waitFor('the pump', () => this.#pump.pendingBytes === 0);
  }

  retention(now: Date, under: <Port extends object>(port: Port) => Port = (port) => port): Retention {
    return new Retention(
      {
        ledger: { ...this.ledger, retention: under(this.ledger.retention) },
        files: under(this.#files),
        log: silentLog,
        clock: { now: () => now },
        nextName: this.#spool.nextName,
        isOpen: (segment) => this.#spool.isOpen(segment),
        removeResults: () => Promise.resolve(0),
      },
      { receivedMs: DAY_MS, everyMs: DAY_MS, compactBelowFraction: 0.9 },
    );
  }

  async close(): Promise<void> {
    await this.#spool.close();
    await this.#pump.stop(5_000);
    await this.ledger.close();
  }
}

/** When everything is old enough. */
export const later = (): Date => new Date(Date.now() + 2 * DAY_MS);

/** Nine studies in files of two, every third one not delivered; and a reused UID in quarantine. */
export async function fill(
  hub: SpoolHub,
): Promise<{ readonly done: readonly MrInstance[]; readonly waiting: readonly MrInstance[] }> {
  const instances = Array.from({ length: 9 }, () => mrInstance({}, 48));
  for (const instance of instances) await hub.receive(instance);
  const [first] = instances;
  await hub.receive(mrInstance({ ...first?.attributes, SeriesDescription: 'another' }, 48));
  // So that the file they are in is closed.
  await hub.receive(mrInstance({}, 80));
  await hub.receive(mrInstance({}, 80));
  await hub.recorded();
  const done = instances.filter((_, n) => n % 3 !== 0);
  for (const instance of done) await deliver(hub.ledger, instance);
  return { done, waiting: instances.filter((_, n) => n % 3 === 0) };
}

async function deliver(ledger: Ledger, instance: MrInstance): Promise<void> {
  const studyInstanceUid = parseStudyInstanceUid(instance.studyInstanceUid);
  await ledger.studies.complete({ studyInstanceUid, signal: 'manual' }, new Date());
  const run = newRun({ studyInstanceUid, steps: [], destinations: ['archive'] });
  await ledger.runs.open(inbox('router'), studyInstanceUid, [run], [routed(run)]);
  await ledger.runs.start(inbox('runner'), run.runId);
  const { runId } = run;
  await ledger.deliveries.open(inbox('connectors'), [
    { deliveryId: runId, runId, destination: 'archive', releasedStudyInstanceUid: studyInstanceUid },
  ]);
  const [lease] = await ledger.deliveries.claim('me', DAY_MS, new Date(Date.now() + 1_000), { archive: 1 });
  const attempt = { attempt: 1, startedAt: new Date().toISOString(), durationMs: 1, outcome: 'succeeded' as const };
  await ledger.deliveries.succeed(runId, lease?.fence ?? 0, attempt, []);
}

export async function itemsOf(ledger: Ledger, { studyInstanceUid }: MrInstance): Promise<readonly InstanceItem[]> {
  return ledger.instances.ofStudy(parseStudyInstanceUid(studyInstanceUid));
}

/** Every row's bytes are where it says, and are what was sent. */
export async function expectWhole(
  { ledger, dataDir }: Pick<SpoolHub, 'ledger' | 'dataDir'>,
  instances: readonly MrInstance[],
): Promise<void> {
  for (const instance of instances) {
    const [item, more] = await itemsOf(ledger, instance);
    if (item === undefined) throw new Error(`${instance.sopInstanceUid} is not in the ledger`);
    expect(more).to.equal(undefined);
    // Read as it lies there: the store keeps files open a while, and a disk with open files cannot be taken away.
    const { pack, offset, length } = parseBlobRef(item.blob);
    const bytes = (await readFile(join(dataDir, pack))).subarray(offset, offset + length);
    expect(createHash('sha256').update(bytes).digest('hex')).to.equal(item.sha256);
    expect(bytes.subarray(-instance.dataSet.length).equals(instance.dataSet)).to.be.true;
  }
}

/** What the segments hold, without the room that is laid behind small objects. */
export async function spoolBytes(dataDir: string): Promise<number> {
  const folder = join(dataDir, 'spool');
  const contents = (await readdir(folder)).map(async (name) => readFile(join(folder, name)));
  return (await Promise.all(contents)).reduce((sum, bytes) => sum + bytes.findLastIndex((byte) => byte !== 0) + 1, 0);
}
