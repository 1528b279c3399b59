/**
 * What PS3.15 Annex E says of one element, read from the table by this file alone: the examiner must not share a
 * mistake with the code it examines.
 */
import confidentialityProfile from '../../../processors/deidentify/tables/confidentiality-profile.json' with { type: 'json' };
import registeredUids from '../../../processors/deidentify/tables/registered-uids.json' with { type: 'json' };
import safePrivate from '../../../processors/deidentify/tables/safe-private.json' with { type: 'json' };

/**
 * - `gone`: neither the element nor anything in it
 * - `changed`: another value, or none, or no element: what stood there must not be read
 * - `renamed`: a UID, by the one mapping of the whole corpus
 * - `shifted`: a date, by the one distance of the patient, or gone where that cannot be
 * - `kept`: byte for byte
 * - `optional`: byte for byte, or not at all
 * - `free`: the standard leaves it open; only identifiers must not stand there
 */
export type Expectation = 'gone' | 'changed' | 'renamed' | 'shifted' | 'kept' | 'optional' | 'free';

export interface ExaminedPolicy {
  readonly options?: readonly string[];
  readonly privateAllow?: readonly {
    readonly creator: string;
    readonly group: string;
    readonly element: string;
    readonly vr: string;
    readonly pattern?: string;
  }[];
  readonly classes?: readonly string[];
}

/** One element of a dump. */
export interface Dumped {
  /** `GGGGEEEE`, with `/index/` between levels. */
  readonly path: string;
  readonly vr: string;
  readonly creator: string | undefined;
  /** Hexadecimal, or the digest of a long value; of a sequence its number of items. */
  readonly value: string;
  readonly text: string | undefined;
}

interface Row {
  readonly tag: string;
  readonly keyword: string | null;
  readonly vr: readonly string[] | null;
  readonly basic: string;
  readonly options: Readonly<Record<string, string | undefined>>;
}

const rows: readonly Row[] = confidentialityProfile.rows;
const registered: Readonly<Record<string, unknown>> = registeredUids.uids;

/** All 656 rows of Table E.1-1. */
export const TABLE_ROWS = rows;
const byTag = new Map(rows.map((row) => [row.tag, row]));

const COLUMNS: Readonly<Record<string, string>> = {
  'clean-descriptors': 'cleanDescriptors',
  'retain-longitudinal-full-dates': 'retainLongitudinalFullDates',
  'retain-longitudinal-modified-dates': 'retainLongitudinalModifiedDates',
  'retain-patient-characteristics': 'retainPatientCharacteristics',
  'retain-device-identity': 'retainDeviceIdentity',
  'retain-uids': 'retainUIDs',
  'retain-institution-identity': 'retainInstitutionIdentity',
};
const DATES = new Set(['DA', 'DT', 'TM']);
const NUMBERS = new Set(['CS', 'DS', 'IS', 'FD', 'FL', 'SL', 'SS', 'UL', 'US', 'SQ']);
/** Written by de-identification itself (PS3.15 Section E.1.1), or dependent on what it removes (PS3.3 Table C.7-1). */
const FREE = new Set(['00120062', '00120063', '00120064', '00280303', '00102298']);
/** Of code X and, at the top level of presentation states, of Type 1: a value that says nothing stands there. */
const DEMANDED = new Set(['00700082', '00700083']);
/** UIDs that say what a thing is, not which: classes and encodings, private ones included. */
const CLASS_UIDS =
  /^(?:00080016|0008001A|0008001B|00080062|00081150|0008115A|00083002|04000010|04000510|0040E0..|00041510|00041512|0004151A|00080115)$/;

export function isRegistered(uid: string): boolean {
  return Object.hasOwn(registered, uid) || uid.startsWith('1.2.840.10008.');
}

/** @param source - by path, for the sequences around the element */
export function expectationOf(
  element: Dumped,
  source: ReadonlyMap<string, Dumped>,
  policy: ExaminedPolicy,
): Expectation {
  const steps = element.path.split('/').filter((_, index) => index % 2 === 0);
  let around: 'open' | 'references' | 'replaced' = 'open';
  for (let level = 1; level < steps.length; level += 1) {
    const parent = source.get(
      element.path
        .split('/')
        .slice(0, level * 2 - 1)
        .join('/'),
    );
    const said = parent === undefined ? 'gone' : byItself(parent, policy);
    if (said === 'gone') return 'gone';
    if (said === 'changed') around = 'replaced';
    else if (said === 'optional' && around === 'open') around = 'references';
  }
  const own = byItself(element, policy);
  if (around === 'references' && own === 'kept') return 'optional';
  return around === 'replaced' && own !== 'gone' ? replacedBy(own, element) : own;
}

/** Inside a sequence that gets another value nothing has to stay, and nothing that says something may. */
function replacedBy(own: Expectation, element: Dumped): Expectation {
  if (own === 'renamed') return 'renamed';
  // What an option names by itself it may keep wherever it stands.
  if (own === 'kept' && byTag.has(element.path.slice(-8))) return 'optional';
  return element.text !== undefined && /QZ/i.test(element.text) ? 'changed' : own === 'kept' ? 'free' : own;
}

function byItself(element: Dumped, policy: ExaminedPolicy): Expectation {
  const tag = element.path.slice(-8);
  const group = Number.parseInt(tag.slice(0, 4), 16);
  if (FREE.has(tag)) return 'free';
  if (group === 0x0002) return tag === '00020003' ? 'renamed' : 'free';
  if (tag.endsWith('0000') || group < 0x0008 || /^(?:50|60)/.test(tag) || group >= 0xfffa) return 'gone';
  if (group % 2 === 1) return ofPrivate(element, tag, policy);
  const row = byTag.get(tag);
  return row === undefined ? unlisted(element, tag, policy) : listed(element, row, policy);
}

function listed(element: Dumped, row: Row, policy: ExaminedPolicy): Expectation {
  const options = policy.options ?? [];
  const says = (name: string) => (options.includes(name) ? row.options[COLUMNS[name] ?? ''] : undefined);
  const isStated = row.vr === null || row.vr.includes(element.vr);
  // A row younger than the other parser's dictionary, in implicit VR: nobody says what it is.
  const isUnknown = element.vr === 'UN' || element.vr === '??';
  // Two options disagree on eleven rows: a device's date that was kept would give the distance away.
  if (says('retain-longitudinal-modified-dates') === 'C') {
    if (DATES.has(element.vr)) return moved(element);
    return isStated || isUnknown ? 'free' : 'changed';
  }
  if (options.some((name) => says(name) === 'K')) return element.vr === 'SQ' || isStated ? 'kept' : 'changed';
  // A word so short says nothing, and a cleaner may take it for a number or a plane.
  if (says('clean-descriptors') === 'C' && (element.text ?? '').trim().length <= 3 && element.vr !== 'SQ')
    return 'free';
  // Cleaning a sequence is cleaning what is in it, or taking it away.
  if (element.vr === 'SQ' && says('clean-descriptors') === 'C') return 'optional';
  if (DEMANDED.has(element.path)) return 'changed';
  if (row.basic === 'X') return element.vr === 'SQ' ? 'gone' : says('clean-descriptors') === 'C' ? 'changed' : 'gone';
  // A sequence of references goes, or stays with new UIDs, as the IOD has it.
  if (row.basic === 'X/Z/U*' && element.vr === 'SQ') return 'optional';
  if (row.basic === 'U') return element.vr === 'SQ' ? 'kept' : element.vr === 'UI' ? 'renamed' : 'changed';
  return 'changed';
}

function unlisted(element: Dumped, tag: string, policy: ExaminedPolicy): Expectation {
  const options = policy.options ?? [];
  if (DATES.has(element.vr)) {
    if (options.includes('retain-longitudinal-full-dates')) return 'kept';
    if (!options.includes('retain-longitudinal-modified-dates')) return 'changed';
    return moved(element);
  }
  if (element.vr === 'PN') return 'changed';
  // An attribute younger than the other parser's dictionary, without a VR of its own.
  if (element.vr === 'UN' || element.vr === '??') return 'optional';
  if (element.vr !== 'UI') return 'kept';
  if (CLASS_UIDS.test(tag)) return 'free';
  return options.includes('retain-uids') ? 'kept' : 'renamed';
}

/** Days move and the time of day stays; what is neither does not. */
function moved({ vr, text }: Dumped): Expectation {
  if (vr === 'TM') return /^[\d:. \\]*$/.test(text ?? '') ? 'kept' : 'changed';
  return /^(?:\d{8}[\d.+-]*)?$/.test((text ?? '').trim()) ? 'shifted' : 'changed';
}

function ofPrivate(element: Dumped, tag: string, policy: ExaminedPolicy): Expectation {
  const { creator } = element;
  // A creator stays exactly where something of its block does; which is for the search for canaries to find out.
  if (/^....00[1-9A-F].$/.test(tag)) return 'free';
  if (creator === undefined) return 'gone';
  const isMeant = (rule: { group: string; element: string; creator: string; vr: string }) =>
    rule.creator === creator.trim() &&
    rule.group.toUpperCase() === tag.slice(0, 4) &&
    rule.element.toUpperCase() === tag.slice(6) &&
    (rule.vr === element.vr || element.vr === 'UN');
  const rule = policy.privateAllow?.find(isMeant);
  if (rule !== undefined) {
    const fits = rule.pattern === undefined || new RegExp(`^(?:${rule.pattern})$`, 'u').test(element.text ?? '');
    if (element.vr === 'UN') return 'optional';
    return fits ? 'kept' : 'gone';
  }
  const isSafe =
    policy.options?.includes('retain-safe-private') === true && safePrivate.rows.some((row) => isMeant(row));
  return !isSafe ? 'gone' : NUMBERS.has(element.vr) ? 'kept' : element.vr === 'UN' ? 'optional' : 'gone';
}
