/** What a refused association means, and what to change on the scanner or here. Pure. */
import * as z from 'zod';
import { refusal } from '../api/shapes.ts';
import { count } from '../core/count.ts';
import { type Diagnosis, skipped, warning, wrong } from '../core/diagnosis.ts';
import type { Decide, Source } from './doctor-policy.ts';

export type Refusal = z.output<typeof refusal>;
export const refusalList = z.object({ items: z.array(refusal) });

export interface Surroundings {
  readonly sources: readonly Source[];
  readonly aeTitles: readonly string[];
  readonly decide: Decide;
}

/** True when the caller may well have been this source: its title but for the case, or its address under nobody else's title. */
export function mayBe(
  source: Source,
  { address, callingAeTitle }: Refusal,
  { aeTitles, decide, sources }: Surroundings,
): boolean {
  if (isTitle(source, callingAeTitle)) return true;
  if (sources.some((other) => isTitle(other, callingAeTitle))) return false;
  const isAtHome = decide({ address, callingAeTitle: source.aeTitle, calledAeTitle: aeTitles[0] ?? '' });
  return isAtHome.accepted && isAtHome.source === source.name;
}

function isTitle({ aeTitle }: Source, callingAeTitle: string): boolean {
  return callingAeTitle.trim().toLowerCase() === aeTitle.trim().toLowerCase();
}

/** @param isOver - why nobody need do anything about it any more */
export function refusalOfSource(
  source: Source,
  refused: Refusal,
  number: number,
  isOver: string | undefined,
  surroundings: Surroundings,
): Diagnosis {
  const [why, remedy] = sentences(source, refused, surroundings);
  const { callingAeTitle, calledAeTitle, address, lastAt } = refused;
  const what = `'${callingAeTitle}' at ${address} called '${calledAeTitle}' and was refused ${count(refused.count, 'time')}, last at ${lastAt}`;
  const id = `refusals.${String(number)}`;
  return isOver === undefined ? wrong(id, what, why, remedy) : skipped(id, what, `${why} ${isOver}`);
}

/** Somebody no source of the configuration is like. */
export function strangerRefused({ callingAeTitle, calledAeTitle, address, count: times, lastAt }: Refusal): Diagnosis {
  return warning(
    'refusals',
    `'${callingAeTitle}' at ${address} called '${calledAeTitle}' and was refused ${count(times, 'time')}, last at ${lastAt}`,
    'No source of the configuration has this AE title or this address.',
    isAeTitle(callingAeTitle)
      ? `If it is a scanner of yours, add it to gateway.dimse.sources: { name: …, aeTitle: ${callingAeTitle}, hosts: [${address}] }, and run "hub reload". If not, find out whose it is.`
      : `Find out what is at ${address}: no scanner has such an AE title.`,
  );
}

/** What may stand in the configuration; a caller may send anything. */
function isAeTitle(text: string): boolean {
  return /^[\x20-\x5b\x5d-\x7e]{1,16}$/.test(text);
}

function sentences(
  source: Source,
  { address, callingAeTitle, calledAeTitle, why }: Refusal,
  { aeTitles, decide }: Surroundings,
): readonly [why: string, remedy: string] {
  const titles = aeTitles.join(' or ');
  switch (why) {
    case 'called AE title':
      return [
        `The scanner calls the hub '${calledAeTitle}', but the hub answers to ${titles} (case matters).`,
        `On the scanner set: AE title of the archive = ${titles}.${isAeTitle(calledAeTitle) ? ` Or add ${calledAeTitle} to gateway.dimse.aeTitle and restart the hub.` : ''}`,
      ];
    case 'calling AE title': {
      const [called = ''] = aeTitles;
      const isTitleKnown = callingAeTitle === source.aeTitle;
      const asConfigured = decide({ address, callingAeTitle: source.aeTitle, calledAeTitle: called });
      const isAddressKnown = asConfigured.accepted && asConfigured.source === source.name;
      if (isTitleKnown && !isAddressKnown) {
        return [
          `Your scanner called us as '${callingAeTitle}' from ${address}, which is not in hosts of source ${source.name} (${source.hosts.join(', ')}).`,
          `Add ${address} to hosts of source ${source.name} and run "hub reload", or change the scanner's address.`,
        ];
      }
      if (isAddressKnown && !isTitleKnown) {
        return [
          `The address fits source ${source.name}, but the scanner calls itself '${callingAeTitle}' and not '${source.aeTitle}' (case matters).`,
          `On the scanner set: its own AE title = ${source.aeTitle}.${isAeTitle(callingAeTitle) ? ` Or write aeTitle: ${callingAeTitle} for source ${source.name} and run "hub reload".` : ''}`,
        ];
      }
      if (isTitleKnown) {
        return [
          'Title and address fit now: the configuration was changed since, or a called AE title or certificate did not fit.',
          'If the configuration was changed run "hub reload", and send again from the scanner.',
        ];
      }
      return [
        `The scanner calls itself '${callingAeTitle}' at ${address}; source ${source.name} is '${source.aeTitle}' at ${source.hosts.join(', ')}.`,
        `On the scanner set: its own AE title = ${source.aeTitle}; and add ${address} to hosts of source ${source.name}, if that is the scanner, and run "hub reload".`,
      ];
    }
    case 'user identity':
      return [
        'The source must prove who it is by a user name and password, and did not.',
        'Set user name and password on the scanner as userIdentity of this source wants them.',
      ];
    case 'disk low':
      return ["The hub's disk was low.", 'Free space: see disk in "hub doctor".'];
    case 'stopping':
      return ['The hub was stopping just then.', 'Send again from the scanner.'];
    case 'too many associations':
    case 'too many associations of the source':
    case 'too many associations from the address':
      return [
        `There were ${why}.`,
        'Scanners try again by themselves. If it lasts, raise gateway.dimse.maxAssociations, or find out who keeps associations open.',
      ];
    default:
      return [
        `The hub's reason: ${why}.`,
        'What called is broken or does not speak DICOM as PS3.8 says: check what is at that address.',
      ];
  }
}
