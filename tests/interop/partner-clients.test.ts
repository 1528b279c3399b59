/** The examples that partners begin with, run as they stand against a hub as its users have it. */
import { expect } from 'chai';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { z } from 'zod';
import type * as shapes from '../../connectors/partner-api/shapes.ts';
import type { cloudEvent } from '../../connectors/feed/router.ts';
import type { Account, CloudEvent, CreatedWebhook, Webhook } from '../../docs/examples/partner-client.ts';
import { run, type Command } from '../support/child-process.ts';
import { feedOf } from '../support/hub-api.ts';
import { HubProcess } from '../support/hub-process.ts';
import { send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';
import { writeStudy } from '../system/planted-study.ts';

/** What the API answers is what the example's types promise: otherwise this does not compile. */
export interface Promises {
  readonly account: Holds<z.output<typeof shapes.account>, Account>;
  readonly webhook: Holds<z.output<typeof shapes.webhook>, Webhook>;
  readonly created: Holds<z.output<typeof shapes.createdWebhook>, CreatedWebhook>;
  readonly event: Holds<z.output<typeof cloudEvent>, CloudEvent>;
}
type Holds<Answered extends Promised, Promised> = (answered: Answered) => Promised;

type Line = Readonly<Record<string, unknown>>;

const EXAMPLES = resolve(import.meta.dirname, '../../docs/examples');
const CLIENTS: readonly (readonly [string, Command, readonly string[]])[] = [
  ['TypeScript', { path: process.execPath, env: {} }, [join(EXAMPLES, 'partner-client.ts')]],
  ['Python', { path: 'python3', env: { PYTHONDONTWRITEBYTECODE: '1' } }, [join(EXAMPLES, 'partner-client.py')]],
];

describe('the examples of a partner’s client', function () {
  this.timeout(60_000);
  let hub: HubProcess;
  let folder: string;
  let token: string;
  let instances: number;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hub-partner-client-'));
    hub = await HubProcess.create({
      config: {
        gateway: {
          dimse: { sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }] },
          completion: { quiet: '1s', force: '60s' },
        },
        policies: [{ name: 'kct', profile: 'basic' }],
        partners: [{ name: 'kct', webhookHosts: ['127.0.0.1'] }],
        destinations: [{ name: 'kct-out', type: 'folder', path: join(folder, 'out'), partner: 'kct' }],
        routes: [{ name: 'all', when: { source: 'pv-7t' }, process: [{ deidentify: 'kct' }], deliver: ['kct-out'] }],
      },
    });
    await hub.start();
    token = await hub.token('--role', 'partner', '--partner', 'kct');
    const study = await writeStudy(join(folder, 'scan'), { species: 'rat', seed: 3 });
    instances = study.files.length;
    expect((await send(hub.dimsePort, study.files)).code).to.equal(0);
    // Released, processed, delivered: three events, so that a page of two is not all.
    await waitFor('the feed', async () => (await feedOf(hub, token)).length === 3, 30_000);
  });
  after(async () => {
    await hub.remove();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [language, command, script] of CLIENTS) {
    it(`in ${language} subscribes, verifies, reads all pages, retrieves, and goes on where it stood`, async () => {
      const state = join(folder, `${language}.cursor`);
      const once = async (): Promise<readonly Line[]> => {
        const { code, stdout, stderr } = await run(command, [...script, hub.url, token, state], { timeoutMs: 30_000 });
        expect(code, stderr).to.equal(0);
        return stdout
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as Line);
      };

      const first = await once();
      const second = await once();

      expect(first[0]).to.deep.equal({ partner: 'kct' });
      expect(first[1]).to.deep.include({ webhook: 'hub.connection.tested.v1', bySecret: true, forged: false });
      if (language === 'TypeScript') expect(first[1]).to.include({ byPublicKey: true });
      const events = first.filter((line) => 'event' in line);
      expect(events.map(({ event }) => event)).to.deep.equal([
        'hub.study.deidentified.v1',
        'hub.study.processed.v1',
        'hub.delivery.succeeded.v1',
      ]);
      const retrieved = first.find((line) => 'retrieved' in line);
      expect(retrieved).to.include({ retrieved: events[0]?.['study'], files: instances });
      expect(second.filter((line) => 'event' in line)).to.deep.equal([]);
      expect((await readFile(state, 'utf8')).length).to.be.greaterThan(10);
    });
  }
});
