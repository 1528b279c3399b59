/** What a step mapped, as parts of the crosswalk: one for the study, a few hundred mappings in each of the others. */
import { CROSSWALK_KINDS, type CrosswalkKind, type CrosswalkPart } from '../../core/ledger/crosswalk.ts';
import type { Mapped } from '../deidentify/mapped.ts';
import type { Plan } from '../deidentify/plan.ts';
import type { CrosswalkCodec, Pair, PartContent } from './codec.ts';

/** Enough that a nonce and a tag weigh nothing, few enough to be opened for one look-up. */
const PAIRS_OF_PART = 256;

/** One instance as it was released. */
export interface ReleasedUids {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
}

/**
 * The parts of a released study. The same study gives the same parts again; one that grew gives those that are new beside
 * those that are full.
 *
 * @param instances - in the order in which they were received
 */
export function partsOfRelease(
  codec: CrosswalkCodec,
  plan: Pick<Plan, 'policy' | 'hash'>,
  mapped: Mapped,
  instances: readonly ReleasedUids[],
): readonly CrosswalkPart[] {
  const [first] = instances;
  if (first === undefined || mapped.study === undefined) return [];
  const study = first.studyInstanceUid;
  const pair = (released: string): Pair => [released, mapped.uids.get(released) ?? released];
  const series = Map.groupBy(instances, ({ seriesInstanceUid }) => seriesInstanceUid);
  const known = new Set([study, ...series.keys(), ...instances.map(({ sopInstanceUid }) => sopInstanceUid)]);
  const others = [...mapped.uids].filter(([released]) => !known.has(released));
  const { issuer, patientId, releasedPatientId, attributes } = mapped.study;
  const part = partWriter(codec);
  return [
    part(
      {
        kind: 'study',
        study: pair(study),
        patient: { issuer, id: patientId },
        releasedPatientId,
        policy: plan.policy,
        policyHash: plan.hash,
        ...(mapped.shiftDays === undefined ? {} : { shiftDays: mapped.shiftDays }),
        days: [...mapped.days].toSorted(),
        texts: [...mapped.texts],
        attributes: Buffer.from(attributes).toString('base64'),
      },
      { study: [study] },
    ),
    ...[...series].flatMap(([uid, members]) =>
      chunks(members.map(({ sopInstanceUid }) => pair(sopInstanceUid))).map((uids, index) =>
        part(
          { kind: 'series', study, series: pair(uid), uids },
          { series: index === 0 ? [uid] : [], instance: uids.map(([released]) => released) },
        ),
      ),
    ),
    ...chunks(others).map((uids) =>
      part({ kind: 'others', study, uids }, { other: uids.map(([released]) => released) }),
    ),
  ];
}

/** The parts of what a partner returned and was let through. @param study - as released */
export function partsOfReturn(codec: CrosswalkCodec, study: string, uids: readonly string[]): readonly CrosswalkPart[] {
  const part = partWriter(codec);
  const parts: CrosswalkPart[] = [];
  for (let at = 0; at < uids.length; at += PAIRS_OF_PART) {
    const some = uids.slice(at, at + PAIRS_OF_PART);
    parts.push(part({ kind: 'returned', study, uids: some }, { returned: some }));
  }
  return parts;
}

function partWriter(codec: CrosswalkCodec) {
  return (content: PartContent, found: Partial<Record<CrosswalkKind, readonly string[]>>): CrosswalkPart => ({
    ...codec.seal(content),
    keys: CROSSWALK_KINDS.flatMap((kind) => {
      const uids = found[kind] ?? [];
      return uids.length === 0 ? [] : [{ kind, uidKeys: uids.map((uid) => codec.uidKey(uid)) }];
    }),
  });
}

function chunks(pairs: readonly Pair[]): readonly (readonly Pair[])[] {
  const found: (readonly Pair[])[] = [];
  for (let at = 0; at < pairs.length; at += PAIRS_OF_PART) found.push(pairs.slice(at, at + PAIRS_OF_PART));
  return found;
}
