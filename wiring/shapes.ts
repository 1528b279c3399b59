/** What the stages own of the configuration, gathered: the schema of one file is made of the schemas of its plug-ins. */
import type { LoadedConfig } from '../config/loader.ts';
import type { ConfigShapes, HubConfig } from '../config/schema.ts';
import { connectors, type Destination } from '../connectors/registry.ts';
import { type Policy, policySchema } from '../processors/deidentify/policy.ts';
import { processors } from '../processors/registry.ts';
import { fromSources, type Rule, ruleSchema, sourcesIn } from '../routers/rules.ts';

export type HubShapes = ConfigShapes<Rule, Policy, Destination>;
export type Config = HubConfig<Rule, Policy, Destination>;
export type Loaded = LoadedConfig<Rule, Policy, Destination>;

/** What `--stages` chooses from. */
export const STAGES = ['gateway', 'routers', 'processors', 'connectors'] as const;
export type Stage = (typeof STAGES)[number];

export function configShapes(): HubShapes {
  return { when: ruleSchema, sourcesAskedFor: sourcesIn, fromSources, policy: policySchema, connectors, processors };
}
