/** Small instances, one for each thing that de-identification must do; each knows what its output has to be like. */
import type { Probe } from './probe.ts';
import { RULE_PROBES } from './rule-probes.ts';
import { SPELLING_PROBES } from './spelling-probes.ts';

export const PROBES: readonly Probe[] = [...RULE_PROBES, ...SPELLING_PROBES];
