import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'chai';
import { filesBelow } from '../support/files-below.ts';
import { listed, reached, type SeenQuarantine, type SeenStudy } from '../support/hub-api.ts';
import { HubProcess } from '../support/hub-process.ts';
import { mrInstance, newUid, type MrInstance } from '../support/mr-instance.ts';
import { send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';

/** 2,200 × 2,200 × 2 bytes: too large for a shared segment. */
const LARGE_PIXELS = 2200;

describe('hub store', function () {
  this.timeout(120_000);
  let hub: HubProcess;
  const sent: MrInstance[] = [];

  before(async () => {
    hub = await HubProcess.create({ config: {} });
    await hub.configure({
      gateway: {
        dimse: {
          sources: [
            { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] },
            { name: 'corrector', aeTitle: 'CORRECTOR', hosts: ['127.0.0.1'], sameUid: 'keep-both-as-revision' },
          ],
        },
      },
      destinations: [{ name: 'archive', type: 'folder', path: join(hub.folder, 'archive') }],
      routes: [{ name: 'all', when: { Modality: 'MR' }, deliver: ['archive'] }],
    });
    await hub.start();
    await feed(hub, sent);
    await waitFor('all studies to be delivered', async () => {
      const studies = await listed<SeenStudy>(hub, 'studies');
      return studies.length === 3 && studies.every(({ state, held }) => state === 'routed' || held);
    });
  });
  after(async () => hub.remove());

  it('exports beside the running hub, byte for byte, and the second time only looks', async () => {
    const out = join(hub.folder, 'export-running');

    const first = await hub.command('store', 'export', out);
    const second = await hub.command('store', 'export', out);

    expect(first.code, first.stderr).to.equal(0);
    const files = await exported(out);
    for (const instance of sent)
      expect(files.get(pathOf(instance)), pathOf(instance)).to.equal(digest(instance.part10));
    expect(first.stdout).to.match(/^9 instances written to .*, 0 were there already$/m);
    expect(first.stdout).to.match(/^2 of them are other contents of a SOP Instance UID/m);
    expect(second.stdout).to.match(/^0 instances written to .*, 9 were there already$/m);
  });

  it('goes on where it was cut off, and overwrites nothing, not even through a link', async () => {
    const out = join(hub.folder, 'export-running');
    const paths = sent.slice(0, 3).map((instance) => join(out, pathOf(instance)));
    const [cut = '', mine = '', linked = ''] = paths;
    const target = join(hub.folder, 'not-to-be-touched');
    await writeFile(target, 'mine');
    await rm(cut);
    await writeFile(`${cut}.part`, 'cut off');
    await writeFile(mine, 'annotated by hand');
    await rm(linked);
    await symlink(target, linked);

    const { code, stdout } = await hub.command('store', 'export', out);
    const again = await hub.command('store', 'export', out);

    expect(code).to.equal(0);
    expect(stdout).to.match(/^3 instances written to .*, 6 were there already$/m);
    expect(stdout).to.match(/^2 files of that name were there and are something else: they are left alone/m);
    expect(again.stdout).to.match(/^0 instances written to .*, 9 were there already$/m);
    expect(await Promise.all([mine, linked, target].map(async (path) => readFile(path, 'utf8')))).to.deep.equal([
      'annotated by hand',
      'mine',
      'mine',
    ]);
    for (const path of [mine, linked]) await rm(path);
    const digests = [...(await exported(out)).values()];
    for (const instance of sent) expect(digests).to.include(digest(instance.part10));
  });

  it('writes through no link that stands where a file is being written', async () => {
    const out = join(hub.folder, 'export-linked');
    const target = join(hub.folder, 'nor-this');
    const path = join(out, pathOf(sent[0] ?? mrInstance()));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(target, 'mine');
    await symlink(target, `${path}.part`);

    const { code } = await hub.command('store', 'export', out);

    expect(code).to.equal(1);
    expect(await readFile(target, 'utf8')).to.equal('mine');
  });

  it('exports one study, and says so when nothing of it is there', async () => {
    const [instance] = sent;
    const out = join(hub.folder, 'export-study');

    const one = await hub.command('store', 'export', out, '--study', instance?.studyInstanceUid ?? '');
    const none = await hub.command('store', 'export', out, '--study', '1.2.3');

    expect(one.code).to.equal(0);
    expect(new Set([...(await exported(out)).keys()].map((path) => path.split('/')[0]))).to.deep.equal(
      new Set([instance?.studyInstanceUid]),
    );
    expect(none.code).to.equal(1);
  });

  it('says what holds the space', async () => {
    const { code, stdout } = await hub.command('store', 'usage');

    expect(code).to.equal(0);
    expect(stdout)
      .to.match(/delivered; goes when it is older than gateway\.retention\.received/)
      .and.to.match(/held: a quarantine entry has to be released first/);
  });

  it('verifies every byte, and names the study of what has changed', async () => {
    const fine = await hub.command('store', 'verify');
    const large = sent.find(({ dataSet }) => dataSet.length > 8_000_000);
    const segment = await segmentOf(hub, large?.dataSet ?? new Uint8Array());
    await flip(segment, 5_000_000);
    const damaged = await hub.command('store', 'verify');
    await flip(segment, 5_000_000);

    expect(fine.code, fine.stdout).to.equal(0);
    expect(fine.stdout).to.match(/objects, .* read: all as they were written/);
    expect(damaged.code).to.equal(1);
    expect(damaged.stdout).to.contain(`damaged data set: study ${large?.studyInstanceUid ?? ''}`);
  });

  describe('rebuild', () => {
    let before: Rows;

    it('is refused while the hub runs', async () => {
      const { code, stderr } = await hub.command('store', 'rebuild');

      expect(code).to.equal(1);
      expect(stderr).to.match(/Another process uses the ledger/);
    });

    it('is what a hub asks for whose ledger is gone, instead of delivering everything again', async () => {
      await hub.stop();
      before = rowsOf(hub);
      await rename(join(hub.dataFolder, 'ledger.db'), join(hub.folder, 'ledger.gone'));

      const started = await hub.command('start');
      const out = join(hub.folder, 'export-without-ledger');
      const copied = await hub.command('store', 'export', out);

      expect(started.code).to.equal(1);
      expect(started.stderr).to.match(/The ledger is gone, and received instances are there/);
      expect(copied.stdout).to.match(/^9 instances written/m);
      await rename(join(hub.folder, 'ledger.gone'), join(hub.dataFolder, 'ledger.db'));
    });

    it('makes the same instances, series and studies, and keeps the old ledger', async () => {
      await writeFile(join(hub.dataFolder, 'ledger.db'), 'this is no database any more');

      const { code, stdout, stderr } = await hub.command('store', 'rebuild');

      expect(code, stderr).to.equal(0);
      const after = rowsOf(hub);
      expect(after.instances).to.deep.equal(before.instances);
      expect(after.superseded).to.deep.equal(before.superseded);
      expect(after.series).to.deep.equal(before.series);
      expect(after.studies).to.deep.equal(before.studies);
      expect(after.quarantine).to.deep.equal(before.quarantine);
      expect(before.instances).to.have.length(6);
      expect(before.superseded).to.have.length(1);
      expect(before.quarantine.map(({ reason }) => reason)).to.have.members([
        'dataset.conflict',
        'dataset.uid-missing',
        'dataset.patient-mismatch',
      ]);
      expect(stdout).to.match(/not rebuilt, because only the lost ledger knew it/);
      expect((await readdir(hub.dataFolder)).some((name) => name.startsWith('ledger.db.lost-'))).to.be.true;
    });

    it('delivers nothing again by itself: each study is held until its entry is released', async () => {
      await rm(join(hub.folder, 'archive'), { recursive: true });
      await hub.start();
      const studies = await listed<SeenStudy>(hub, 'studies');
      const entries = (await listed<SeenQuarantine>(hub, 'quarantine')).filter(
        ({ reason }) => reason === 'ledger.rebuilt',
      );
      const mismatched = sent.at(-1)?.studyInstanceUid;
      const free = entries.find(({ studyInstanceUid }) => studyInstanceUid !== mismatched);

      expect(studies.every(({ held }) => held)).to.be.true;
      expect(entries).to.have.length(3);
      expect(await filesBelow(join(hub.folder, 'archive'))).to.deep.equal([]);

      const released = await hub.command('quarantine', 'release', free?.quarantineId ?? '');
      expect(released.code, released.stderr).to.equal(0);
      await waitFor('its files', async () => (await filesBelow(join(hub.folder, 'archive'))).length > 0);
    });

    it('still knows a repeat for a repeat, and a reused UID for one', async () => {
      const [first] = sent;
      if (first === undefined) throw new Error('nothing was sent');
      const other = mrInstance({ ...first.attributes, SeriesDescription: 'a third content' });
      const [same = '', reused = ''] = await written(hub, [first, other], 'again');

      const repeat = await send(hub.dimsePort, [same]);
      const conflict = await send(hub.dimsePort, [reused]);

      expect(repeat.code).to.equal(0);
      expect(conflict.output).to.match(/Received Store Response \(.*0x0?111/i);
    });
  });
});

/** Two studies of a scanner with repeats, a reused UID, garbage and a second patient; a large one; and a correction. */
async function feed(hub: HubProcess, sent: MrInstance[]): Promise<void> {
  const [study, series] = [newUid(), newUid()];
  const of = (over: object) => mrInstance({ StudyInstanceUID: study, SeriesInstanceUID: series, ...over });
  const [a, b, large] = [of({}), of({}), mrInstance({ StudyInstanceUID: study }, LARGE_PIXELS)];
  const reused = mrInstance({ ...a.attributes, SeriesDescription: 'another content' });
  const corrected = mrInstance({ ...b.attributes, SeriesDescription: 'the corrected content' });
  const alone = mrInstance();
  const first = mrInstance();
  const second = mrInstance({ ...first.attributes, SOPInstanceUID: newUid() });
  const stranger = mrInstance({ ...first.attributes, SOPInstanceUID: newUid(), PatientID: 'RAT-8' });
  const nameless = mrInstance({ StudyInstanceUID: undefined });
  await send(hub.dimsePort, await written(hub, [a, b, large, alone, first, second], 'first'));
  await send(hub.dimsePort, await written(hub, [a, b], 'repeat'));
  await send(hub.dimsePort, await written(hub, [reused], 'reused'));
  await reached(hub, study, { state: 'routed', revision: 1 });
  await send(hub.dimsePort, await written(hub, [corrected], 'corrected'), { calling: 'CORRECTOR' });
  await send(hub.dimsePort, await written(hub, [stranger], 'stranger'));
  await send(hub.dimsePort, await written(hub, [nameless], 'nameless'));
  sent.push(a, corrected, large, alone, first, second);
}

async function written(hub: HubProcess, instances: readonly MrInstance[], name: string): Promise<readonly string[]> {
  return Promise.all(
    instances.map(async ({ part10 }, n) => {
      const file = join(hub.folder, `${name}-${String(n)}.dcm`);
      await writeFile(file, part10);
      return file;
    }),
  );
}

const pathOf = ({ studyInstanceUid, sopInstanceUid, attributes }: MrInstance): string =>
  join(studyInstanceUid, attributes['SeriesInstanceUID'] as string, `${sopInstanceUid}.dcm`);
const digest = (bytes: Uint8Array): string => createHash('sha256').update(dataSetOf(bytes)).digest('hex');

/** The hub writes its own file meta information: what was sent is the data set behind it. */
function dataSetOf(part10: Uint8Array): Uint8Array {
  const groupLength = Buffer.from(part10.buffer, part10.byteOffset, part10.byteLength).readUInt32LE(140);
  return part10.subarray(144 + groupLength);
}

async function exported(out: string): Promise<ReadonlyMap<string, string>> {
  return new Map((await filesBelow(out)).map(({ path, bytes }) => [path, digest(bytes)]));
}

async function segmentOf(hub: HubProcess, dataSet: Uint8Array): Promise<string> {
  const folder = join(hub.dataFolder, 'spool');
  for (const name of await readdir(folder)) {
    const bytes = await readFile(join(folder, name));
    if (bytes.includes(Buffer.from(dataSet.subarray(-100_000)))) return join(folder, name);
  }
  throw new Error('in no segment');
}

async function flip(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, offset);
  await file.write(Uint8Array.of((byte[0] ?? 0) ^ 0xff), 0, 1, offset);
  await file.close();
}

type Row = Readonly<Record<string, unknown>>;
type Rows = ReturnType<typeof rowsOf>;

/** All that the segments know of it: everything but keys, revisions, timers, states and holds. */
function rowsOf(hub: HubProcess) {
  const db = new DatabaseSync(join(hub.dataFolder, 'ledger.db'), { readOnly: true });
  const all = (sql: string) =>
    db
      .prepare(sql)
      .all()
      .map((row): Row => ({ ...row }));
  const version = `v.sop_instance_uid, v.sop_class_uid, v.transfer_syntax_uid, v.blob, v.size_bytes, v.sha256,
    v.data_set_sha256, v.received_at, st.study_instance_uid, s.series_instance_uid`;
  const rows = {
    instances: all(`SELECT ${version} FROM instances v JOIN studies st USING (study) JOIN series s USING (series)
                    ORDER BY v.sop_instance_uid`),
    superseded: all(`SELECT ${version}, v.series_provenance, v.series_attributes FROM superseded_instances v
                     JOIN studies st USING (study) JOIN series s USING (series) ORDER BY v.blob`),
    series: all(`SELECT series_instance_uid, study_instance_uid, provenance, attributes FROM series
                 JOIN studies USING (study) ORDER BY series_instance_uid`),
    studies: all(`SELECT study_instance_uid, source, patient_digest, correlation_id, instances, first_received_at,
                         last_received_at, quiet_ms FROM studies ORDER BY study_instance_uid`),
    quarantine: all(`SELECT reason, detail, study_instance_uid, provenance, holds_study, state, blob, size_bytes,
                            sop_instance_uid FROM quarantine JOIN quarantine_items USING (entry)
                     ORDER BY blob`),
  };
  db.close();
  return rows;
}
