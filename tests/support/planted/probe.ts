/** What a probe of de-identification is: a small instance, or a few, and what its output has to be like. */
import { identity, pixels, type SampleElement, sampleFile } from '../dicom-samples.ts';

/** Found in Latin-1, upper and lower case alike. */
export interface Probe {
  readonly about: string;
  readonly files: readonly Uint8Array[];
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly outcome: 'released' | 'held';
  readonly absent?: readonly (string | Uint8Array)[];
  readonly present?: readonly string[];
}

export const SECRET = 'Qzkvlmt';

export function released(about: string, elements: readonly SampleElement[], absent: Probe['absent'] = []): Probe {
  const given = new Set(elements.map(({ tag }) => tag));
  const base = [...identity(), ...pixels()].filter(({ tag }) => !given.has(tag));
  return { about, files: [sampleFile([...base, ...elements])], outcome: 'released', absent };
}

export function gone(about: string, one: SampleElement, policy: Readonly<Record<string, unknown>> = {}): Probe {
  return { ...released(about, [one], [SECRET, '19370203', '1.9.8.7.6']), policy };
}

export function held(
  about: string,
  files: readonly Uint8Array[],
  policy: Readonly<Record<string, unknown>> = {},
): Probe {
  return { about, files, policy, outcome: 'held' };
}
