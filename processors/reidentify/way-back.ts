/** Whether returned objects can be led back, and where to: decided from what the crosswalk says, for all of them at once. */
import { type Found } from '../crosswalk/lookup.ts';
import type { StudyContent } from '../crosswalk/codec.ts';
import type { UidsOfObject } from './uids-of-object.ts';

/** What is known of the UIDs of a run's objects. */
export interface Knowledge {
  /** By UID as released for the partner. */
  readonly places: ReadonlyMap<string, readonly Found[]>;
  /** By Study Instance UID as released, the latest first. */
  readonly studies: ReadonlyMap<string, readonly StudyContent[]>;
  /** UIDs that something has which a scanner sent, or that was released to or returned by somebody else. */
  readonly taken: ReadonlySet<string>;
}

export interface WayBack {
  /** The latest release of it. */
  readonly study: StudyContent;
  /** Original by UID as released. */
  readonly originals: ReadonlyMap<string, string>;
  /** What was released, by value: as it was. */
  readonly texts: ReadonlyMap<string, string>;
  /** Days as released, `YYYYMMDD`, to days to add. */
  readonly days: ReadonlyMap<string, number>;
  readonly references: number;
}

/** Fixed words, never a value. */
export interface Refusal {
  readonly sopInstanceUid: string;
  readonly reason: string;
}

export type Judgement =
  | { readonly outcome: 'led-back'; readonly wayBack: WayBack }
  | { readonly outcome: 'refused'; readonly refusals: readonly Refusal[] };

/** @param shift - moves a day by whole days; empty when it is none */
export function judge(
  objects: readonly UidsOfObject[],
  known: Knowledge,
  shift: (day: string, days: number) => string,
): Judgement {
  const [first] = objects;
  const releases = known.studies.get(first?.studyInstanceUid ?? '') ?? [];
  const [study] = releases;
  const all = (reason: string): Judgement => ({
    outcome: 'refused',
    refusals: objects.map(({ sopInstanceUid }) => ({ sopInstanceUid, reason })),
  });
  if (first === undefined || study === undefined) return all('no released study has its Study Instance UID');
  if (objects.some((each) => each.studyInstanceUid !== first.studyInstanceUid)) return all('more than one study');
  if (new Set(releases.map(patientOf)).size > 1 || new Set(releases.map((each) => each.study[1])).size > 1)
    return all('the study was released for more than one patient');

  const originals = new Map<string, string>([study.study]);
  const own = ownUids(objects);
  const references = new Set<string>();
  const refusals = objects.flatMap((object): readonly Refusal[] => {
    const { sopInstanceUid } = object;
    const reason =
      identityMistake(object, releases, known) ??
      referenceMistake(object, { study, own, known, originals, references });
    return reason === undefined ? [] : [{ sopInstanceUid, reason }];
  });
  if (refusals.length > 0) return { outcome: 'refused', refusals };
  const days = new Map<string, number>();
  for (const { shiftDays, days: shifted } of releases)
    for (const day of shiftDays === undefined ? [] : shifted) days.set(shift(day, shiftDays ?? 0), -(shiftDays ?? 0));
  days.delete('');
  const texts = new Map(releases.toReversed().flatMap((each) => each.texts));
  return { outcome: 'led-back', wayBack: { study, originals, texts, days, references: references.size } };
}

/** What the objects bring along: each may refer to the others. */
function ownUids(objects: readonly UidsOfObject[]): ReadonlySet<string> {
  return new Set(
    objects.flatMap(({ sopInstanceUid, seriesInstanceUid, ownFrame }) => [
      sopInstanceUid,
      seriesInstanceUid,
      ...(ownFrame === undefined ? [] : [ownFrame]),
    ]),
  );
}

/** A returned object must never take the place of another one, whoever has that. */
function identityMistake(
  { sopInstanceUid, seriesInstanceUid, studyInstanceUid, patientId }: UidsOfObject,
  releases: readonly StudyContent[],
  { places, taken }: Knowledge,
): string | undefined {
  for (const [uid, what] of [
    [sopInstanceUid, 'SOP Instance UID'],
    [seriesInstanceUid, 'Series Instance UID'],
  ] as const) {
    const isForeign = (places.get(uid) ?? []).some(
      ({ content }) => content.kind !== 'returned' || content.study !== studyInstanceUid,
    );
    if (taken.has(uid) || isForeign) return `its ${what} is taken by another object`;
  }
  const isOtherPatient =
    patientId !== '' &&
    releases.every(({ releasedPatientId }) => releasedPatientId !== '' && releasedPatientId !== patientId);
  return isOtherPatient ? 'its Patient ID is not that of the released study' : undefined;
}

interface Tracing {
  readonly study: StudyContent;
  readonly own: ReadonlySet<string>;
  readonly known: Knowledge;
  /** Filled. */
  readonly originals: Map<string, string>;
  readonly references: Set<string>;
}

function referenceMistake(object: UidsOfObject, tracing: Tracing): string | undefined {
  const { study, own, known, originals, references } = tracing;
  const { ownFrame } = object;
  const asked = [
    ...[...object.references].map((uid) => [uid, true] as const),
    ...[...object.others, ...(ownFrame === undefined ? [] : [ownFrame])].map((uid) => [uid, false] as const),
  ];
  for (const [uid, mustMap] of asked) {
    const places = known.places.get(uid) ?? [];
    const found = traced(places, study, known, mustMap);
    if (found === 'another-patient') return 'a reference leads to another patient';
    if (found === 'ambiguous') return 'a reference leads to more than one instance';
    if (found !== undefined) {
      originals.set(uid, found.original);
      if (mustMap) references.add(uid);
    } else if (mustMap && !own.has(uid) && uid !== object.studyInstanceUid) return 'a reference leads nowhere';
  }
  return undefined;
}

/**
 * What was released as a study, series or instance, or returned, is of the patient whose study it is of. What studies only
 * referred to may stand in those of many patients; one of them has to be this one, unless it is no reference.
 */
function traced(
  places: readonly Found[],
  study: StudyContent,
  known: Knowledge,
  mustMap: boolean,
): { readonly original: string } | 'another-patient' | 'ambiguous' | undefined {
  const isOurs = ({ content }: Found) => {
    const ofStudy = known.studies.get(content.kind === 'study' ? content.study[0] : content.study)?.[0];
    return ofStudy !== undefined && patientOf(ofStudy) === patientOf(study);
  };
  const named = places.filter(({ kind }) => kind !== 'other');
  const [first] = places;
  if (first === undefined) return undefined;
  if (new Set(places.map(({ original }) => original)).size > 1) return 'ambiguous';
  if (named.length > 0 ? !named.every(isOurs) : mustMap && !places.some(isOurs)) return 'another-patient';
  return { original: first.original };
}

function patientOf({ patient: { issuer, id } }: StudyContent): string {
  return JSON.stringify([issuer, id]);
}
