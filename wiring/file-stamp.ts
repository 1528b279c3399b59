/** Whether a file was written since: by what stands in its folder, so that looking costs nothing. */
import { stat } from 'node:fs/promises';

/** Changes when the file does, also through a link that leads elsewhere now, as Kubernetes exchanges a ConfigMap. */
export async function fileStamp(file: string | undefined): Promise<string> {
  if (file === undefined) return '';
  try {
    const { dev, ino, size, mtimeNs } = await stat(file, { bigint: true });
    return [dev, ino, size, mtimeNs].join(' ');
  } catch {
    // Not there, or not to be read: what reads it says so, with the reason.
    return 'unreadable';
  }
}
