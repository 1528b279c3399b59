/** Loads what a plug-in works with, and says which one it is when that cannot be had. */
import { HubError } from './errors.ts';

/** @throws {HubError} `plugin.unusable` with the plug-in's name and what is missing */
export async function loadPlugin<Module>(plugin: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    // Node goes on with the file that wanted it, whose place is nobody's business.
    const [detail] = (error instanceof Error ? error.message : String(error)).split(/ imported from |\n/);
    throw new HubError('plugin.unusable', { plugin, detail }, error);
  }
}
