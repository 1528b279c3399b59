/**
 * `npm run bench -- delivery [ROUNDS] [STUDIES]`: what the sick among a hundred destinations cost the others. Each study goes
 * to all of them, 80 webhooks and 20 folders, over real sockets and files, from a real ledger; the same work with 5 that
 * refuse connections, 5 that take a second to answer and 5 that fail every other moment, and with none, in turn.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { startDispatcher } from '../connectors/dispatcher.ts';
import { createPartnerDirectory } from '../connectors/partner-api/directory.ts';
import { connectors, type Destination, openDestination } from '../connectors/registry.ts';
import { parseStudyInstanceUid } from '../core/identifiers.ts';
import type { Ledger } from '../core/ledger.ts';
import { openEmbeddedBus } from '../platform/bus/embedded.ts';
import { openSqliteLedger } from '../platform/ledger/sqlite/client.ts';
import { completeStudy, processed, received, startRun, TestClock } from '../tests/contracts/ledger-facts.ts';
import { freePort } from '../tests/support/child-process.ts';
import { measuredMetrics } from '../tests/support/measured.ts';
import { contextOf, MemoryStore, mrImage } from '../tests/support/outgoing.ts';
import { partnerSettings } from '../tests/support/partner-hub.ts';
import { silentLog } from '../tests/support/silent-log.ts';
import { waitFor } from '../tests/support/wait-for.ts';
import type { Health, Healths } from './delivery-targets.ts';
import { interleaved, median, ratioText, spreadText } from './rounds.ts';

const WEBHOOKS = 80;
const FOLDERS = 20;
const SICK: readonly (Health | 'dead')[] = [
  ...Array.from({ length: 5 }, () => 'dead' as const),
  ...Array.from({ length: 5 }, () => 'slow' as const),
  ...Array.from({ length: 5 }, () => 'flapping' as const),
];
const DEADLINE_MS = 300_000;
const SECRET = 'BENCH_SECRET';
const systemClock = { now: () => new Date() };

export async function benchDelivery([rounds = '5', studies = '40']: readonly string[]): Promise<void> {
  const targets = new Worker(new URL('./delivery-targets.ts', import.meta.url), { workerData: {} });
  const [port] = (await once(targets, 'message')) as [number];
  const deadPort = await freePort();
  const cpu = new Map<string, number[]>();
  const contestants = [
    { name: 'none sick', sick: [] },
    { name: '15 sick', sick: SICK },
  ] as const;
  const figures = await interleaved(
    contestants,
    Number(rounds),
    () => Promise.resolve(),
    async ({ name, sick }) => {
      targets.postMessage(
        Object.fromEntries(
          sick.flatMap((health, index) => (health === 'dead' ? [] : [[`/${index}`, health]])),
        ) satisfies Healths,
      );
      const result = await deliverAll(Number(studies), (index) => {
        const at = sick[index] === 'dead' ? deadPort : port;
        return `http://127.0.0.1:${String(at)}/${String(index)}`;
      });
      cpu.set(name, [...(cpu.get(name) ?? []), result.cpuMs]);
      return result.perSecond;
    },
  );
  const fanOut = await deliverAll(Number(studies), (index) => `http://127.0.0.1:${String(port)}/${String(index)}`, 0);
  await targets.terminate();
  const [none = [], sick = []] = contestants.map(({ name }) => figures.get(name) ?? []);
  console.log(
    `\n${studies} studies to ${String(WEBHOOKS + FOLDERS)} destinations, ${String(SICK.length)} of them dead, slow or flapping or none; ${rounds} rounds`,
  );
  console.log(`  deliveries a second to the 85 that are well: ${spreadText(none, 0)} with none sick`);
  console.log(`  with 15 sick: ${ratioText(sick, none)} × that; the aim is 0.95`);
  console.log(
    `  webhooks alone, to ${String(WEBHOOKS)} endpoints: ${fanOut.perSecond.toFixed(0)} a second; the aim is 500`,
  );
  for (const [name, values] of cpu) {
    console.log(`  ${name}: ${median(values).toFixed(2)} ms of processor a delivery, targets included`);
  }
}

/** Sends the studies to everybody, and stops when those that are always well have all of them. */
async function deliverAll(
  studies: number,
  urlOf: (index: number) => string,
  folders = FOLDERS,
): Promise<{ readonly perSecond: number; readonly cpuMs: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-delivery-'));
  const ledger = await openSqliteLedger({ file: join(folder, 'ledger.db') });
  const store = new MemoryStore();
  const names = [
    ...Array.from({ length: WEBHOOKS }, (_, index) => `hook-${String(index)}`),
    ...Array.from({ length: folders }, (_, index) => `folder-${String(index)}`),
  ];
  const well = names.slice(SICK.length);
  await prepare(ledger, store, studies, names);

  const context = contextOf(store, { [SECRET]: `whsec_${randomBytes(32).toString('base64')}` });
  const opened = names.map(async (name, index) =>
    openDestination(
      parse(
        index < WEBHOOKS
          ? {
              ...{ name, type: 'webhook', partner: 'kct', url: urlOf(index) },
              ...{ secret: { env: SECRET }, allowHosts: ['127.0.0.1'] },
            }
          : { name, type: 'folder', partner: 'kct', path: join(folder, name) },
      ),
      context,
    ),
  );
  const destinations = await Promise.all(opened);
  const bus = openEmbeddedBus({ ledger, log: silentLog });
  const metrics = measuredMetrics();
  const partners = createPartnerDirectory(ledger, () => [partnerSettings('kct')]);
  const began = performance.now();
  const cpuBefore = process.cpuUsage();
  const dispatcher = await startDispatcher(
    { bus, ledger, partners, log: silentLog, metrics, clock: systemClock, random: Math.random },
    { destinations, owner: 'bench' },
  );
  const done = () =>
    well.reduce((sum, name) => sum + (metrics.valueOf('hub_deliveries_total', name, 'succeeded') ?? 0), 0);
  await waitFor('all deliveries to the well', () => done() === well.length * studies, DEADLINE_MS);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  await dispatcher.stop(0);
  await bus.stop();
  await ledger.close();
  await rm(folder, { recursive: true });
  return { perSecond: (well.length * studies) / seconds, cpuMs: (user + system) / 1000 / (names.length * studies) };
}

/** Processed runs of as many studies, each with one instance that the partner may have. */
async function prepare(
  ledger: Ledger,
  store: MemoryStore,
  studies: number,
  destinations: readonly string[],
): Promise<void> {
  const clock = new TestClock();
  for (let index = 0; index < studies; index += 1) {
    const study = parseStudyInstanceUid(`1.2.826.${String(index + 1)}`);
    const number = index + 1;
    await completeStudy(ledger, clock, received(number, { studyInstanceUid: study }));
    const run = await startRun(ledger, {
      ...{ studyInstanceUid: study, steps: [{ processor: 'deidentify', argument: 'kct' }], destinations },
    });
    const [job] = await ledger.runs.claim('bench', 60_000, systemClock.now(), 1);
    if (job === undefined) throw new Error('nothing to claim');
    const uid = `2.25.${String(number)}`;
    const item = await store.instance(
      mrImage(number, { StudyInstanceUID: uid, SeriesInstanceUID: `${uid}.1`, SOPInstanceUID: `${uid}.1.1` }),
      { releasedFor: 'kct' },
    );
    const event = processed(run);
    await ledger.runs.finishStep(job.jobId, job.fence, {
      items: [item],
      events: [{ ...event, data: { ...event.data, partner: 'kct', releasedStudyInstanceUid: uid } } as typeof event],
    });
  }
}

function parse(given: Readonly<Record<string, unknown>>): Destination {
  const plugin = connectors.find(({ type }) => type === given['type']);
  if (plugin === undefined) throw new Error(`no connector ${String(given['type'])}`);
  return plugin.options.parse(given);
}
