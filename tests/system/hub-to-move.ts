/** A hub of one machine with studies in each state that a study may be in, to be moved to another ledger and store. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { PostgresServer } from '../../platform/ledger/postgres/connection.ts';
import type { Finished } from '../support/child-process.ts';
import {
  ended,
  eventsOf,
  fetched,
  listed,
  type SeenDelivery,
  type SeenEvent,
  type SeenQuarantine,
  type SeenStudy,
} from '../support/hub-api.ts';
import { HubProcess, lastingPort, runHub, type Section } from '../support/hub-process.ts';
import { mrInstance, type MrInstance, newUid } from '../support/mr-instance.ts';
import { S3_SECRETS, type S3Bucket } from '../support/s3-server.ts';
import { send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';

/** 2,200 × 2,200 × 2 bytes: too large for a shared segment. */
const LARGE_PIXELS = 2200;
const MAIN = resolve(import.meta.dirname, '../../main.ts');
export const MOVE_MS = 60_000;
const NODE = 'hub-0';

interface FeedPage {
  readonly events: readonly SeenEvent[];
  readonly cursor: string;
}

/** What the hub was stopped with. */
interface Before {
  readonly delivered: readonly MrInstance[];
  readonly receiving: readonly MrInstance[];
  readonly token: string;
  readonly page: FeedPage;
  readonly studies: readonly SeenStudy[];
  readonly deliveries: readonly SeenDelivery[];
  readonly quarantine: readonly SeenQuarantine[];
  readonly events: readonly SeenEvent[];
}

export interface Aside {
  readonly data: string;
  /** On the copy; not started. */
  readonly next: HubProcess;
  readonly config: Section;
  readonly migrate: (...more: readonly string[]) => Promise<Finished>;
  readonly begin: () => ChildProcess;
}

/** A hub that is stopped for good; what is moved are copies of it. */
export interface HubToMove {
  readonly folder: string;
  readonly shared: Section;
  /** Where the destination is expected that was never there. */
  readonly laterPort: number;
  readonly was: Before;
  /** A copy of the stopped hub's folder, with a configuration of where it is and one of where it goes. */
  aside(over: { ledger?: PostgresServer; bucket?: S3Bucket; data?: string }): Promise<Aside>;
  /** Everything that the hub said of itself before, and the bytes. */
  expectAllOf(next: HubProcess): Promise<void>;
  /** Removed with the copies. */
  own(next: HubProcess): void;
  removeCopies(): Promise<void>;
  remove(): Promise<void>;
}

export async function startHubToMove(): Promise<HubToMove> {
  const deadPort = await lastingPort();
  const laterPort = await lastingPort();
  const hub = await HubProcess.create({ config: {}, env: S3_SECRETS });
  const retry = { attempts: 100, firstDelay: '2s', maxDelay: '4s' };
  const once = { attempts: 1, firstDelay: '500ms', maxDelay: '1s' };
  const shared: Section = {
    gateway: {
      completion: { quiet: '1s', force: '20m' },
      disk: { minFree: '50MB', maxUsedPercent: 100 },
      spool: { segment: '1MiB' },
      dimse: {
        sources: [
          { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] },
          { name: 'slow', aeTitle: 'SLOW', hosts: ['127.0.0.1'], completion: { quiet: '15m' } },
        ],
      },
    },
    policies: [{ name: 'kct', profile: 'basic' }],
    partners: [{ name: 'kct' }],
    destinations: [
      { name: 'archive', type: 'folder', path: join(hub.folder, 'archive') },
      { name: 'kct-folder', type: 'folder', path: join(hub.folder, 'partner'), partner: 'kct' },
      { name: 'dead', type: 'stow-rs', url: `http://127.0.0.1:${deadPort}/dicom-web`, retry: once },
      { name: 'later', type: 'stow-rs', url: `http://127.0.0.1:${laterPort}/dicom-web`, retry },
    ],
    routes: [
      { name: 'house', when: { Modality: 'MR' }, deliver: ['archive'] },
      { name: 'kct', when: { Modality: 'MR' }, process: [{ deidentify: 'kct' }], deliver: ['kct-folder'] },
      { name: 'dead', when: { StudyDescription: { like: '*dead*' } }, deliver: ['dead'] },
      { name: 'later', when: { StudyDescription: { like: '*later*' } }, deliver: ['later'] },
    ],
  };
  await hub.configure({ ...shared });
  await hub.start();
  const was = await prepare(hub);
  const copies: HubProcess[] = [];
  return {
    ...{ folder: hub.folder, shared, laterPort, was },
    aside: async (over) => {
      const next = await HubProcess.create({ config: {}, env: envOf(over.ledger) });
      copies.push(next);
      await cp(hub.dataFolder, next.dataFolder, { recursive: true, preserveTimestamps: true });
      return await asideOf(next, shared, over);
    },
    expectAllOf: (next) => expectAllOf(next, was),
    own: (next) => void copies.push(next),
    removeCopies: async () => {
      for (const each of copies.splice(0)) await each.remove();
    },
    remove: () => hub.remove(),
  };
}

/** Studies in each state that a study may be in, and a partner in the middle of its feed. */
async function prepare(hub: HubProcess): Promise<Before> {
  const study = (description: string, n: number) => {
    const same = { StudyInstanceUID: newUid(), SeriesInstanceUID: newUid(), StudyDescription: description };
    return Array.from({ length: n }, (_, index) => mrInstance({ ...same, InstanceNumber: index + 1 }, 256));
  };
  const [plain, dead, later] = [study('plain', 12), study('for the dead', 2), study('for later', 3)];
  const large = mrInstance({ StudyInstanceUID: plain[0]?.studyInstanceUid }, LARGE_PIXELS);
  const stranger = mrInstance({ ...plain[0]?.attributes, SOPInstanceUID: newUid(), PatientID: 'RAT-8' });
  const nameless = mrInstance({ StudyInstanceUID: undefined });
  const receiving = study('still coming', 2);
  const delivered = [...plain, large, ...dead, ...later];
  await send(hub.dimsePort, await written(hub, delivered), { timeoutMs: 60_000 });
  await send(hub.dimsePort, await written(hub, receiving), { calling: 'SLOW' });
  for (const uid of [plain, dead, later].map(([first]) => first?.studyInstanceUid ?? '')) {
    await ended(hub, uid, 'archive', { deadlineMs: 60_000 });
    await ended(hub, uid, 'kct-folder', { deadlineMs: 60_000 });
  }
  await send(hub.dimsePort, await written(hub, [stranger, nameless]));
  await ended(hub, dead[0]?.studyInstanceUid ?? '', 'dead');
  await waitFor('the quarantine', async () => (await listed<SeenQuarantine>(hub, 'quarantine')).length >= 2);
  const token = await hub.token('--role', 'partner', '--partner', 'kct');
  const page = await feedPage(hub, token, '');
  expect(await hub.stop()).to.equal(0);
  // What it is after a stop that let everything end.
  await hub.start();
  const studies = await fetched<SeenStudy>(hub, 'studies?limit=500');
  const quarantine = await fetched<SeenQuarantine>(hub, 'quarantine?limit=500');
  const deliveries = await fetched<SeenDelivery>(hub, 'deliveries?limit=500');
  const events = await eventsOf(hub);
  expect(await hub.stop()).to.equal(0);
  return { delivered, receiving, token, page, studies, deliveries, quarantine, events };
}

async function asideOf(
  next: HubProcess,
  shared: Section,
  over: { ledger?: PostgresServer; bucket?: S3Bucket; data?: string },
): Promise<Aside> {
  const { folder, dataFolder: data } = next;
  const from = join(folder, 'from.yaml');
  const to = join(folder, 'to.yaml');
  await writeFile(from, JSON.stringify({ ...shared, hub: { name: 'tested', data } }));
  const target = {
    ...shared,
    hub: { name: 'tested', data: over.data ?? data, node: NODE },
    ...(over.ledger === undefined ? {} : { ledger: ledgerOf(over.ledger) }),
    ...(over.bucket === undefined ? {} : { store: over.bucket.config }),
  };
  await writeFile(to, JSON.stringify(target));
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HUB_')));
  const all = { ...inherited, ...envOf(over.ledger) };
  const args = ['migrate', '--config', from, '--to', to];
  return {
    ...{ data, next, config: target },
    migrate: (...more) => runHub([...args, ...more], { env: all, timeoutMs: MOVE_MS }),
    begin: () => spawn(process.execPath, [...process.execArgv, MAIN, ...args], { env: all, stdio: 'ignore' }),
  };
}

/** What the hub is after its move, started. */
export async function started({ config, next }: Pick<Aside, 'config' | 'next'>): Promise<HubProcess> {
  await next.configure(config);
  await next.start();
  return next;
}

export const adminOf = async (next: HubProcess) => await next.token('--role', 'admin');

/** Everything that the hub said of itself before, and the bytes. */
async function expectAllOf(next: HubProcess, was: Before): Promise<void> {
  const admin = await adminOf(next);
  const list = async <Item>(path: string) => {
    const response = await next.get(`/api/v1/${path}`, admin);
    expect(response.status, path).to.equal(200);
    return ((await response.json()) as { items: readonly Item[] }).items;
  };
  expect(await list<SeenStudy>('studies?limit=500')).to.deep.equal(was.studies);
  expect(await list<SeenQuarantine>('quarantine?limit=500')).to.deep.equal(was.quarantine);
  const shown = ({ deliveryId, destination, studyInstanceUid }: SeenDelivery) => [
    deliveryId,
    destination,
    studyInstanceUid,
  ];
  const deliveries = await list<SeenDelivery>('deliveries?limit=500');
  expect(deliveries.map(shown)).to.deep.equal(was.deliveries.map(shown));
  const events = await list<SeenEvent>('events?limit=1000');
  expect(events.slice(0, was.events.length).map(({ id }) => id)).to.deep.equal(was.events.map(({ id }) => id));
  for (const uid of new Set([...was.delivered, ...was.receiving].map((each) => each.studyInstanceUid))) {
    const answer = await next.get(`/dicom-web/studies/${uid}`, admin);
    expect(answer.status, uid).to.equal(200);
    const body = Buffer.from(await answer.arrayBuffer());
    for (const each of [...was.delivered, ...was.receiving].filter(
      ({ studyInstanceUid }) => studyInstanceUid === uid,
    )) {
      expect(body.includes(Buffer.from(each.dataSet.subarray(-2000))), each.sopInstanceUid).to.be.true;
    }
  }
  // The partner goes on behind what it has seen, and gets nothing twice.
  const again = await feedPage(next, was.token, was.page.cursor);
  const seen = new Set(was.page.events.map(({ id }) => id));
  expect(again.events.filter(({ id }) => seen.has(id))).to.deep.equal([]);
}

export const envOf = (server?: PostgresServer) => ({ ...S3_SECRETS, LEDGER_PASSWORD: server?.password ?? '' });
const ledgerOf = ({ host, port, database: name, user }: PostgresServer): Section => ({
  ...{ kind: 'postgres', host, port, database: name, user },
  password: { env: 'LEDGER_PASSWORD' },
});

async function feedPage(hub: HubProcess, token: string, after: string): Promise<FeedPage> {
  const response = await hub.get(
    `/partner/v1/events?limit=3${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`,
    token,
  );
  expect(response.status, 'the feed').to.equal(200);
  return (await response.json()) as FeedPage;
}

export async function written(hub: HubProcess, instances: readonly MrInstance[]): Promise<readonly string[]> {
  const folder = join(hub.folder, 'scanner');
  await mkdir(folder, { recursive: true });
  return await Promise.all(
    instances.map(async ({ part10, sopInstanceUid }) => {
      const file = join(folder, `${sopInstanceUid}.dcm`);
      await writeFile(file, part10);
      return file;
    }),
  );
}
