/** All watched folders of a hub as one door: opened, closed, measured and asked together. */
import { HubError } from '../../core/errors.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { StudyReader } from './found-study.ts';
import { FILE_STATES } from './look-tally.ts';
import { WatchedFolder, type WatchedFolderOptions, type WatchedFolderPorts } from './watched-folder.ts';

export interface FolderDoorPorts extends Omit<WatchedFolderPorts, 'studies'> {
  readonly studies?: StudyReader | undefined;
  readonly metrics: Pick<GatewayMetrics, 'folderFiles' | 'folderUp' | 'folderScans'>;
}

export class FolderDoor {
  readonly #folders: readonly WatchedFolder[];

  constructor(folders: readonly WatchedFolderOptions[], ports: FolderDoorPorts) {
    const { folderFiles, folderUp, folderScans: scans } = ports.metrics;
    const studies = ports.studies === undefined ? undefined : { reader: ports.studies, scans };
    this.#folders = folders.map((options) => new WatchedFolder(options, { ...ports, studies }));
    folderFiles.collect(() => {
      for (const { name: source, counts } of this.#folders) {
        for (const state of FILE_STATES) folderFiles.set({ source, state }, counts[state]);
      }
    });
    folderUp.collect(() => {
      for (const { name: source, problem } of this.#folders) folderUp.set({ source }, problem === undefined ? 1 : 0);
    });
  }

  open(): void {
    for (const folder of this.#folders) folder.start();
  }

  /** Waits for what is being made durable; a folder that does not answer is left behind at the deadline. */
  async close(deadlineMs: number): Promise<void> {
    await Promise.all(this.#folders.map(async (folder) => folder.stop(deadlineMs)));
  }

  /** Resolves while every folder can be used. @throws {HubError} `folder.unavailable`, of the first that cannot */
  check(): Promise<void> {
    const { name, problem } = this.#folders.find((folder) => folder.problem !== undefined) ?? {};
    if (name === undefined || problem === undefined) return Promise.resolve();
    const advice = `${name}: ${problem}`;
    return Promise.reject(new HubError('folder.unavailable', { source: name, reason: problem, advice }));
  }
}
