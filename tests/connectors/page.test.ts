/** The example of docs/connectors.md, built as the page says: a folder and a line, compiled, opened, delivered with. */
import { expect } from 'chai';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type * as Registry from '../../connectors/registry.ts';
import { run } from '../support/child-process.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../support/outgoing.ts';
import { thrownBy } from '../support/thrown.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CONNECTORS = join(ROOT, 'connectors');

describe('the example of docs/connectors.md', function () {
  this.timeout(60_000);
  let folder = '';

  before(async () => {
    // Beside the connectors, so that everything is imported as it will be; with a dot, so that nothing else looks into it.
    folder = await mkdtemp(join(CONNECTORS, '.example-'));
    const page = await readFile(join(ROOT, 'docs/connectors.md'), 'utf8');
    const [example = '', importLine = '', entry = ''] = [...page.matchAll(/```ts\n([\s\S]+?)```/g)].map(
      ([, text = '']) => text,
    );
    await writeFile(join(folder, 'index.ts'), example);
    const registry = await readFile(join(CONNECTORS, 'registry.ts'), 'utf8');
    const withLine = registry
      .replace('import { meteredStore }', `${importLine}import { meteredStore }`)
      .replace('} as const;', `${entry}} as const;`)
      .replaceAll("from '../", "from '../../")
      .replaceAll("from './", "from '../")
      .replace("from '../line/index.ts'", "from './index.ts'");
    await writeFile(join(folder, 'registry.ts'), withLine);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('compiles as strictly as the rest', async () => {
    const config = { extends: join(ROOT, 'tsconfig.json'), include: [], files: ['index.ts'] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));

    const tsc = join(ROOT, 'node_modules/typescript-7/bin/tsc');
    const { code, stdout } = await run(
      { path: process.execPath, env: {} },
      [tsc, '--noEmit', '-p', join(folder, 'tsconfig.json')],
      { timeoutMs: 50_000 },
    );

    expect(stdout).to.equal('');
    expect(code).to.equal(0);
  });

  it('is a destination that a configuration may name, and that delivers', async () => {
    const { connectors, openDestination } = (await import(join(folder, 'registry.ts'))) as typeof Registry;
    const lines: string[] = [];
    const answers = ['ok', 'no'];
    const server = createServer((socket) => {
      createInterface({ input: socket }).on('line', (line) => {
        lines.push(line);
        socket.end(`${answers[lines.length - 1] ?? ''}\n`);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1))]);
    const plugin = connectors.find(({ type }) => type === 'line');
    const given = plugin?.options.parse({ name: 'bell', type: 'line', host: '127.0.0.1', port });
    if (given === undefined) throw new TypeError('the registry does not know it');
    const { connector } = await openDestination(given, contextOf(store));
    const delivered: string[] = [];

    await connector.deliver(order, (uid) => delivered.push(uid));
    const refused = await thrownBy(connector.deliver(order, () => undefined));
    server.close();
    await once(server, 'close');
    const gone = await thrownBy(connector.deliver(order, () => undefined));

    expect(JSON.parse(lines[0] ?? '')).to.deep.equal({
      deliveryId: order.deliveryId,
      studyInstanceUid: '2.25.7000',
      files: 1,
    });
    expect(delivered).to.deep.equal(['2.25.7000.1.1.1']);
    expect([refused.code, gone.code]).to.deep.equal(['partner.refused', 'partner.unreachable']);
  });
});
