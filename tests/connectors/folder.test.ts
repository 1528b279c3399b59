import { expect } from 'chai';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { open as openFolder } from '../../connectors/folder/connector.ts';
import { folder as plugin } from '../../connectors/folder/index.ts';
import { pathsBelow } from '../support/files-below.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../support/outgoing.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

function open(store: MemoryStore, path: string, changes: Readonly<Record<string, unknown>> = {}) {
  const options = plugin.options.parse({ name: 'kct-archive', type: 'folder', path, ...changes });
  return openFolder(options, contextOf(store));
}

async function tree(path: string): Promise<readonly string[]> {
  return (await pathsBelow(path)).map((each) => each.slice(path.length + 1));
}

async function manifestOf(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(path, '2.25.7000/manifest.json'), 'utf8')) as Record<string, unknown>;
}

describe('the folder connector', () => {
  const temporary = temporaryFolder();

  it('writes instances by series, artefacts beside them, and a manifest with their digests', async () => {
    const out = join(temporary.path, 'whole/deep');
    const store = new MemoryStore();
    const image = await store.instance(mrImage(1));
    const report = store.artefact('qc/2.25.7000.1/report.json', '{"a":1}', { mediaType: 'application/json' });
    const delivered: string[] = [];

    await open(store, out).deliver(orderOf([image, report], { deliveryId: 'd-1' }), (uid) => delivered.push(uid));

    expect(await tree(out)).to.deep.equal([
      '2.25.7000/2.25.7000.1/2.25.7000.1.1.1.dcm',
      '2.25.7000/manifest.json',
      '2.25.7000/results/r1-d-1/qc/2.25.7000.1/report.json',
    ]);
    expect(
      Buffer.from(mrImage(1)).equals(await readFile(join(out, '2.25.7000/2.25.7000.1/2.25.7000.1.1.1.dcm'))),
    ).to.equal(true);
    expect(await manifestOf(out)).to.deep.equal({
      format: 'hub-folder-1',
      studyInstanceUid: '2.25.7000',
      revision: 1,
      deliveries: [{ deliveryId: 'd-1', route: 'rat-brain', revision: 1, files: 2 }],
      files: [
        {
          path: '2.25.7000.1/2.25.7000.1.1.1.dcm',
          sizeBytes: image.sizeBytes,
          sha256: image.sha256,
          mediaType: 'application/dicom',
          sopInstanceUid: '2.25.7000.1.1.1',
        },
        {
          path: 'results/r1-d-1/qc/2.25.7000.1/report.json',
          sizeBytes: 7,
          sha256: report.sha256,
          mediaType: 'application/json',
        },
      ],
    });
    expect(delivered).to.deep.equal(['2.25.7000.1.1.1']);
    expect(store.openSources).to.equal(0);
  });

  it('lays them out as it is told, each study with a manifest of its own', async () => {
    const out = join(temporary.path, 'laid-out');
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1)), store.artefact('qc/report.json', '{}')], {
      ...{ deliveryId: 'd-1', partner: 'kct', revision: 2 },
    });
    const connector = open(store, out, {
      partner: 'kct',
      layout: '{partner}/{study}/r{revision}/{series}-{instance}.dcm',
    });

    await connector.deliver(order, () => undefined);

    expect(await tree(out)).to.deep.equal([
      'kct/2.25.7000/manifest.json',
      'kct/2.25.7000/r2/2.25.7000.1-2.25.7000.1.1.1.dcm',
      'kct/2.25.7000/results/r2-d-1/qc/report.json',
    ]);
    expect((await connector.reconcile?.(order))?.missing).to.deep.equal([]);
  });

  it('leaves a file alone that is there with the same bytes, and mends one that is damaged', async () => {
    const out = join(temporary.path, 'again');
    const store = new MemoryStore();
    const items = [await store.instance(mrImage(1)), await store.instance(mrImage(2))];
    const connector = open(store, out);
    await connector.deliver(orderOf(items), () => undefined);
    const [kept, damaged] = [1, 2].map((index) => join(out, `2.25.7000/2.25.7000.1/2.25.7000.1.1.${index}.dcm`));
    const before = await stat(kept ?? '');
    const size = (await stat(damaged ?? '')).size;
    await writeFile(damaged ?? '', Buffer.alloc(size));

    await connector.deliver(orderOf(items), () => undefined);

    expect((await stat(kept ?? '')).ino).to.equal(before.ino);
    expect(Buffer.from(mrImage(2)).equals(await readFile(damaged ?? ''))).to.equal(true);
  });

  it('tells a partner nothing of our routes', async () => {
    const out = join(temporary.path, 'partner');
    const store = new MemoryStore();
    const connector = open(store, out);

    await connector.deliver(orderOf([await store.instance(mrImage(1))], { partner: 'kct' }), () => undefined);
    await connector.deliver(
      orderOf([await store.instance(mrImage(2))], { partner: 'kct', revision: 2 }),
      () => undefined,
    );

    const text = JSON.stringify(await manifestOf(out));
    expect(text).to.contain('"revision":2').and.not.to.contain('route').and.not.to.contain('rat-brain');
  });

  it('extends the manifest with a later revision', async () => {
    const out = join(temporary.path, 'revisions');
    const store = new MemoryStore();
    const connector = open(store, out);
    const [first, second] = [await store.instance(mrImage(1)), await store.instance(mrImage(2))];

    await connector.deliver(orderOf([first]), () => undefined);
    await connector.deliver(orderOf([second], { revision: 2 }), () => undefined);

    const manifest = await manifestOf(out);
    expect(manifest['revision']).to.equal(2);
    expect(manifest['files']).to.have.length(2);
    expect(manifest['deliveries']).to.have.length(2);
  });

  it('loses no file when two deliveries of one study come at once', async () => {
    const out = join(temporary.path, 'together');
    const store = new MemoryStore();
    const connector = open(store, out);
    const items = await Promise.all(Array.from({ length: 12 }, (_, index) => store.instance(mrImage(index))));

    await Promise.all(items.map((item) => connector.deliver(orderOf([item]), () => undefined)));

    expect((await manifestOf(out))['files']).to.have.length(12);
    expect((await tree(out)).filter((name) => name.endsWith('.part'))).to.deep.equal([]);
  });

  it('writes no manifest and leaves no part behind when the store fails', async () => {
    const out = join(temporary.path, 'fails');
    const store = new MemoryStore();
    const good = await store.instance(mrImage(1));
    const lost = { ...(await store.instance(mrImage(2))) };
    const broken = Object.assign(Object.create(store) as MemoryStore, {
      open: async (ref: typeof lost.blob) => {
        const source = await store.open(ref);
        if (ref !== lost.blob) return source;
        return {
          ...source,
          async *stream() {
            yield new Uint8Array(100);
            throw new Error('the disk went away');
          },
        };
      },
    });

    await open(broken, out)
      .deliver(orderOf([good, lost]), () => undefined)
      .then(
        () => expect.fail('it went on'),
        (error: unknown) => expect(error).to.have.property('message', 'the disk went away'),
      );

    expect(await tree(out)).to.deep.equal(['2.25.7000/2.25.7000.1/2.25.7000.1.1.1.dcm']);
  });

  it("does not write over a manifest that is somebody else's", async () => {
    const out = join(temporary.path, 'foreign');
    await mkdir(join(out, '2.25.7000'), { recursive: true });
    await writeFile(join(out, '2.25.7000/manifest.json'), '{"theirs":true}');
    const store = new MemoryStore();

    const error = await thrownBy(
      open(store, out).deliver(orderOf([await store.instance(mrImage(1))]), () => undefined),
    );

    expect(error.code).to.equal('partner.refused');
    expect(await readFile(join(out, '2.25.7000/manifest.json'), 'utf8')).to.equal('{"theirs":true}');
  });

  it('lets nothing name a file outside the folder', async () => {
    const out = join(temporary.path, 'escape/inner');
    const store = new MemoryStore();
    const connector = open(store, out);
    const image = await store.instance(mrImage(1));

    const uid = await thrownBy(connector.deliver(orderOf([{ ...image, sopInstanceUid: '../../x' }]), () => undefined));
    const study = await thrownBy(connector.deliver(orderOf([image], { studyInstanceUid: '../x' }), () => undefined));
    const name = await connector.deliver(orderOf([store.artefact('../../x', 'x')]), () => undefined).catch(String);

    expect([uid.code, study.code]).to.deep.equal(['dataset.uid-invalid', 'dataset.uid-invalid']);
    expect(name).to.contain('AssertionError');
    expect(await tree(join(temporary.path, 'escape')).catch(() => [])).to.deep.equal([]);
  });

  it('waits for a folder that cannot be written', async () => {
    const blocked = join(temporary.path, 'a-file');
    await writeFile(blocked, '');
    const store = new MemoryStore();

    const error = await thrownBy(
      open(store, blocked).deliver(orderOf([await store.instance(mrImage(1))]), () => undefined),
    );

    expect([error.code, error.row.retry]).to.deep.equal(['partner.unreachable', 'transient']);
  });
});
