/**
 * Hostile peers against a real hub, beside a scanner that behaves: each has to be ended as it must, the scanner is
 * served all the while, and the hub is the same process with the same memory and the same open files afterwards.
 */
import { mkdir } from 'node:fs/promises';
import { expect } from 'chai';
import { rssOf } from '../fuzz/attack.ts';
import { HubProcess } from '../hub-process.ts';
import { mrInstance } from '../mr-instance.ts';
import { RawPeer, statusOf, storeRequest } from '../raw-association.ts';
import { waitFor } from '../wait-for.ts';
import { WellBehaved, type Served } from '../well-behaved.ts';
import { cutEverywhere, type CutOutcome } from './cuts.ts';
import { DIMSE_ATTACKS, type Attack } from './dimse-attacks.ts';
import { HTTP_ATTACKS, watchedFolder } from './http-attacks.ts';
import { openFiles } from './peer.ts';

const FAST_AT_ONCE = 3;
const SETTLE_MS = 60_000;
const ALLOWED_GROWTH = 1.1;
/** Loosely: of a machine that has other things to do. */
const SLOWEST_STORE_MS = 10_000;

export interface HostileOptions {
  /** With what takes minutes, all cuts of a larger conversation, and memory compared. */
  readonly isLong: boolean;
}

export interface HostileOutcome extends Served, CutOutcome {
  readonly ends: Readonly<Record<string, string>>;
  readonly filesBefore: number;
  readonly filesAfter: number;
  readonly rssBeforeBytes: number;
  readonly rssAfterBytes: number;
}

/** @throws {AssertionError} */
export async function surviveHostilePeers({ isLong }: HostileOptions): Promise<HostileOutcome> {
  const hub = await HubProcess.create({ config: {} });
  await mkdir(watchedFolder(hub), { recursive: true });
  const idle = { associate: '3s', idle: '10s', progress: '3s', release: '500ms' };
  await hub.configure({
    gateway: {
      dimse: { maxAssociations: 100, timeouts: idle },
      http: { anonymousLoopback: true },
      completion: { quiet: '1h', force: '2h' },
      folders: [{ name: 'watched', path: watchedFolder(hub), scan: '1s', minAge: '0ms' }],
    },
  });
  const scanner = new WellBehaved(hub.dimsePort);
  try {
    await hub.start();
    const { pid } = hub;
    const attacks = [...named('DIMSE', DIMSE_ATTACKS), ...named('HTTP', HTTP_ATTACKS)];
    const alone = attacks.filter(({ isAlone }) => isAlone === true);
    const fast = attacks.filter(({ isAlone, isSlow }) => isAlone !== true && isSlow !== true);
    const slow = isLong ? attacks.filter(({ isSlow }) => isSlow === true) : [];
    // Once before anything is measured: caches are warm then, threads and pools as large as they get.
    if (isLong) await carryOut(hub, fast, 1);
    await receiveOne(hub);
    await quietFiles(hub);
    const [filesBefore, rssBeforeBytes] = [await openFiles(pid), await rssOf(pid)];
    const serving = scanner.run();
    const attacking = async () => {
      const floods = await carryOut(hub, alone, 1);
      const [crept, struck] = await Promise.all([carryOut(hub, slow, slow.length), carryOut(hub, fast, FAST_AT_ONCE)]);
      const ends = { ...floods, ...crept, ...struck };
      const cut = await cutEverywhere(hub, isLong ? 64 : 8);
      return { ends, cut };
    };
    // A scanner that is not served any more ends the wait.
    const { ends, cut } = await Promise.race([attacking(), serving.then(() => Promise.reject(new Error('stopped')))]);
    scanner.stop();
    await serving;
    expect(hub.pid, 'the same process').to.equal(pid);
    expect((await fetch(`${hub.url}/health/ready`)).status).to.equal(200);
    expect(scanner.served.wellBehavedStores, 'the scanner beside it was served').to.be.greaterThan(0);
    expect(scanner.served.slowestStoreMs, 'nobody held it up').to.be.lessThan(SLOWEST_STORE_MS);
    expect(errorsIn(hub.log()), 'lines that call a human').to.deep.equal([]);
    let filesAfter = 0;
    await waitFor(
      `the ${filesBefore} open files of before`,
      async () => (filesAfter = await openFiles(pid)) <= filesBefore,
      SETTLE_MS,
    ).catch((error: unknown) => {
      throw new Error(`it has ${filesAfter}`, { cause: error });
    });
    let rssAfterBytes = await rssOf(pid);
    if (isLong) {
      await waitFor(
        `memory to come back to ${rssBeforeBytes} bytes and a tenth`,
        async () => (rssAfterBytes = await rssOf(pid)) <= rssBeforeBytes * ALLOWED_GROWTH,
        SETTLE_MS,
      ).catch((error: unknown) => {
        throw new Error(`it has ${rssAfterBytes}`, { cause: error });
      });
    }
    expect(await hub.stop(), 'stops in good order').to.equal(0);
    return { ends, ...cut, ...scanner.served, filesBefore, filesAfter, rssBeforeBytes, rssAfterBytes };
  } catch (error) {
    throw new Error(`${String(error)}\n${hub.log().slice(-2_000)}`, { cause: error });
  } finally {
    scanner.stop();
    await hub.remove();
  }
}

const named = (door: string, attacks: readonly Attack[]): readonly Attack[] =>
  attacks.map((attack) => ({ ...attack, name: `${door}: ${attack.name}` }));

/** @throws {Error} that names each attack that did not end as it must */
async function carryOut(hub: HubProcess, attacks: readonly Attack[], atOnce: number): Promise<Record<string, string>> {
  const ends: Record<string, string> = {};
  const wrong: string[] = [];
  const left = [...attacks];
  const worker = async () => {
    for (let attack = left.shift(); attack !== undefined; attack = left.shift()) {
      const { name } = attack;
      const end = await attack.carryOut(hub).catch((error: unknown) => String(error));
      if (!attack.ends.test(end)) wrong.push(`${name}: ${end}`);
      ends[name] = end;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (wrong.length > 0) throw new Error(`ended in another way:\n${wrong.join('\n')}`);
  return ends;
}

/** The connection that asked whether it is ready is gone. */
/** So that the threads are there which begin with the first instance. */
async function receiveOne(hub: HubProcess): Promise<void> {
  const { sopInstanceUid, dataSet } = mrInstance({}, 64);
  const peer = await RawPeer.associate(hub.dimsePort);
  peer.send(storeRequest({ sopInstanceUid, messageId: 1 }, dataSet));
  expect(statusOf(await peer.next())).to.equal(0);
  peer.destroy();
  await waitFor('the first instance to be known', async () => {
    const answer = await fetch(`${hub.url}/dicom-web/instances?SOPInstanceUID=${sopInstanceUid}`);
    return answer.status === 200;
  });
}

async function quietFiles(hub: HubProcess): Promise<void> {
  let before = -1;
  await waitFor('open files to stay as they are', async () => {
    const now = await openFiles(hub.pid);
    const isSame = now === before;
    before = now;
    return isSame;
  });
}

function errorsIn(log: string): readonly string[] {
  return log.split('\n').filter((line) => line.includes('"level":"error"') || /unhandled|uncaught/i.test(line));
}
