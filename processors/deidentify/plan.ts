/** From policy and tables to one frozen plan: what happens to which attribute, decided once, at start, with a hash. */
import { createHash } from 'node:crypto';
import { lookup } from '../../core/dicom/dictionary.ts';
import { HubError } from '../../core/errors.ts';
import type { PixelPolicy } from './pixels/cleaning.ts';
import { pixelPolicyOf } from './pixels/pixel-policy.ts';
import { OVERRIDE_ACTIONS, PROFILE_OPTIONS } from './policy.ts';
import type { Policy, PrivateElementRule, ProfileOption } from './policy.ts';
import { PROFILE_ROWS, SAFE_PRIVATE_ROWS, TABLE_EDITION, TABLES_DIGEST } from './tables.ts';
import type { ActionCode, ProfileRow } from './tables.ts';

/** Changes to how codes are carried out change what a hash stands for. */
const ENGINE_VERSION = 1;

/** `shift` and `descriptor` are the two ways a C can be carried out; the rest is as in PS3.15 Table E.1-1a. */
export type PlannedAction = Exclude<ActionCode, 'C'> | 'shift' | 'descriptor';

/** Plain data: survives structured cloning. */
export interface Plan {
  readonly policy: string;
  readonly partner: string | undefined;
  readonly options: readonly ProfileOption[];
  readonly edition: string;
  /** SHA-256 over everything that decides the output but the key. */
  readonly hash: string;
  readonly actions: readonly PlannedRow[];
  readonly privateRules: readonly PrivateElementRule[];
  readonly classes: readonly string[];
  readonly pixels: PixelPolicy;
}

export interface PlannedRow {
  readonly tag: number;
  readonly keyword: string;
  readonly action: PlannedAction;
  /** What `shift` and `descriptor` fall back to where a value cannot be cleaned. */
  readonly basic: Exclude<ActionCode, 'C'>;
  /** A text a person wrote to describe, rather than an identifier: its single words prove nothing. */
  readonly isDescriptor: boolean;
}

const MODIFIED_DATES = 'retain-longitudinal-modified-dates';
const FULL_DATES = 'retain-longitudinal-full-dates';

/** @throws {HubError} `config.invalid` when options contradict each other or are not available */
export function compilePlan(policy: Policy): Plan {
  const options = [...new Set(policy.options)].toSorted();
  refuseContradictions(policy.name, options);
  const actions = plannedRows(options, policy.overrides);
  const privateRules = privateRulesOf(policy, options);
  const classes = [...new Set(policy.classes)].toSorted();
  const pixels = pixelPolicyOf(policy.pixels, options, (detail) => {
    throw new HubError('config.invalid', { detail: `policy ${policy.name}: ${detail}` });
  });
  const decided = { ENGINE_VERSION, TABLES_DIGEST, options, actions, privateRules, classes, pixels };
  return Object.freeze({
    policy: policy.name,
    partner: policy.partner,
    options,
    edition: TABLE_EDITION,
    hash: createHash('sha256').update(JSON.stringify(decided)).digest('hex'),
    actions,
    privateRules,
    classes,
    pixels,
  });
}

function refuseContradictions(policy: string, options: readonly ProfileOption[]): void {
  const refuse = (detail: string) => {
    throw new HubError('config.invalid', { detail: `policy ${policy}: ${detail}` });
  };
  for (const option of options)
    if (!PROFILE_OPTIONS[option].isAvailable) refuse(`the option ${option} is not available yet`);
  if (options.includes(FULL_DATES) && options.includes(MODIFIED_DATES))
    refuse(`${FULL_DATES} and ${MODIFIED_DATES} contradict each other`);
}

function plannedRows(options: readonly ProfileOption[], overrides: Policy['overrides']): readonly PlannedRow[] {
  const rows = new Map<number, PlannedRow>();
  for (const row of PROFILE_ROWS) {
    // Masks (curves, overlays) and private attributes are rules of the walk, not single tags.
    if (!/^[0-9A-F]{8}$/.test(row.tag)) continue;
    const basic = row.basic === 'C' ? 'X' : row.basic;
    rows.set(Number.parseInt(row.tag, 16), {
      tag: Number.parseInt(row.tag, 16),
      keyword: row.keyword ?? row.name.replaceAll(/[^A-Za-z]/g, ''),
      action: actionOf(row, basic, options),
      basic,
      isDescriptor: row.options['cleanDescriptors'] !== undefined,
    });
  }
  for (const [keyword, word] of Object.entries(overrides)) {
    const tag = lookup(keyword)?.tag;
    if (tag === undefined) throw new HubError('config.invalid', { detail: `no such attribute: ${keyword}` });
    const action = OVERRIDE_ACTIONS[word];
    rows.set(tag, { tag, keyword, action, basic: action, isDescriptor: rows.get(tag)?.isDescriptor ?? false });
  }
  return [...rows.values()].toSorted((one, other) => one.tag - other.tag);
}

/**
 * What the options make of a row. On eleven rows two options disagree, device identity says K and modified dates C:
 * a date that is shifted keeps the device's history, a date that is kept breaks the promise of shifted dates. So C.
 */
function actionOf(row: ProfileRow, basic: PlannedAction, options: readonly ProfileOption[]): PlannedAction {
  const says = (option: ProfileOption) => {
    const column = PROFILE_OPTIONS[option].column;
    return column === undefined ? undefined : row.options[column];
  };
  if (options.includes(MODIFIED_DATES) && says(MODIFIED_DATES) === 'C') return 'shift';
  if (options.some((option) => says(option) === 'K')) return 'K';
  if (options.includes('clean-descriptors') && says('clean-descriptors') === 'C') return 'descriptor';
  // A C that is not about dates or descriptors (AE titles, allergies) has no cleaner: the profile's own code is safer.
  return basic;
}

function privateRulesOf(policy: Policy, options: readonly ProfileOption[]): readonly PrivateElementRule[] {
  const safe = options.includes('retain-safe-private') ? SAFE_PRIVATE_ROWS.flatMap((row) => safeRule(row)) : [];
  return [...policy.privateAllow, ...safe];
}

/** Of Table E.3.10-1 only what cannot hold free text: PS3.15 Section E.3.10 does not vouch for what vendors write. */
function safeRule({ creator, group, element, vr }: (typeof SAFE_PRIVATE_ROWS)[number]): readonly PrivateElementRule[] {
  switch (vr) {
    case 'CS':
    case 'DS':
    case 'IS':
    case 'FD':
    case 'FL':
    case 'SL':
    case 'SS':
    case 'UL':
    case 'US':
    case 'SQ':
      return [{ creator, group, element, vr }];
    default:
      return [];
  }
}
