/**
 * Whether an instance costs the same however many the ledger holds: it is filled through its own port with made-up
 * instances, and at each size a hub on it receives some more.
 *
 *   npm run bench -- flat [--sizes 1000,10000,100000,1000000] [--images 1000] [--window 2000] [--uids device|scattered]
 *
 * With UIDs as devices make them, or made from random numbers: each of those meets another page of the index of UIDs,
 * the worst an index can be given.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  parseSeriesInstanceUid,
  parseSopClassUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
  parseTransferSyntaxUid,
} from '../core/identifiers.ts';
import type { Ledger } from '../core/ledger.ts';
import type { CompletionRule, StoredInstance } from '../core/ledger/instances.ts';
import { formatBlobRef } from '../core/store.ts';
import { openSqliteLedger } from '../platform/ledger/sqlite/client.ts';
import { openDatabase } from '../platform/ledger/sqlite/driver.ts';
import { newUid } from '../tests/support/mr-instance.ts';
import { waitFor } from '../tests/support/wait-for.ts';
import { deviceUids, writeImages } from './images.ts';
import { cpuSeconds } from './process-cost.ts';
import { type HubReceiver, startHub } from './receivers.ts';
import { settle } from './rounds.ts';
import { sendFolders } from './storescu.ts';

/** As the pump tells them. */
const BATCH = 200;
const SERIES_INSTANCES = 100;
const STUDY_INSTANCES = 500;
/** No study of the filling completes while it is measured. */
const NEVER: CompletionRule = { quietMs: 1e10, forceMs: 1e10 };
const ASSOCIATIONS = 4;

interface Cost {
  readonly size: number;
  /** Microseconds of the ledger, both threads. */
  readonly ledgerCpu: number;
  readonly ledgerWall: number;
  /** Microseconds of the whole hub. */
  readonly hubCpu: number;
  readonly hubWall: number;
}

export async function benchFlat(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sizes: { type: 'string', default: '1000,10000,100000,1000000' },
      images: { type: 'string', default: '1000' },
      window: { type: 'string', default: '2000' },
      uids: { type: 'string', default: 'device' },
    },
  });
  const uid = values.uids === 'scattered' ? newUid : deviceUids();
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-'));
  const hub = await startHub();
  await hub.process.stop();
  try {
    const costs: Cost[] = [];
    for (const size of values.sizes.split(',').map(Number)) {
      const ofLedger = await onLedger(hub, async (ledger) => {
        await fill(ledger, size - countOf(hub), uid);
        await settle();
        return measureLedger(ledger, Number(values.window), uid);
      });
      const ofHub = await measureHub(hub, folder, Number(values.images), uid);
      costs.push({ size, ...ofLedger, ...ofHub });
      console.log(line(costs.at(-1), costs[0]));
    }
  } finally {
    await hub.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function line(cost: Cost | undefined, first: Cost | undefined): string {
  if (cost === undefined || first === undefined) return '';
  const figure = (name: string, of: Exclude<keyof Cost, 'size'>) =>
    `${name} ${cost[of].toFixed(0)} µs (${(cost[of] / first[of]).toFixed(2)} ×)`;
  return [
    `${String(cost.size).padStart(9)} instances, each more:`,
    figure('ledger CPU', 'ledgerCpu'),
    figure('wall', 'ledgerWall'),
    figure('| C-STORE to event, hub CPU', 'hubCpu'),
    figure('wall', 'hubWall'),
  ].join('  ');
}

async function onLedger<T>(hub: HubReceiver, work: (ledger: Ledger) => Promise<T>): Promise<T> {
  const ledger = await openSqliteLedger({ file: join(hub.process.dataFolder, 'ledger.db') });
  try {
    return await work(ledger);
  } finally {
    // What the groups of the hub would have seen by now, had the instances come through the door.
    const head = await ledger.events.head();
    for (const group of groupsOf(hub)) await ledger.groups.commit(group, head);
    await ledger.close();
  }
}

async function fill(ledger: Ledger, instances: number, uid: () => string): Promise<void> {
  for (const batch of batches(instances, uid)) await ledger.instances.record(batch, position(batch));
}

async function measureLedger(
  ledger: Ledger,
  instances: number,
  uid: () => string,
): Promise<Pick<Cost, 'ledgerCpu' | 'ledgerWall'>> {
  // The first runs on machine code that is not compiled yet.
  await fill(ledger, instances, uid);
  const work = [...batches(instances, uid)];
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  for (const batch of work) {
    for (const { instance } of batch) await ledger.instances.known(instance.sopInstanceUid, instance.studyInstanceUid);
    await ledger.instances.record(batch, position(batch));
  }
  const { user, system } = process.cpuUsage(cpu);
  return {
    ledgerCpu: (user + system) / instances,
    ledgerWall: ((performance.now() - startedMs) * 1000) / instances,
  };
}

function* batches(instances: number, uid: () => string) {
  for (let made = 0; made < instances;) {
    const study = uid();
    const batch: { readonly instance: StoredInstance; readonly completion: CompletionRule }[] = [];
    let series = uid();
    for (let n = 0; n < STUDY_INSTANCES && made < instances; n += 1, made += 1) {
      if (n % SERIES_INSTANCES === 0) series = uid();
      batch.push({ instance: instanceOf(study, series, uid()), completion: NEVER });
    }
    while (batch.length > 0) yield batch.splice(0, BATCH);
  }
}

function position(batch: readonly unknown[]) {
  return { segment: '0000000001.seg', offset: batch.length };
}

function instanceOf(study: string, series: string, instance: string): StoredInstance {
  return {
    door: 'dimse',
    source: 'loopback',
    callingAeTitle: 'STORESCU',
    calledAeTitle: 'HUB',
    associationId: 'bench',
    studyInstanceUid: parseStudyInstanceUid(study),
    seriesInstanceUid: parseSeriesInstanceUid(series),
    sopInstanceUid: parseSopInstanceUid(instance),
    sopClassUid: parseSopClassUid('1.2.840.10008.5.1.4.1.1.4'),
    transferSyntaxUid: parseTransferSyntaxUid('1.2.840.10008.1.2.1'),
    blob: formatBlobRef('spool/0000000001.seg', 1000, 131_000),
    sizeBytes: 131_000,
    sha256: randomBytes(32).toString('hex'),
    dataSetSha256: randomBytes(32).toString('hex'),
    receivedAt: new Date().toISOString(),
    patientDigest: '0'.repeat(64),
    attributes: { Modality: ['MR'], StudyDescription: ['brain'], Rows: ['256'], Columns: ['256'] },
  };
}

/** The hub started on the filled folder; what is counted is from the first image to the last `instance.stored`. */
async function measureHub(
  hub: HubReceiver,
  folder: string,
  images: number,
  uid: () => string,
): Promise<Pick<Cost, 'hubCpu' | 'hubWall'>> {
  await hub.process.start();
  try {
    const receiver = { ...hub, pid: hub.process.pid };
    const store = async (): Promise<void> => {
      const before = countOf(hub);
      await sendFolders(folder, ASSOCIATIONS, receiver);
      await waitFor('the last instance.stored', () => countOf(hub) >= before + images, 60_000);
    };
    await writeImages(folder, { images, pixels: 256, frames: 1 }, ASSOCIATIONS, uid);
    await store(); // Not counted: a cold start is the same at every size.
    await writeImages(folder, { images, pixels: 256, frames: 1 }, ASSOCIATIONS, uid);
    await settle();
    const cpu = cpuSeconds(receiver.pid);
    const startedMs = performance.now();
    await store();
    return {
      hubCpu: ((cpuSeconds(receiver.pid) - cpu) * 1e6) / images,
      hubWall: ((performance.now() - startedMs) * 1000) / images,
    };
  } finally {
    await hub.process.stop();
  }
}

function countOf(hub: HubReceiver): number {
  return reading(
    hub,
    (db) => db.query<{ rows: number }>('SELECT max(instance) AS rows FROM instances').get()?.rows ?? 0,
  );
}

function groupsOf(hub: HubReceiver): readonly string[] {
  return reading(hub, (db) => db.query<{ group_name: string }>('SELECT group_name FROM groups').all()).map(
    ({ group_name: name }) => name,
  );
}

function reading<T>(hub: HubReceiver, read: (db: ReturnType<typeof openDatabase>) => T): T {
  const db = openDatabase(join(hub.process.dataFolder, 'ledger.db'), 'read');
  try {
    return read(db);
  } finally {
    db.close();
  }
}
