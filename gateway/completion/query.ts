/** Asks a source how many instances of a study it has: C-FIND (PS3.4 Section C.4.1) or QIDO-RS (PS3.18 Section 10.6). */
import { HubError } from '../../core/errors.ts';
import type { StudyInstanceUid } from '../../core/identifiers.ts';
import type { WebOrigin } from '../../peers/dicomweb/get.ts';
import { qido } from '../../peers/dicomweb/qido.ts';
import type { FindPeer } from './c-find.ts';
import { countOf, type Find } from './counts.ts';

/** One place where a source answers. */
export type SourceQuery =
  { readonly kind: 'dicom'; readonly peer: FindPeer } | (WebOrigin & { readonly kind: 'dicomweb' });

const TIMEOUT_MS = 15_000;

/**
 * @returns the number of instances of the study at the source; 0 when it does not know the study
 * @throws {HubError} `partner.*`: it cannot be reached, refuses, or does not say how many
 */
export async function askSource(query: SourceQuery, study: StudyInstanceUid, signal: AbortSignal): Promise<number> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  // The library that negotiates for it is megabytes: only a hub that asks by C-FIND has them.
  const find: Find =
    query.kind === 'dicom' ? (await import('./c-find.ts')).findByDicom(query.peer, limit) : findByWeb(query, limit);
  const studies = await find.of('STUDY', study);
  if (studies.length === 0) return 0;
  const [ofStudy] = studies;
  // Optional for an SCP (PS3.4 Table C.6-5): where it is missing the series are asked, and where they lack it, too, counted.
  if (studies.length === 1 && ofStudy?.instances !== undefined) return ofStudy.instances;
  const series = await find.of('SERIES', study);
  let sum = series.length === 0 ? undefined : 0;
  for (const { instances, seriesInstanceUid } of series) {
    const counted = instances ?? (seriesInstanceUid && (await find.instancesOf?.(study, seriesInstanceUid)));
    sum = typeof counted === 'number' && sum !== undefined ? sum + counted : undefined;
    if (sum === undefined) break;
  }
  if (sum === undefined) throw new HubError('partner.refused', { detail: 'it does not say how many instances it has' });
  return sum;
}

function findByWeb(origin: Extract<SourceQuery, { kind: 'dicomweb' }>, signal: AbortSignal): Find {
  return {
    of: async (level, study) => {
      // PS3.18 Section 8.3.4: by keyword or tag; the tag is what every origin server takes.
      const tag = level === 'STUDY' ? '00201208' : '00201209';
      const path =
        level === 'STUDY'
          ? `/studies?StudyInstanceUID=${study}&includefield=${tag}`
          : `/studies/${study}/series?includefield=${tag}`;
      return (await qido(origin, path, signal)).map((match) => ({ instances: countOf(match.values(tag)[0]) }));
    },
  };
}
