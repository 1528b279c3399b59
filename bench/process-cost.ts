/** What a process has cost so far, as Linux counts it: steadier than wall time on a machine that is shared. */
import { readFileSync } from 'node:fs';

/** USER_HZ, the unit of /proc/PID/stat, on every Linux Node runs on. */
const TICKS_PER_SECOND = 100;

/** Processor time of a process and its threads, without the children it has. */
export function cpuSeconds(pid: number): number {
  // proc_pid_stat(5): behind the name, which may hold spaces; utime and stime are fields 14 and 15.
  const fields =
    readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .split(') ')[1]
      ?.split(' ') ?? [];
  return fields.slice(11, 13).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

/** The most resident memory the process ever had, in MiB of 1,048,576 bytes. */
export function peakRssMib(pid: number): number {
  return numberIn(`/proc/${String(pid)}/status`, /^VmHWM:\s+(\d+) kB$/m) / 1024;
}

/** Bytes the process caused to be written to the disk. */
export function writtenBytes(pid: number): number {
  return numberIn(`/proc/${String(pid)}/io`, /^write_bytes: (\d+)$/m);
}

function numberIn(file: string, pattern: RegExp): number {
  const [, text] = pattern.exec(readFileSync(file, 'utf8')) ?? [];
  if (text === undefined) throw new Error(`${file} has no ${pattern.source}`);
  return Number(text);
}
