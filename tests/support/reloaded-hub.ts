/** A hub that is given one configuration after the other while scanners send: what became of everything that was sent. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HubProcess } from './hub-process.ts';
import { mrInstance, newUid } from './mr-instance.ts';
import { type Sent, send } from './scanner.ts';
import { waitFor } from './wait-for.ts';

const SENDERS = 2;
const INSTANCES = 3;
/** Every so many-th is asked for by a signal, the others through the API. */
const SIGNAL_EVERY = 10;

interface Fact {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface Outcome {
  readonly reloads: number;
  readonly studies: number;
  /** Associations that were refused, dropped or answered anything but Success. */
  readonly failed: readonly Sent[];
  /** Studies that were not routed by exactly one route of exactly the version on the event. */
  readonly misrouted: readonly string[];
  /** Studies that were not delivered exactly once. */
  readonly misdelivered: readonly string[];
  /** Versions on events that nobody can look up. */
  readonly unknownVersions: readonly string[];
  /** Versions that routed at least one study. */
  readonly versionsUsed: number;
  readonly instancesSent: number;
  /** Files at the destination. */
  readonly instancesDelivered: number;
  readonly deadLetters: number;
}

/** @param reloads - how many configurations, each with another route, place of the destination and list of sources */
export async function reloadUnderLoad(reloads: number): Promise<Outcome> {
  const hub = await HubProcess.create({ config: configOf(0) });
  try {
    await hub.start();
    const sent = new Map<string, readonly string[]>();
    const failed: Sent[] = [];
    let isSending = true;
    const sendOn = async (): Promise<void> => {
      while (isSending) {
        const { study, files } = await aStudy(hub);
        sent.set(study, files);
        const answer = await send(hub.dimsePort, files);
        if (answer.code !== 0 || answer.accepted.length !== files.length) failed.push(answer);
      }
    };
    const senders = Array.from({ length: SENDERS }, sendOn);
    // One association that is open from the first configuration to the last.
    const long = await aStudy(hub, reloads);
    sent.set(long.study, long.files);
    const longest = send(hub.dimsePort, long.files, { timeoutMs: 600_000 });

    for (let n = 1; n <= reloads; n += 1) await reload(hub, n);
    isSending = false;
    await Promise.all(senders);
    const last = await longest;
    if (last.code !== 0 || last.accepted.length !== long.files.length) failed.push(last);
    return { ...(await outcomeOf(hub, sent)), reloads, failed };
  } finally {
    await hub.remove();
  }
}

function configOf(n: number) {
  return {
    gateway: {
      completion: { quiet: '1s', force: '10m' },
      dimse: {
        sources: [
          { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] },
          { name: `other-${String(n % 5)}`, aeTitle: 'OTHER', hosts: ['127.0.0.1'] },
        ],
      },
    },
    // Every third time the destination is another: what is under way to the one before goes on to its end.
    destinations: [{ name: 'out', type: 'folder', path: `./out/${String(Math.floor(n / 3) % 2)}` }],
    routes: [{ name: `r${String(n)}`, when: {}, deliver: ['out'] }],
  };
}

async function reload(hub: HubProcess, n: number): Promise<void> {
  await hub.configure(configOf(n));
  if (n % SIGNAL_EVERY === 0) {
    process.kill(hub.pid, 'SIGHUP');
    await waitFor('the configuration of a signal', async () => {
      const { items } = (await (await hub.get('/api/v1/routes')).json()) as { items: readonly { name: string }[] };
      return items[0]?.name === `r${String(n)}`;
    });
    return;
  }
  const answer = await fetch(`${hub.url}/api/v1/configuration/reload`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${hub.adminToken}` },
  });
  if (!answer.ok) throw new Error(`reload ${String(n)}: ${await answer.text()}`);
}

async function aStudy(hub: HubProcess, instances = INSTANCES) {
  const study = newUid();
  const files: string[] = [];
  for (let n = 0; n < instances; n += 1) {
    const { part10, sopInstanceUid } = mrInstance({
      StudyInstanceUID: study,
      SeriesInstanceUID: `${study.slice(0, 60)}.1`,
    });
    const file = join(hub.folder, `${sopInstanceUid}.dcm`);
    await writeFile(file, part10);
    files.push(file);
  }
  return { study, files };
}

async function outcomeOf(hub: HubProcess, sent: ReadonlyMap<string, readonly string[]>) {
  let facts: readonly Fact[] = [];
  const of = (type: string) => facts.filter((fact) => fact.type === type).map(({ data }) => data);
  await waitFor(
    'every study to be delivered',
    async () => {
      facts = await factsOf(hub);
      const done = new Set(of('hub.delivery.succeeded.v1').map(({ studyInstanceUid }) => studyInstanceUid));
      return of('hub.delivery.dead-lettered.v1').length > 0 || [...sent.keys()].every((study) => done.has(study));
    },
    60_000,
  );
  const versions = await routesByVersion(hub);
  const routed = of('hub.study.routed.v1');
  const delivered = of('hub.delivery.succeeded.v1');
  const misrouted = [...sent.keys()].filter((study) => {
    const decisions = routed.filter(({ studyInstanceUid }) => studyInstanceUid === study);
    const revisions = new Set(decisions.map(({ revision }) => revision));
    const areWhole = decisions.every(({ route, configVersion }) => versions.get(String(configVersion)) === route);
    return decisions.length === 0 || revisions.size !== decisions.length || !areWhole;
  });
  const misdelivered = [...sent.keys()].filter((study) => {
    const runs = (list: typeof routed) =>
      list
        .filter(({ studyInstanceUid }) => studyInstanceUid === study)
        .map(({ runId }) => String(runId))
        .toSorted();
    return runs(routed).join(' ') !== runs(delivered).join(' ');
  });
  const named = facts.flatMap(({ data }) =>
    data['configVersion'] === undefined ? [] : [JSON.stringify(data['configVersion']).slice(1, -1)],
  );
  const caused = facts.filter(({ type }) => CAUSED.includes(type));
  return {
    studies: sent.size,
    misrouted,
    misdelivered,
    unknownVersions: [
      ...new Set(named.filter((version) => !versions.has(version))),
      ...caused.filter(({ data }) => data['configVersion'] === undefined).map(({ type }) => `none on ${type}`),
    ],
    versionsUsed: new Set(routed.map(({ configVersion }) => configVersion)).size,
    instancesSent: [...sent.values()].flat().length,
    instancesDelivered: await countFiles(join(hub.folder, 'out')),
    deadLetters: of('hub.delivery.dead-lettered.v1').length,
  };
}

/** Facts that a configuration had a part in. */
const CAUSED = ['hub.study.completed.v1', 'hub.study.routed.v1', 'hub.study.processed.v1', 'hub.delivery.succeeded.v1'];

async function factsOf(hub: HubProcess): Promise<readonly Fact[]> {
  const facts: Fact[] = [];
  for (let after = '0'; ;) {
    const response = await hub.get(`/api/v1/events?limit=1000&after=${after}`);
    const page = (await response.json()) as { items: readonly Fact[]; cursor: string; hasMore: boolean };
    facts.push(...page.items);
    if (!page.hasMore) return facts;
    after = page.cursor;
  }
}

/** The one route of each version, as its stored document has it. */
async function routesByVersion(hub: HubProcess): Promise<ReadonlyMap<string, string>> {
  const versions = new Map<string, string>();
  for (let before = ''; ;) {
    const response = await hub.get(`/api/v1/configuration?limit=500${before}`);
    const page = (await response.json()) as { items: readonly { version: string }[]; cursor?: string };
    for (const { version } of page.items) {
      const { document } = (await (await hub.get(`/api/v1/configuration/${version}`)).json()) as {
        document: { routes: readonly { name: string }[] };
      };
      versions.set(version, document.routes[0]?.name ?? '');
    }
    if (page.cursor === undefined) return versions;
    before = `&before=${page.cursor}`;
  }
}

async function countFiles(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true }).catch(() => []);
  return entries.filter((name) => name.endsWith('.dcm')).length;
}
