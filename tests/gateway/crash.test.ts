import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import { openFileStore } from '../../platform/store/file.ts';
import { mrInstance, newUid, type MrInstance } from '../support/mr-instance.ts';
import { RawPeer, statusOf, storeRequest } from '../support/raw-association.ts';
import { startGateway } from '../support/running-gateway.ts';
import { waitFor } from '../support/wait-for.ts';

const GATEWAY = resolve(import.meta.dirname, '../long/gateway-holder.ts');
const KILLS = 4;
const SENDERS = 3;
/** Larger than what shares a segment. */
const LARGE_PIXELS = 2200;

describe('a gateway that is killed with kill -9', function () {
  this.timeout(120_000);

  it('has every instance it has acknowledged, byte for byte and in the ledger, each once', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'hub-crash-'));
    const study = newUid();
    const acknowledged = new Map<string, MrInstance>();
    try {
      for (let kill = 0; kill < KILLS; kill += 1) {
        const { child, port } = await startChild(dataDir);
        const senders = Promise.allSettled(
          Array.from({ length: SENDERS }, async (_, n) => sendUntilCut(port, study, acknowledged, n === 0)),
        );
        // Each kill strikes a little later: while the first is on its way, while the pump lingers, while it records.
        const before = acknowledged.size;
        await waitFor('some acknowledgements', () => acknowledged.size > before + 7 * kill, 20_000);
        child.kill('SIGKILL');
        await senders;
      }

      const hub = await startGateway({ dataDir });
      const items = await waitFor('all of them in the ledger', async () => {
        const found = await hub.ledger.instances.ofStudy(parseStudyInstanceUid(study));
        const there = new Set(found.map((item) => item.sopInstanceUid));
        return [...acknowledged.keys()].every((uid) => there.has(uid)) ? found : undefined;
      });
      const stored = new Map(items.map((item) => [item.sopInstanceUid, item]));
      const store = openFileStore(dataDir);
      expect(acknowledged.size).to.be.greaterThan(KILLS * 5);
      expect(stored.size).to.equal(items.length);
      for (const [sopInstanceUid, instance] of acknowledged) {
        const item = stored.get(sopInstanceUid);
        expect(item, sopInstanceUid).to.not.be.undefined;
        if (item === undefined) continue;
        const source = await store.open(item.blob);
        const bytes = Buffer.from(await source.read(0, source.sizeBytes));
        await source.close();
        expect(bytes.subarray(-instance.dataSet.length).equals(instance.dataSet), sopInstanceUid).to.be.true;
      }
      await hub.stop();
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});

async function startChild(dataDir: string): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', GATEWAY, dataDir], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the gateway did not start')));
  const [{ port }] = (await Promise.race([once(child, 'message'), ended])) as [{ port: number }];
  ended.catch(() => undefined); // It will be killed.
  return { child, port };
}

/** @param isLarge - every third object is too large for a shared segment */
async function sendUntilCut(
  port: number,
  study: string,
  acknowledged: Map<string, MrInstance>,
  isLarge: boolean,
): Promise<void> {
  const peer = await RawPeer.associate(port);
  for (let n = 0; ; n += 1) {
    const instance = mrInstance({ StudyInstanceUID: study }, isLarge && n % 3 === 2 ? LARGE_PIXELS : 64);
    peer.send(storeRequest(instance, instance.dataSet));
    // Throws when the gateway is gone: only what was answered counts.
    if (statusOf(await peer.next()) === 0) acknowledged.set(instance.sopInstanceUid, instance);
  }
}
