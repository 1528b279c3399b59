/**
 * `npm run bench -- journey [ROUNDS] [SLICES]`: from the acknowledgement of a study's last instance to its partner being told,
 * the quiet period aside. The hub de-identifies, proves and measures the study and signs the notice; Orthanc, in the same
 * rounds, only notices that the study is stable and posts its identifier from Lua. Then where the hub's time goes, step by
 * step, what it costs the processor, and how fast a partner reads its feed.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventType } from '../core/events.ts';
import type { NewEvent } from '../core/ledger/common.ts';
import { openSqliteLedger } from '../platform/ledger/sqlite/client.ts';
import { HubProcess } from '../tests/support/hub-process.ts';
import { startOrthanc } from '../tests/support/peer-servers.ts';
import { waitFor } from '../tests/support/wait-for.ts';
import { startWebhookReceiver } from '../tests/support/webhook-receiver.ts';
import { writeSeries } from './mr-series.ts';
import { cpuSeconds } from './process-cost.ts';
import { interleaved, median, quantile, ratioText, spreadText } from './rounds.ts';
import { sendFolders } from './storescu.ts';

/** Of both; Orthanc knows whole seconds. */
const QUIET_MS = 1_000;
const NOTICE_DEADLINE_MS = 120_000;
const FEED_EVENTS = 20_000;
const FEED_PAGE = 1_000;
const LUA = (url: string) =>
  `function OnStableStudy(studyId, tags, metadata) HttpPost('${url}', studyId, { ['Content-Type'] = 'text/plain' }) end`;

export async function benchJourney([rounds = '5', slices = '200']: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-journey-'));
  const receiver = await startWebhookReceiver();
  const told = await countPosts();
  const script = join(folder, 'stable.lua');
  await writeFile(script, LUA(told.url));
  const orthanc = await startOrthanc({ config: { LuaScripts: [script], StableAge: QUIET_MS / 1000 } });
  const hub = await HubProcess.create({ config: {}, env: { BELL_SECRET: receiver.secret } });
  await hub.configure({
    gateway: {
      dimse: { sources: [{ name: 'scanner', aeTitle: 'STORESCU', hosts: ['127.0.0.1'] }] },
      completion: { quiet: `${String(QUIET_MS)}ms`, force: '5m' },
    },
    policies: [{ name: 'kct', profile: 'basic' }],
    partners: [{ name: 'kct' }],
    destinations: [
      {
        ...{ name: 'bell', type: 'webhook', partner: 'kct', url: receiver.url },
        ...{ secret: { env: 'BELL_SECRET' }, allowHosts: ['127.0.0.1'] },
      },
    ],
    routes: [{ name: 'all', when: {}, process: [{ deidentify: 'kct' }, 'qc'], deliver: ['bell'] }],
  });
  await seedFeed(hub);
  await hub.start();
  const peers = [
    { name: 'hub', aeTitle: 'HUB', port: hub.dimsePort, notices: () => receiver.received.length },
    { name: 'Orthanc', aeTitle: orthanc.aeTitle, port: orthanc.port, notices: () => told.count() },
  ];
  let round = 0;
  const costs: number[] = [];
  // One before that counts: whoever is first loads its code.
  const figures = await interleaved(
    peers,
    Number(rounds) + 1,
    async (number) => {
      round = number;
      const study = join(folder, `study-${String(round)}`);
      await rm(study, { recursive: true, force: true });
      await writeFolder(study, Number(slices));
    },
    async (peer) => {
      const before = peer.notices();
      const cpuBefore = cpuSeconds(hub.pid);
      await sendFolders(join(folder, `study-${String(round)}`), 1, peer);
      const ackedMs = performance.now();
      await waitFor('the notice', () => peer.notices() > before, NOTICE_DEADLINE_MS);
      const tookMs = performance.now() - ackedMs - QUIET_MS;
      if (peer.name === 'hub') costs.push((cpuSeconds(hub.pid) - cpuBefore) * 1000);
      return tookMs;
    },
  );
  const [ours = [], theirs = []] = peers.map(({ name }) => (figures.get(name) ?? []).slice(1));
  console.log(
    `\n${slices} slices, from the last acknowledgement to the partner's notice, less ${String(QUIET_MS)} ms; ${rounds} rounds`,
  );
  for (const [name, values] of [
    ['hub', ours],
    ['Orthanc', theirs],
  ] as const) {
    console.log(`  ${name.padEnd(8)} median ${ms(median(values))}, p95 ${ms(quantile(values, 0.95))}`);
  }
  console.log(`  hub to Orthanc, which neither de-identifies nor measures: ${ratioText(ours, theirs)} ×`);
  console.log(`  processor time of the hub, a study, receiving it included: ${spreadText(costs.slice(1), 0)} ms`);
  console.log(`  feed: ${(await readFeed(hub)).toFixed(0)} events a second read, ${String(FEED_PAGE)} a page`);
  await hub.stop();
  for (const { from, to, times } of await timesBetween(hub, STAGES)) {
    const counted = times.slice(1);
    console.log(`  ${from} to ${to}: median ${ms(median(counted))}, p95 ${ms(quantile(counted, 0.95))}`);
  }
  console.log(
    `  load average: ${loadavg()
      .map((load) => load.toFixed(1))
      .join(', ')}`,
  );
  await hub.remove();
  await orthanc.stop();
  await receiver.close();
  told.close();
  await rm(folder, { recursive: true });
}

async function writeFolder(study: string, slices: number): Promise<void> {
  await mkdir(study);
  await writeSeries(join(study, '0'), slices);
}

/** What a partner of some years has in its feed, before the hub is started on it. */
async function seedFeed(hub: HubProcess): Promise<void> {
  await mkdir(hub.dataFolder, { recursive: true });
  const ledger = await openSqliteLedger({ file: join(hub.dataFolder, 'ledger.db') });
  for (let from = 0; from < FEED_EVENTS; from += FEED_PAGE) {
    await ledger.events.append(
      Array.from({ length: FEED_PAGE }, (_, index) => ({
        type: 'study.processed',
        stream: 'partner.kct.v1',
        key: `2.25.${String(from + index + 1)}`,
        data: {
          ...{ studyInstanceUid: `2.25.${String(from + index + 1)}`, revision: 1 },
          ...{ instances: 200, artefacts: 3, destinations: ['bell'] },
        },
      })) as unknown as readonly NewEvent[],
    );
  }
  await ledger.close();
}

const STAGES = [
  ['study.completed', 'study.deidentified'],
  ['study.deidentified', 'qc.completed'],
  ['study.completed', 'qc.completed'],
  ['study.processed', 'delivery.succeeded'],
] as const satisfies readonly (readonly [EventType, EventType])[];

/** Of a hub that is stopped: milliseconds from one fact to another, study by study in the order they came. */
async function timesBetween(
  hub: HubProcess,
  stages: readonly (readonly [EventType, EventType])[],
): Promise<readonly { readonly from: EventType; readonly to: EventType; readonly times: readonly number[] }[]> {
  const ledger = await openSqliteLedger({ file: join(hub.dataFolder, 'ledger.db') });
  const events = await ledger.events.read({
    streams: ['hub.ingest.v1', 'hub.result.v1', 'hub.delivery.v1'],
    types: [...new Set(stages.flat())],
    after: 0,
    limit: 1_000_000,
  });
  await ledger.close();
  const timesOf = (type: EventType) =>
    events.filter((event) => event.type === type).map(({ key, time }) => ({ key, atMs: Date.parse(time) }));
  return stages.map(([from, to]) => {
    const ends = new Map(timesOf(to).map(({ key, atMs }) => [key, atMs]));
    return { from, to, times: timesOf(from).map(({ key, atMs }) => (ends.get(key) ?? Number.NaN) - atMs) };
  });
}

/** @returns events a second */
async function readFeed(hub: HubProcess): Promise<number> {
  const token = await hub.token('--role', 'partner', '--partner', 'kct');
  const began = performance.now();
  let events = 0;
  let after = '';
  for (;;) {
    const response = await hub.get(`/partner/v1/events?limit=${String(FEED_PAGE)}${after}`, token);
    const page = (await response.json()) as { readonly events: readonly unknown[]; readonly cursor: string };
    if (page.events.length === 0) break;
    events += page.events.length;
    after = `&after=${encodeURIComponent(page.cursor)}`;
  }
  return events / ((performance.now() - began) / 1000);
}

/** An endpoint that believes everybody. */
async function countPosts(): Promise<{
  readonly url: string;
  readonly count: () => number;
  readonly close: () => void;
}> {
  let posts = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => {
      posts += 1;
      response.writeHead(200).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening server has no port');
  return { url: `http://127.0.0.1:${String(address.port)}/`, count: () => posts, close: () => server.close() };
}

const ms = (value: number): string => `${value.toFixed(0)} ms`;
