/** The steps a route may name. A new processor is a folder and a line here. */
import { HubError } from '../core/errors.ts';
import type { RunStep } from '../core/ledger/runs.ts';
import type { Catalogue, ProcessorPlugin } from '../core/plugins.ts';
import { deidentify } from './deidentify/index.ts';
import { reidentify } from './reidentify/index.ts';
import { qc } from './qc/index.ts';
import { segment } from './segment/index.ts';

export const processors: readonly ProcessorPlugin[] = [deidentify, reidentify, qc, segment];

/** The frozen options of a configured step. @throws {HubError} `config.invalid`, `model.invalid` */
export function resolveStep(step: RunStep, catalogue: Catalogue): unknown {
  const plugin = processors.find(({ name }) => name === step.processor);
  if (plugin === undefined)
    throw new HubError('config.invalid', { detail: `no processor is called ${step.processor}` });
  return plugin.resolve(step.argument, catalogue);
}
