/** What was done to one study, for whoever has to account for it: counts and names of attributes, never a value. */
import { keywordOf } from '../../core/dicom/dictionary.ts';
import { formatTag } from '../../core/dicom/tags.ts';
import type { PixelReport } from './pixels/pixel-sums.ts';
import type { Plan } from './plan.ts';
import type { ReleasedStudy } from './study.ts';

export interface DeidentificationReport {
  readonly version: 1;
  readonly policy: string;
  readonly partner: string | undefined;
  readonly profile: 'Basic Application Level Confidentiality Profile';
  readonly options: readonly string[];
  readonly tableEdition: string;
  readonly policyHash: string;
  /** The new one. */
  readonly studyInstanceUid: string;
  readonly instances: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly attributes: readonly {
    readonly tag: string;
    readonly keyword: string;
    readonly action: string;
    readonly count: number;
  }[];
  readonly privateKept: readonly string[];
  readonly pixels: PixelReport;
  readonly verification: {
    readonly instances: number;
    readonly searchedBytes: number;
    readonly valuesFound: 0;
    /** Cleaned: some pixels of some instances were blanked, and nothing else changed. */
    readonly pixelData: 'unchanged' | 'cleaned';
    /** Attributes outside the table that repeated a removed value and were emptied. */
    readonly blanked: readonly string[];
  };
}

/** The same study, policy and key give the same report, byte for byte. */
export function reportOf(plan: Plan, study: ReleasedStudy<unknown>): DeidentificationReport {
  const attributes = study.tally.byTag().map(({ tag, action, count }) => ({
    tag: tag === 0 ? 'private' : formatTag(tag),
    keyword: tag === 0 ? 'PrivateAttributes' : (keywordOf(tag) ?? ''),
    action,
    count,
  }));
  const pixels = study.pixels.report();
  return {
    version: 1,
    policy: plan.policy,
    partner: plan.partner,
    profile: 'Basic Application Level Confidentiality Profile',
    options: plan.options,
    tableEdition: plan.edition,
    policyHash: plan.hash,
    studyInstanceUid: study.studyInstanceUid,
    instances: study.instances.length,
    counts: study.tally.byAction(),
    attributes,
    privateKept: [...study.tally.keptPrivate].toSorted(),
    pixels,
    verification: {
      instances: study.instances.length,
      searchedBytes: study.searchedBytes,
      valuesFound: 0,
      pixelData: pixels.instancesBlanked === 0 ? 'unchanged' : 'cleaned',
      blanked: attributes.filter(({ action }) => action === 'blanked').map(({ keyword }) => keyword),
    },
  };
}
