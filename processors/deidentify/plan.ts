/** From policy and tables to one frozen plan: what happens to which attribute, decided once, at start, with a hash. */
import { createHash } from 'node:crypto';
import { lookup } from '../../core/dicom/dictionary.ts';
import { HubError } from '../../core/errors.ts';
import { contradictionsOf } from './contradictions.ts';
import type { Role } from './known-values.ts';
import type { PixelPolicy } from './pixels/cleaning.ts';
import { pixelPolicyOf } from './pixels/pixel-policy.ts';
import { OVERRIDE_ACTIONS, PROFILE_OPTIONS } from './policy.ts';
import type { Policy, ProfileOption } from './policy.ts';
import { privateList, readsBlocks } from './private-lists.ts';
import type { PrivateElementRule } from './private-lists.ts';
import { PROFILE_ROWS, SAFE_PRIVATE_ROWS, TABLE_EDITION, TABLES_DIGEST } from './tables.ts';
import type { ActionCode, ProfileRow } from './tables.ts';

/** Changes to how codes are carried out change what a hash stands for. */
const ENGINE_VERSION = 5;
/** Attributes whose values name one patient, animal, study, device or order. */
const IDENTIFIERS =
  /IDs?$|StationName$|Identifier$|Number(?:ImagingServiceRequest)?$|Identification$|Locator$|[Pp]honeNumbers?(?:Trial)?$/;

/** `shift`, `descriptor`, `graphics` and `content` are the ways a C can be carried out; the rest is as in PS3.15 Table E.1-1a. */
export type PlannedAction = Exclude<ActionCode, 'C'> | 'shift' | 'descriptor' | 'graphics' | 'content';

/** Plain data: survives structured cloning. */
export interface Plan {
  readonly policy: string;
  readonly partner: string | undefined;
  readonly options: readonly ProfileOption[];
  readonly edition: string;
  /** SHA-256 over everything that decides the output but the key. */
  readonly hash: string;
  readonly actions: readonly PlannedRow[];
  readonly privateRules: readonly PlannedPrivateRule[];
  /** Numbers that analysis needs are read from the Siemens CSA header and written beside it. */
  readonly readsBlocks: boolean;
  readonly classes: readonly string[];
  readonly pixels: PixelPolicy;
  /** SHA-256 of the key this policy was made for; not part of `hash`. */
  readonly keyDigest: string | undefined;
}

/** A private element that stays, by the creator of its block. */
export interface PlannedPrivateRule extends PrivateElementRule {
  /** Only while every word of it is one that scanners write. */
  readonly isSafeTextOnly?: boolean;
}

export interface PlannedRow {
  readonly tag: number;
  readonly keyword: string;
  readonly action: PlannedAction;
  /** What a C falls back to where a value cannot be cleaned. */
  readonly basic: Exclude<ActionCode, 'C'>;
  /** VRs of the attribute: what was sent with another one is not kept as it is. */
  readonly vrs: readonly string[];
  readonly role: Role;
  /** False for what only the policy names: it may be emptied where it repeats what was removed. */
  readonly isOfTable: boolean;
}

const MODIFIED_DATES = 'retain-longitudinal-modified-dates';

/** @throws {HubError} `config.invalid` when the policy contradicts itself */
export function compilePlan(policy: Policy): Plan {
  const options = [...new Set(policy.options)].toSorted();
  refuseContradictions(policy);
  const actions = plannedRows(options, policy.overrides);
  const lists = policy.privateAllow.filter((entry) => typeof entry === 'string');
  const decided = {
    ENGINE_VERSION,
    TABLES_DIGEST,
    options,
    actions,
    privateRules: privateRulesOf(policy, options),
    readsBlocks: readsBlocks(lists),
    classes: [...new Set(policy.classes)].toSorted(),
    pixels: pixelPolicyOf(policy.pixels, options, (detail) => {
      throw new HubError('config.invalid', { detail: `policy ${policy.name}: ${detail}` });
    }),
  };
  const { privateRules, readsBlocks: reads, classes, pixels } = decided;
  return Object.freeze({
    policy: policy.name,
    partner: policy.partner,
    options,
    edition: TABLE_EDITION,
    hash: createHash('sha256').update(JSON.stringify(decided)).digest('hex'),
    actions,
    privateRules,
    readsBlocks: reads,
    classes,
    pixels,
    keyDigest: policy.keyDigest,
  });
}

function refuseContradictions(policy: Policy): void {
  const refuse = (detail: string) => {
    throw new HubError('config.invalid', { detail: `policy ${policy.name}: ${detail}` });
  };
  for (const { message } of contradictionsOf(policy)) refuse(message);
}

function plannedRows(options: readonly ProfileOption[], overrides: Policy['overrides']): readonly PlannedRow[] {
  const rows = new Map<number, PlannedRow>();
  for (const row of PROFILE_ROWS) {
    // Masks (curves, overlays) and private attributes are rules of the walk, not single tags.
    if (!/^[0-9A-F]{8}$/.test(row.tag)) continue;
    const basic = row.basic === 'C' ? 'X' : row.basic;
    const keyword = row.keyword ?? row.name.replaceAll(/[^A-Za-z]/g, '');
    rows.set(Number.parseInt(row.tag, 16), {
      tag: Number.parseInt(row.tag, 16),
      keyword,
      action: actionOf(row, basic, options),
      basic,
      vrs: row.vr ?? [],
      role: roleOf(row, keyword),
      isOfTable: true,
    });
  }
  for (const [keyword, word] of Object.entries(overrides)) {
    const entry = lookup(keyword);
    if (entry === undefined) throw new HubError('config.invalid', { detail: `no such attribute: ${keyword}` });
    const { tag, vr } = entry;
    const code = OVERRIDE_ACTIONS[word];
    const before = rows.get(tag);
    const said: Pick<PlannedRow, 'action' | 'basic' | 'role'> =
      code === 'C'
        ? { action: 'descriptor', basic: before?.basic ?? 'D', role: before?.role ?? 'description' }
        : { action: code, basic: code, role: before?.role ?? 'other' };
    rows.set(tag, { tag, keyword, vrs: before?.vrs ?? [vr], isOfTable: before !== undefined, ...said });
  }
  return [...rows.values()].toSorted((one, other) => one.tag - other.tag);
}

/** One word of which may say which. */
const PLACES = /^InstitutionName$|Address(?:Trial)?$/;

/** What a removed value is searched for as. Names are told by their VR. */
function roleOf(row: ProfileRow, keyword: string): Role {
  if (PLACES.test(keyword)) return 'place';
  if (row.options['cleanDescriptors'] !== undefined) return 'description';
  return IDENTIFIERS.test(keyword) ? 'identifier' : 'other';
}

/**
 * What the options make of a row. On eleven rows two options disagree, device identity says K and modified dates C:
 * a date that is shifted keeps the device's history, a date that is kept breaks the promise of shifted dates. So C.
 */
function actionOf(row: ProfileRow, basic: PlannedAction, options: readonly ProfileOption[]): PlannedAction {
  const says = (option: ProfileOption) => {
    const column = PROFILE_OPTIONS[option].column;
    return column === undefined || !options.includes(option) ? undefined : row.options[column];
  };
  if (says(MODIFIED_DATES) === 'C') return 'shift';
  if (options.some((option) => says(option) === 'K')) return 'K';
  if (says('clean-structured-content') === 'C') return 'content';
  if (says('clean-graphics') === 'C') return 'graphics';
  if (says('clean-descriptors') === 'C' || says('retain-patient-characteristics') === 'C') return 'descriptor';
  // An AE title names a machine of a network; nothing in it could be left of similar meaning (device identity, C).
  return basic;
}

/** The policy's own entries come first and go before the standard's. */
function privateRulesOf(policy: Policy, options: readonly ProfileOption[]): readonly PlannedPrivateRule[] {
  const safe = options.includes('retain-safe-private') ? SAFE_PRIVATE_ROWS.flatMap((row) => safeRule(row)) : [];
  const own = policy.privateAllow.filter((entry) => typeof entry !== 'string');
  const lists = policy.privateAllow.flatMap((entry) => (typeof entry === 'string' ? privateList(entry) : []));
  return [...own, ...lists, ...safe];
}

/**
 * Of Table E.3.10-1 numbers and codes as they are, texts while every word of them is one of a scanner's (PS3.15 Section
 * E.3.10 does not vouch for what vendors write), bytes never.
 */
function safeRule({ creator, group, element, vr }: (typeof SAFE_PRIVATE_ROWS)[number]): readonly PlannedPrivateRule[] {
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
    case 'LO':
    case 'SH':
    case 'ST':
      return [{ creator, group, element, vr, isSafeTextOnly: true }];
    default:
      return [];
  }
}
