/**
 * A hub that is killed again and again while four scanners push: who was told Success of what, and what the hub has made
 * of it in the end. A kill strikes at a random moment while the hub starts, while the scanners push, or while it works on
 * what they pushed. How long a push takes is measured first: on a slow machine as on a fast one, pushes are cut off.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startOrigin, type OriginServer } from './crash-origin.ts';
import { writeSamples, type Sample } from './crash-samples.ts';
import { HubProcess } from './hub-process.ts';
import { send } from './scanner.ts';
import { seeded } from './seeded.ts';
import { waitFor } from './wait-for.ts';
import { startWebhookReceiver, type WebhookReceiver } from './webhook-receiver.ts';
import { hasInstances, isQuiet, openLedgerFile, openWork } from './crash-ledger.ts';

/** Calling AE titles of the scanners; what the last one sends is de-identified on its way. */
const SCANNERS = ['SCAN1', 'SCAN2', 'SCAN3', 'SCANP'] as const;
const FOR_PARTNER = 'SCANP';
const INSTANCES_A_STUDY = 10;
/** A study goes in two associations; the second may come when the first is long complete. */
const FIRST_PART = 6;
const KILL_AT_WORK_WITHIN_MS = 3_000;
const KILL_AT_START_WITHIN_MS = 900;
/** Of four kills one strikes while scanners push, one while the hub starts and recovers, two at any time after. */
const KILLS = ['push', 'work', 'start', 'work'] as const;

export interface CrashOptions {
  readonly kills: number;
  /** The same seed gives the same samples and the same moments; what the hub is doing then differs all the same. */
  readonly seed: number;
  /** For the hub to finish its work after the last kill. */
  readonly drainMs: number;
}

export interface CrashOutcome {
  readonly hub: HubProcess;
  readonly origin: OriginServer;
  readonly receiver: WebhookReceiver;
  /** Instances whose sender was told Success, each once. */
  readonly acknowledged: readonly Sample[];
  /** All that was ever offered. */
  readonly offered: readonly Sample[];
  /** Of the acknowledged, those that a partner gets. */
  readonly forPartner: readonly Sample[];
  /** Associations that a kill cut off. */
  readonly cutOff: number;
  readonly identityFolder: string;
  readonly partnerFolder: string;
  remove(): Promise<void>;
}

/** Runs the scenario to its end: hub drained and stopped. The caller judges, and removes. */
export async function surviveCrashes(options: CrashOptions): Promise<CrashOutcome> {
  const random = seeded(options.seed);
  const origin = await startOrigin();
  const receiver = await startWebhookReceiver();
  const hub = await HubProcess.create({ config: {}, env: { CRASH_WEBHOOK_SECRET: receiver.secret } });
  const identityFolder = join(hub.folder, 'identity');
  const partnerFolder = join(hub.folder, 'partner');
  await hub.configure(configuration({ identityFolder, partnerFolder, origin, receiver }));
  const remove = async () => {
    await hub.remove();
    await Promise.all([origin.close(), receiver.close()]);
  };
  try {
    const scanners = SCANNERS.map(
      (calling, index) => new Scanner(calling, index, hub, seeded(options.seed + index + 1)),
    );
    let pushMs = 0;
    for (let kill = 0; kill < options.kills; kill += 1) {
      hub.launch();
      const moment = KILLS[kill % KILLS.length] ?? 'push';
      if (moment === 'start') {
        await delay(random() * KILL_AT_START_WITHIN_MS);
        await hub.kill();
        continue;
      }
      await hub.ready();
      const startedMs = performance.now();
      const pushing = Promise.all(scanners.map(async (scanner) => scanner.push()));
      if (pushMs === 0) {
        await pushing;
        pushMs = performance.now() - startedMs;
      } else await delay(random() * (moment === 'push' ? pushMs : KILL_AT_WORK_WITHIN_MS));
      await hub.kill();
      await pushing;
    }
    await hub.start();
    for (const scanner of scanners) await scanner.finish();
    const acknowledged = scanners.flatMap((scanner) => scanner.acknowledged);
    const ledger = openLedgerFile(hub.dataFolder);
    try {
      // What was acknowledged last may still be on its way to the ledger: until it is there, nothing seems to be open.
      const isDone = () => hasInstances(ledger, acknowledged.length) && isQuiet(ledger);
      await waitFor('all work to be done', isDone, options.drainMs).catch((error: unknown) => {
        throw new Error(`open still: ${openWork(ledger)}`, { cause: error });
      });
    } finally {
      ledger.close();
    }
    await hub.stop();
    return {
      hub,
      origin,
      receiver,
      acknowledged,
      offered: scanners.flatMap((scanner) => scanner.offered),
      forPartner: scanners.filter(({ calling }) => calling === FOR_PARTNER).flatMap((scanner) => scanner.acknowledged),
      cutOff: scanners.reduce((sum, scanner) => sum + scanner.cutOff, 0),
      identityFolder,
      partnerFolder,
      remove,
    };
  } catch (error) {
    const tail = hub.log().slice(-3_000);
    await remove();
    throw new Error(`with seed ${options.seed}: ${String(error)}\n${tail}`, { cause: error });
  }
}

/** Sends study after study, and again what was not answered with Success. */
class Scanner {
  readonly calling: string;
  readonly offered: Sample[] = [];
  cutOff = 0;
  readonly #number: number;
  readonly #hub: HubProcess;
  readonly #random: () => number;
  readonly #acknowledged = new Map<string, Sample>();
  #studies = 0;
  #waiting: readonly Sample[] = [];

  constructor(calling: string, number: number, hub: HubProcess, random: () => number) {
    this.calling = calling;
    this.#number = number;
    this.#hub = hub;
    this.#random = random;
  }

  get acknowledged(): readonly Sample[] {
    return [...this.#acknowledged.values()];
  }

  /** Pushes the work of one life of the hub, or what of it the hub lives to see. */
  async push(): Promise<void> {
    if (this.#waiting.length > 0 && !(await this.#send(this.#waiting))) return;
    const study = 1 + this.#number + SCANNERS.length * this.#studies++;
    const folder = join(this.#hub.folder, 'samples');
    const samples = await writeSamples(folder, study, INSTANCES_A_STUDY, this.#random);
    this.offered.push(...samples);
    this.#waiting = samples;
    // The last of the first part goes twice: a repeat is a Success that must change nothing.
    if (!(await this.#send(samples.slice(0, FIRST_PART)))) return;
    await this.#send(samples.slice(FIRST_PART - 1));
  }

  /** Pushes what is left, to a hub that lives. */
  async finish(): Promise<void> {
    if (this.#waiting.length > 0 && !(await this.#send(this.#waiting))) {
      throw new Error(`${this.calling} could not send what was left`);
    }
  }

  /** @returns whether all of it was answered with Success */
  async #send(samples: readonly Sample[]): Promise<boolean> {
    const byFile = new Map(samples.map((sample) => [sample.file, sample]));
    const sent = await send(this.#hub.dimsePort, [...byFile.keys()], { calling: this.calling, args: ['-R'] });
    for (const file of sent.accepted) {
      const sample = byFile.get(file);
      if (sample === undefined) continue;
      this.#acknowledged.set(sample.sopInstanceUid, sample);
      this.#waiting = this.#waiting.filter((each) => each !== sample);
    }
    const isWhole = sent.accepted.length === samples.length;
    if (!isWhole) this.cutOff += 1;
    return isWhole;
  }
}

function configuration(to: {
  readonly identityFolder: string;
  readonly partnerFolder: string;
  readonly origin: OriginServer;
  readonly receiver: WebhookReceiver;
}) {
  // A peer that was cut off by a kill is tried again at once, not in half a minute.
  const retry = { attempts: 20, firstDelay: '100ms', maxDelay: '500ms' };
  const ours = SCANNERS.filter((calling) => calling !== FOR_PARTNER);
  return {
    gateway: {
      dimse: {
        sources: SCANNERS.map((aeTitle) => ({ name: aeTitle.toLowerCase(), aeTitle, hosts: ['127.0.0.1'] })),
      },
    },
    policies: [{ name: 'kct', profile: 'basic' }],
    partners: [{ name: 'kct' }],
    destinations: [
      { name: 'archive', type: 'folder', path: to.identityFolder, retry },
      { name: 'pacs', type: 'stow-rs', url: to.origin.url, retry },
      { name: 'partner-folder', type: 'folder', path: to.partnerFolder, partner: 'kct', retry },
      {
        name: 'partner-hook',
        type: 'webhook',
        url: to.receiver.url,
        secret: { env: 'CRASH_WEBHOOK_SECRET' },
        allowHosts: ['127.0.0.1'],
        partner: 'kct',
        retry,
      },
    ],
    routes: [
      {
        name: 'as-it-is',
        when: { source: ours.map((calling) => calling.toLowerCase()) },
        deliver: ['archive', 'pacs'],
      },
      {
        name: 'for-the-partner',
        when: { source: FOR_PARTNER.toLowerCase() },
        process: [{ deidentify: 'kct' }],
        deliver: ['partner-folder', 'partner-hook'],
      },
    ],
  };
}
