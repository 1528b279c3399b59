import * as z from 'zod';
import type { ConfigShapes } from '../../config/schema.ts';
import { folder } from '../../connectors/folder/index.ts';
import { HubError } from '../../core/errors.ts';
import type { Catalogue, DestinationOptions, ProcessorPlugin } from '../../core/plugins.ts';
import { fromSources, ruleSchema, type Rule, sourcesIn } from '../../routers/rules.ts';

const common = { name: z.string().min(1), partner: z.string().optional() };
const policy = z.strictObject({
  name: z.string().min(1),
  profile: z.enum(['basic']).default('basic'),
  partner: z.string().optional(),
});
const origin = z.strictObject({
  ...common,
  type: z.literal('stow-rs'),
  url: z.url({ protocol: /^https?$/ }),
  token: z.union([z.strictObject({ env: z.string() }), z.strictObject({ file: z.string() })]).optional(),
});

/** The real rules and one real connector, beside plug-ins small enough to see through: what `config/` does with any plug-in. */
export const testShapes: ConfigShapes<Rule, z.infer<typeof policy>> = {
  when: ruleSchema,
  sourcesAskedFor: sourcesIn,
  fromSources,
  policy,
  connectors: [folder, { type: 'stow-rs', options: origin satisfies z.ZodType<DestinationOptions> }],
  processors: [releasing(), named('qc'), named('segment')],
};

function named(name: string): ConfigShapes['processors'][number] {
  return { name, resolve: (argument) => ({ argument }) };
}

function releasing(): ConfigShapes['processors'][number] {
  const plugin: Pick<ProcessorPlugin<z.infer<typeof policy>>, 'name' | 'resolve'> = {
    name: 'deidentify',
    resolve: (argument, catalogue: Catalogue) => {
      const found = catalogue.policies.find(({ name }) => name === argument);
      if (found === undefined) throw new HubError('config.invalid', { detail: `no such policy: ${String(argument)}` });
      return policy.parse(found);
    },
  };
  return { ...plugin, releasesFor: (options) => policy.parse(options).partner };
}
