/** What a policy must not say: options that contradict each other, and overrides that would break what is written. */

import { lookup } from '../../core/dicom/dictionary.ts';
import { CLEANED_VRS } from './descriptions.ts';

/** What of a policy can contradict the rest of it. */
export interface Claims {
  readonly options: readonly string[];
  readonly privateAllow: readonly (
    string | { readonly creator: string; readonly group: string; readonly element: string }
  )[];
  readonly overrides: Readonly<Record<string, string>>;
}

export interface Contradiction {
  readonly path: (string | number)[];
  /** The reason, for `hub check`. */
  readonly message: string;
}

/** Written or relied on by the hub: identity of the instance, its encoding, and what says that it was de-identified. */
const NOT_TO_OVERRIDE: Readonly<Record<string, string>> = {
  ...reasons('names the instance: replaced by default, kept with retain-uids', [
    ...['StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID'],
  ]),
  ...reasons('says what the data set is and how to read it', [
    ...[
      'SOPClassUID',
      'SpecificCharacterSet',
      'PixelData',
      'FloatPixelData',
      'DoubleFloatPixelData',
      'TransferSyntaxUID',
    ],
  ]),
  ...reasons('is written by the hub (PS3.15 Section E.1.1)', [
    ...['PatientIdentityRemoved', 'DeidentificationMethod', 'DeidentificationMethodCodeSequence'],
    ...['LongitudinalTemporalInformationModified'],
  ]),
};

/** Pairs of options of which nobody can have both. */
const EXCLUSIVE: readonly (readonly [string, string, string])[] = [
  [
    'retain-longitudinal-full-dates',
    'retain-longitudinal-modified-dates',
    'dates are either kept or moved (PS3.15 Section E.3.6)',
  ],
];

/** All of them, in the order of the policy. */
export function contradictionsOf(policy: Claims): readonly Contradiction[] {
  return [...ofOptions(policy), ...ofPrivateAllow(policy), ...ofOverrides(policy)];
}

function ofOptions({ options }: Claims): readonly Contradiction[] {
  return EXCLUSIVE.filter(([one, other]) => options.includes(one) && options.includes(other)).map(
    ([one, other, reason]) => ({
      path: ['options', Math.max(options.indexOf(one), options.indexOf(other))],
      message: `${one} and ${other} contradict each other: ${reason}`,
    }),
  );
}

function ofPrivateAllow({ privateAllow }: Claims): readonly Contradiction[] {
  const seen = new Set<string>();
  return privateAllow.flatMap((entry, index) => {
    if (typeof entry === 'string') return [];
    const key = `${entry.creator}/${entry.group}/${entry.element}`.toUpperCase();
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    return [{ path: ['privateAllow', index], message: 'this element is named before, and one rule has to hold' }];
  });
}

function ofOverrides({ options, overrides }: Claims): readonly Contradiction[] {
  const contradictions: Contradiction[] = [];
  for (const [keyword, word] of Object.entries(overrides)) {
    const reason = Object.hasOwn(NOT_TO_OVERRIDE, keyword) ? NOT_TO_OVERRIDE[keyword] : undefined;
    if (reason !== undefined) contradictions.push({ path: ['overrides', keyword], message: `${keyword} ${reason}` });
    else if (word === 'new-uid' && !/UIDs?$/.test(keyword))
      contradictions.push({ path: ['overrides', keyword], message: `${keyword} is no UID that could get a new one` });
    else if (word === 'clean' && !CLEANED_VRS.has(lookup(keyword)?.vr ?? ''))
      contradictions.push({ path: ['overrides', keyword], message: `${keyword} is no text that could be cleaned` });
    else if (word === 'new-uid' && options.includes('retain-uids'))
      contradictions.push({
        path: ['overrides', keyword],
        message: 'new-uid and the option retain-uids contradict each other',
      });
  }
  return contradictions;
}

function reasons(reason: string, keywords: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(keywords.map((keyword) => [keyword, reason]));
}
