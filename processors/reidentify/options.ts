/** What a `reidentify` step is told. */
import { HubError } from '../../core/errors.ts';
import type { Catalogue } from '../../core/plugins.ts';

export interface ReidentifyOptions {
  readonly partner: string;
  /** All that anything is released for: what is theirs is not this partner's. */
  readonly recipients: readonly string[];
}

/** @param argument - name of an entry of `partners` that a policy releases for */
export function resolveReidentify(argument: unknown, { policies }: Catalogue): ReidentifyOptions {
  const refuse = (detail: string) => new HubError('config.invalid', { detail });
  if (typeof argument !== 'string') throw refuse('reidentify needs the name of a partner: { reidentify: NAME }');
  if (!policies.some(({ partner }) => partner === argument))
    throw refuse(`no policy releases for the partner ${argument}: it can return nothing`);
  return Object.freeze({
    partner: argument,
    recipients: [...new Set(policies.map((each) => each.partner ?? each.name))],
  });
}
