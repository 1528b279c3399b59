/**
 * A receiving gateway that is killed at seeded moments of a push: five senders know what they were told, the ledger and
 * the store say what is there. How long a push takes is measured first: on a slow machine as on a fast one it is cut off.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { formatBlobRef } from '../../../core/store.ts';
import { openFileStore } from '../../../platform/store/file.ts';
import { hasInstances, openLedgerFile, type LedgerFile } from '../crash-ledger.ts';
import { dataSetDigest } from '../crash-samples.ts';
import { HubProcess } from '../hub-process.ts';
import { seeded } from '../seeded.ts';
import { waitFor } from '../wait-for.ts';
import { dimseSender, stowSender, type Sender } from './sender.ts';

const SCANNERS = ['SCAN1', 'SCAN2', 'SCAN3', 'SCAN4'] as const;
/** One kill of so many strikes while the hub starts and recovers. */
const AT_START_EVERY = 10;
const DRAIN_MS = 60_000;
const FLAT_FROM_KILLS = 200;
/** How much more of the processor the last starts may take than the first. */
const FLAT = 1.5;

export interface KillOptions {
  readonly kills: number;
  /** The same seed gives the same instances and moments; what the hub is doing then differs all the same. */
  readonly seed: number;
}

export interface KillOutcome {
  readonly kills: number;
  readonly acknowledged: number;
  readonly cutOff: number;
  readonly repeated: number;
  readonly pushMs: number;
  readonly segments: number;
  /** Of a start until it is ready, medians of the first and the last tenth: wall clock, and time on the processor. */
  readonly firstStarts: Start;
  readonly lastStarts: Start;
}

interface Start {
  readonly readyMs: number;
  readonly cpuMs: number;
}

/** @throws {AssertionError} with the seed */
export async function surviveKills({ kills, seed }: KillOptions): Promise<KillOutcome> {
  const random = seeded(seed);
  const hub = await HubProcess.create({
    args: ['--stages', 'gateway'],
    config: {
      gateway: {
        dimse: {
          sources: SCANNERS.map((title) => ({ name: title.toLowerCase(), aeTitle: title, hosts: ['127.0.0.1'] })),
        },
        http: { anonymousLoopback: true },
        completion: { quiet: '1h', force: '2h' },
      },
    },
  });
  const senders = [
    ...SCANNERS.map((title, n) => dimseSender(title, hub, seeded(seed + n + 1))),
    stowSender(hub, seeded(seed + SCANNERS.length + 1)),
  ];
  const starts: Start[] = [];
  const start = async () => {
    const startedMs = performance.now();
    await hub.start();
    starts.push({ readyMs: performance.now() - startedMs, cpuMs: await cpuMsOf(hub.pid) });
  };
  try {
    // The first life is not cut off: it says how long a push takes, and leaves to the others what Node made of the sources.
    await start();
    const startedMs = performance.now();
    await Promise.all(senders.map(async (sender) => sender.push()));
    const pushMs = performance.now() - startedMs;
    await hub.stop();
    for (let kill = 0; kill < kills; kill += 1) {
      if (kill % AT_START_EVERY === AT_START_EVERY - 1) {
        hub.launch();
        await delay(random() * (starts.at(-1)?.readyMs ?? 0));
        await hub.kill();
        continue;
      }
      await start();
      const pushing = Promise.all(senders.map(async (sender) => sender.push()));
      await delay(random() * pushMs);
      await hub.kill();
      await pushing;
    }
    await start();
    await Promise.all(senders.map(async (sender) => sender.finish()));
    const note = `seed ${seed}`;
    const acknowledged = new Map(senders.flatMap((sender) => [...sender.acknowledged]));
    await expectEachOnce(hub, acknowledged, senders, note);
    const cutOff = senders.reduce((sum, each) => sum + each.cutOff, 0);
    expect(cutOff, `${note}: no kill ever cut a push off, so nothing was tried`).to.be.greaterThan(0);
    const tenth = Math.ceil(starts.length / 10);
    const [firstStarts, lastStarts] = [medianOf(starts.slice(0, tenth)), medianOf(starts.slice(-tenth))];
    // Of a few starts no median can be told from chance.
    if (kills >= FLAT_FROM_KILLS)
      expect(lastStarts.cpuMs, `${note}: recovery grows`).to.be.at.most(firstStarts.cpuMs * FLAT);
    return {
      kills,
      acknowledged: acknowledged.size,
      cutOff,
      repeated: senders.reduce((sum, { repeated }) => sum + repeated, 0),
      pushMs: Math.round(pushMs),
      segments: (await readdir(join(hub.dataFolder, 'spool'))).length,
      firstStarts,
      lastStarts,
    };
  } catch (error) {
    throw new Error(`with seed ${seed}: ${String(error)}\n${hub.log().slice(-3_000)}`, { cause: error });
  } finally {
    await hub.remove();
  }
}

async function expectEachOnce(
  hub: HubProcess,
  acknowledged: ReadonlyMap<string, string>,
  senders: readonly Sender[],
  note: string,
): Promise<void> {
  expect(
    senders.flatMap(({ refused }) => refused),
    `${note}: refused`,
  ).to.deep.equal([]);
  const ledger = openLedgerFile(hub.dataFolder);
  try {
    await waitFor('the ledger to know all', () => hasInstances(ledger, acknowledged.size), DRAIN_MS);
    expect(await hub.stop(), `${note}: stops in good order`).to.equal(0);
    expectFacts(ledger, acknowledged, note);
    await expectBytes(hub, ledger, acknowledged, note);
  } finally {
    ledger.close();
  }
}

function expectFacts(ledger: LedgerFile, acknowledged: ReadonlyMap<string, string>, note: string): void {
  const known = ledger.all('SELECT sop_instance_uid AS uid FROM instances').map(({ uid }) => String(uid));
  const rows = new Set(known);
  expect(known.length, `${note}: an instance twice in the ledger`).to.equal(rows.size);
  const lost = [...acknowledged.keys()].filter((uid) => !rows.has(uid));
  expect(lost, `${note}: acknowledged and not in the ledger`).to.deep.equal([]);
  // All that was offered was sent until it was acknowledged.
  expect(rows.size, `${note}: more in the ledger than was sent`).to.equal(acknowledged.size);
  const events = `SELECT json_extract(data, '$.sopInstanceUid') AS uid FROM events WHERE type = 'instance.stored'`;
  const stated = ledger.all(events).map(({ uid }) => String(uid));
  expect(stated.length, `${note}: a fact stated twice`).to.equal(new Set(stated).size);
  expect(new Set(stated), `${note}: facts`).to.deep.equal(rows);
  expect(ledger.all('SELECT reason FROM quarantine'), `${note}: quarantine`).to.deep.equal([]);
}

/** Each as the store gives it, behind its file meta information. */
async function expectBytes(
  hub: HubProcess,
  ledger: LedgerFile,
  acknowledged: ReadonlyMap<string, string>,
  note: string,
): Promise<void> {
  const store = openFileStore(hub.dataFolder);
  const changed: string[] = [];
  for (const row of ledger.all('SELECT sop_instance_uid AS uid, blob FROM instances')) {
    const [, pack = '', offset, length] = /^(.*)#(\d+)\+(\d+)$/.exec(String(row['blob'])) ?? [];
    const source = await store.open(formatBlobRef(pack, Number(offset), Number(length)));
    const digest = dataSetDigest(await source.read(0, source.sizeBytes));
    await source.close();
    if (digest !== acknowledged.get(String(row['uid']))) changed.push(String(row['uid']));
  }
  expect(changed, `${note}: other bytes than were sent`).to.deep.equal([]);
}

/** User and system time of all its threads. */
async function cpuMsOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ');
  // Fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms.
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

function medianOf(starts: readonly Start[]): Start {
  const middle = (values: readonly number[]) => values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0;
  return {
    readyMs: Math.round(middle(starts.map(({ readyMs }) => readyMs))),
    cpuMs: middle(starts.map(({ cpuMs }) => cpuMs)),
  };
}
