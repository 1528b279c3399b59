/** Who receives from a region: an archive of the house, and a partner with a folder and a webhook. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { dataSetDigest } from '../crash-samples.ts';
import { pathsBelow } from '../files-below.ts';
import type { Section } from '../hub-process.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../webhook-receiver.ts';

export interface Receivers {
  readonly webhook: WebhookReceiver;
  /** Routes, destinations, policies of every replica. */
  readonly config: Section;
  readonly env: Readonly<Record<string, string>>;
  /** SOP Instance UIDs of what stands in the archive. */
  archivedUids(): Promise<ReadonlySet<string>>;
  /** The same with the SHA-256 of each data set: every file is read. */
  archived(): Promise<ReadonlyMap<string, string>>;
  /** SOP Instance UIDs of what the partner's folder holds, one for each file. */
  released(): Promise<readonly string[]>;
  /** Names of files that are no part of a finished delivery. */
  leftovers(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export async function startReceivers({ quiet = '2s' } = {}): Promise<Receivers> {
  const folder = await mkdtemp(join(tmpdir(), 'hub-region-'));
  const [archive, released] = [join(folder, 'archive'), join(folder, 'partner')];
  const webhook = await startWebhookReceiver();
  const retry = { attempts: 100, firstDelay: '500ms', maxDelay: '2s' };
  return {
    webhook,
    config: {
      gateway: {
        completion: { quiet, force: '60s' },
        disk: { minFree: '50MB', maxUsedPercent: 100 },
        spool: { segment: '1MiB' },
        dimse: { sources: [1, 2, 3, 4].map((n) => ({ name: `mr-${n}`, aeTitle: `MR${n}`, hosts: ['127.0.0.1'] })) },
      },
      policies: [{ name: 'kct', profile: 'basic' }],
      partners: [{ name: 'kct' }],
      destinations: [
        { name: 'archive', type: 'folder', path: archive, retry },
        { name: 'kct-folder', type: 'folder', path: released, partner: 'kct', retry },
        {
          name: 'kct-hook',
          type: 'webhook',
          url: webhook.url,
          secret: { env: 'KCT_WEBHOOK_SECRET' },
          allowHosts: ['127.0.0.1'],
          partner: 'kct',
          retry,
        },
      ],
      routes: [
        { name: 'house', when: { Modality: 'MR' }, process: [], deliver: ['archive'] },
        {
          name: 'kct',
          when: { Modality: 'MR' },
          process: [{ deidentify: 'kct' }],
          deliver: ['kct-folder', 'kct-hook'],
        },
      ],
    },
    env: { KCT_WEBHOOK_SECRET: webhook.secret },
    archivedUids: async () => new Set((await instancesBelow(archive)).map((file) => basename(file, '.dcm'))),
    archived: async () => {
      const found = new Map<string, string>();
      for (const file of await instancesBelow(archive)) {
        found.set(basename(file, '.dcm'), dataSetDigest(await readFile(file)));
      }
      return found;
    },
    released: async () => (await instancesBelow(released)).map((file) => basename(file, '.dcm')),
    leftovers: async () =>
      [...(await pathsBelow(archive)), ...(await pathsBelow(released))].filter((name) => name.includes('.part')),
    close: async () => {
      await webhook.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function instancesBelow(folder: string): Promise<readonly string[]> {
  return (await pathsBelow(folder)).filter((name) => name.endsWith('.dcm'));
}
