/** The processor that releases: de-identifies a study for one partner by PS3.15 Annex E, and proves it. */
import { HubError } from '../../core/errors.ts';
import type { Catalogue, ProcessorPlugin } from '../../core/plugins.ts';
import { compilePlan } from './plan.ts';
import type { Plan } from './plan.ts';
import { policySchema } from './policy.ts';

export const deidentify: ProcessorPlugin<Plan> = {
  name: 'deidentify',
  resolve,
  releasesFor: (plan) => plan.partner,
  load: () => import('./step.ts'),
};

/** @param argument - name of an entry of `policies` */
function resolve(argument: unknown, { policies }: Catalogue): Plan {
  const refuse = (detail: string) => new HubError('config.invalid', { detail });
  if (typeof argument !== 'string') throw refuse('deidentify needs the name of a policy: { deidentify: NAME }');
  const entry = policies.find(({ name }) => name === argument);
  if (entry === undefined) throw refuse(`no such policy: ${argument}`);
  const policy = policySchema.safeParse(entry);
  if (!policy.success) throw refuse(`policy ${argument}: ${policy.error.issues[0]?.message ?? 'not valid'}`);
  return compilePlan(policy.data);
}
