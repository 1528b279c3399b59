import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseSopInstanceUid, parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { SpoolFile } from '../../gateway/spool/files.ts';
import { mrInstance, newUid, type MrInstance } from '../support/mr-instance.ts';
import { RawPeer, statusOf, storeRequest } from '../support/raw-association.ts';
import { startGateway, type GatewaySettings, type RunningGateway } from '../support/running-gateway.ts';
import { waitFor } from '../support/wait-for.ts';

/** Large enough for a segment of its own. */
const LARGE = 2_100;
const LARGE_BYTES = 8 * 1024 * 1024 + 100_000;

describe('who was told Success', function () {
  this.timeout(30_000);
  let hub: RunningGateway;

  const start = async (settings: GatewaySettings = {}) => {
    hub = await startGateway(settings);
  };
  afterEach(async () => {
    await hub.remove();
  });

  it('has the first patient of the study, though a refused copy of another one was on the disk earlier', async () => {
    const gate = new Gate();
    const asked: string[] = [];
    await start({
      files: (real) => ({ ...real, create: async (name) => gate.before(await real.create(name)) }),
      ledger: (real) => ({
        ...real,
        instances: {
          ...real.instances,
          known: async (sop, study) => {
            asked.push(sop);
            return real.instances.known(sop, study);
          },
        },
      }),
    });
    const first = mrInstance({}, LARGE);
    const other = mrInstance({ StudyInstanceUID: first.studyInstanceUid, PatientID: 'RAT-8' });

    const firstAnswer = sent(hub, first);
    await waitFor('the sync of the first', () => gate.isAwaited);
    const otherAnswer = sent(hub, other);
    await waitFor('the other one to be judged', () => asked.includes(other.sopInstanceUid));
    // Appended behind it: what was written of the other is durable when this is.
    expect(await sent(hub, mrInstance())).to.equal(0);
    gate.open();

    expect([await firstAnswer, await otherAnswer]).to.deep.equal([0, 0xa900]);
    await settled(hub);
    const entries = await hub.ledger.quarantine.list({ limit: 10 });
    expect(entries.flatMap(({ items }) => items.map(({ sopInstanceUid }) => sopInstanceUid))).to.deep.equal([
      other.sopInstanceUid,
    ]);
  });

  it('keeps the UID after a restart, though the refused copy began to arrive earlier', async () => {
    await start({
      ledger: (real) => ({
        ...real,
        instances: { ...real.instances, record: async () => Promise.reject(new Error('down')) },
      }),
    });
    const first = mrInstance({ SOPInstanceUID: newUid() });
    const refused = mrInstance(
      { ...first.attributes, SeriesDescription: 'other', PixelData: mrInstance({}, LARGE).attributes['PixelData'] },
      LARGE,
    );
    const peer = await RawPeer.associate(hub.port);
    const request = storeRequest(refused, refused.dataSet);
    peer.send(request.subarray(0, LARGE_BYTES));
    await waitFor('its segment', async () => (await readdir(join(hub.dataDir, 'spool'))).length === 1);

    expect(await sent(hub, first)).to.equal(0);
    peer.send(request.subarray(LARGE_BYTES));
    expect(statusOf(await peer.next())).to.equal(0x0111);
    peer.destroy();
    await hub.gateway.stop(100);
    await hub.ledger.close();
    await start({ dataDir: hub.dataDir });
    await settled(hub);

    const known = await hub.ledger.instances.known(
      parseSopInstanceUid(first.sopInstanceUid),
      parseStudyInstanceUid(first.studyInstanceUid),
    );
    expect(known.dataSetSha256).to.equal(createHash('sha256').update(first.dataSet).digest('hex'));
  });

  it('is no third patient of a study that somebody let two into', async () => {
    await start();
    const first = mrInstance();
    const of = (PatientID: string) => mrInstance({ StudyInstanceUID: first.studyInstanceUid, PatientID });
    await sent(hub, first);
    await settled(hub);
    expect(await sent(hub, of('RAT-8'))).to.equal(0xa900);
    const [entry] = await waitFor('the entry', async () => {
      const list = await hub.ledger.quarantine.list({ limit: 10 });
      return list.length > 0 ? list : undefined;
    });
    await hub.ledger.quarantine.release(entry?.quarantineId ?? '');

    expect([await sent(hub, of('RAT-8')), await sent(hub, of('RAT-7')), await sent(hub, of('RAT-9'))]).to.deep.equal([
      0, 0, 0xa900,
    ]);
  });
});

async function sent({ port }: RunningGateway, instance: MrInstance): Promise<number | undefined> {
  const peer = await RawPeer.associate(port);
  peer.send(storeRequest(instance, instance.dataSet));
  const status = statusOf(await peer.next());
  peer.destroy();
  return status;
}

/** The ledger knows everything the spool has. */
async function settled(hub: RunningGateway): Promise<void> {
  await waitFor('the pump', async () => /^hub_spool_pending_bytes 0$/m.test(await hub.metrics()));
}

/** Holds back the sync of a large file until it is opened. */
class Gate {
  isAwaited = false;
  open: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => (this.open = resolve));

  before(file: SpoolFile): SpoolFile {
    let written = 0;
    return {
      ...file,
      write: async (buffers, position, how) => {
        for (const buffer of buffers) written += buffer.length;
        return file.write(buffers, position, how);
      },
      sync: async () => {
        if (written > 8 * 1024 * 1024) {
          this.isAwaited = true;
          await this.#opened;
        }
        return file.sync();
      },
    };
  }
}
