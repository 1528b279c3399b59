/** A plan with its look-ups built: made once a run, not frozen into the configuration. */
import type { Plan, PlannedPrivateRule, PlannedRow } from './plan.ts';
import type { ProfileOption } from './policy.ts';

export interface CompiledPlan {
  readonly plan: Plan;
  action(tag: number): PlannedRow | undefined;
  has(option: ProfileOption): boolean;
  readonly hasPrivateRules: boolean;
  /** Options keep some rows of the table. */
  readonly keepsTexts: boolean;
  /** Some UID of an instance, study or place may stay as it is. */
  readonly keepsUids: boolean;
  privateRule(creator: string, group: number, elementByte: number): CompiledPrivateRule | undefined;
}

export interface CompiledPrivateRule extends PlannedPrivateRule {
  /** Matches a whole value. */
  readonly expression: RegExp | undefined;
}

export function compileLookups(plan: Plan): CompiledPlan {
  const actions = new Map(plan.actions.map((row) => [row.tag, row]));
  const privateRules = new Map<string, CompiledPrivateRule>();
  for (const rule of plan.privateRules) {
    const key = privateKey(rule.creator, Number.parseInt(rule.group, 16), Number.parseInt(rule.element, 16));
    const expression = rule.pattern === undefined ? undefined : new RegExp(`^(?:${rule.pattern})$`, 'u');
    // The policy's own entries come first and go before the standard's.
    if (!privateRules.has(key)) privateRules.set(key, { ...rule, expression });
  }
  const options = new Set(plan.options);
  return {
    plan,
    action: (tag) => actions.get(tag),
    has: (option) => options.has(option),
    hasPrivateRules: privateRules.size > 0,
    keepsTexts: plan.actions.some(({ action }) => action === 'K'),
    keepsUids: plan.actions.some(({ action, vrs }) => action === 'K' && vrs.includes('UI')),
    privateRule: (creator, group, elementByte) => privateRules.get(privateKey(creator, group, elementByte)),
  };
}

function privateKey(creator: string, group: number, elementByte: number): string {
  return `${group}/${elementByte}/${creator}`;
}
