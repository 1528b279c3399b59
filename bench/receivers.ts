/**
 * Who receives: the hub as its users have it (`hub start` in a process of its own, the smallest configuration), DCMTK's
 * storescp, which never syncs, and Orthanc as it comes, which syncs each file.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HubProcess, type Section } from '../tests/support/hub-process.ts';
import { startOrthanc, startStorescp } from '../tests/support/peer-servers.ts';

export interface Receiver {
  readonly name: string;
  readonly port: number;
  readonly aeTitle: string;
  readonly pid: number;
  /** STOW-RS service root and what to send along; absent where there is none. */
  readonly dicomWeb?: { readonly url: string; readonly headers: Readonly<Record<string, string>> };
  /** Between two rounds, outside the measured time. */
  tidy(): Promise<void>;
  stop(): Promise<void>;
}

export interface HubReceiver extends Receiver {
  readonly process: HubProcess;
}

/** What a configuration without these keys has, where test hubs have other values; room on the disk is the machine's matter. */
const AS_SHIPPED = {
  completion: { quiet: '60s', force: '90m' },
  disk: { minFree: '1GB', maxUsedPercent: 100 },
  spool: { segment: '256MiB' },
};

/** @param config - sections laid over the smallest configuration; those of `gateway` one by one */
export async function startHub(
  config: Section & { readonly gateway?: Readonly<Record<string, Section>> } = {},
): Promise<HubReceiver> {
  const hub = await HubProcess.create({ config: { ...config, gateway: { ...AS_SHIPPED, ...config.gateway } } });
  await hub.start();
  return {
    name: 'hub',
    process: hub,
    port: hub.dimsePort,
    aeTitle: 'HUB',
    pid: hub.pid,
    dicomWeb: { url: `${hub.url}/dicom-web`, headers: { Authorization: `Bearer ${hub.adminToken}` } },
    tidy: () => Promise.resolve(),
    stop: async () => {
      await hub.stop();
      await hub.remove();
    },
  };
}

/** @param folder - what it received lies below it until `tidy` */
export async function startDcmtk(folder: string): Promise<Receiver> {
  const peer = await startStorescp({ dir: join(folder, 'storescp'), args: ['--fork'] });
  return {
    ...peer,
    name: 'storescp',
    tidy: async () => {
      for (const name of await readdir(peer.dir)) await rm(join(peer.dir, name));
    },
  };
}

export async function startDefaultOrthanc(dicomWeb = false): Promise<Receiver> {
  const peer = await startOrthanc({ dicomWeb, config: { OverwriteInstances: false, StableAge: 60 } });
  return {
    ...peer,
    name: 'Orthanc',
    ...(dicomWeb ? { dicomWeb: { url: peer.dicomWebUrl, headers: {} } } : {}),
    tidy: () => Promise.resolve(),
  };
}
