/** Asks a source how many instances of a study it has: C-FIND (PS3.4 Section C.4.1) or QIDO-RS (PS3.18 Section 10.6). */
import { HubError } from '../../core/errors.ts';
import type { StudyInstanceUid } from '../../core/identifiers.ts';
import type { FindPeer } from './c-find.ts';
import { countOf, type Find } from './counts.ts';

/** One place where a source answers. */
export type SourceQuery =
  | { readonly kind: 'dicom'; readonly peer: FindPeer }
  | {
      readonly kind: 'dicomweb';
      /** Of the service, without `/studies`. */
      readonly url: string;
      /** Asked for each request, so that a secret may change. */
      readonly authorization?: () => string;
    };

const TIMEOUT_MS = 15_000;
/** A study-level answer is a few hundred bytes, a series-level one that times the series. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/**
 * @returns the number of instances of the study at the source; 0 when it does not know the study
 * @throws {HubError} `partner.*`: it cannot be reached, refuses, or does not say how many
 */
export async function askSource(query: SourceQuery, study: StudyInstanceUid, signal: AbortSignal): Promise<number> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  // The library that negotiates for it is megabytes: only a hub that asks by C-FIND has them.
  const find: Find =
    query.kind === 'dicom' ? (await import('./c-find.ts')).findByDicom(query.peer, limit) : findByWeb(query, limit);
  const studies = await find('STUDY', study);
  if (studies.length === 0) return 0;
  const [ofStudy] = studies;
  // Optional for an SCP (PS3.4 Table C.6-5): where it is missing, the series are asked.
  if (studies.length === 1 && ofStudy !== undefined) return ofStudy;
  const series = await find('SERIES', study);
  const counts = series.filter((count) => count !== undefined);
  if (series.length === 0 || counts.length < series.length) {
    throw new HubError('partner.refused', { detail: 'it does not say how many instances it has' });
  }
  return counts.reduce((sum, count) => sum + count, 0);
}

function findByWeb({ url, authorization }: Extract<SourceQuery, { kind: 'dicomweb' }>, signal: AbortSignal): Find {
  return async (level, study) => {
    // PS3.18 Section 8.3.4: by keyword or tag; the tag is what every origin server takes.
    const tag = level === 'STUDY' ? '00201208' : '00201209';
    const base = url.replace(/\/+$/, '');
    const place =
      level === 'STUDY'
        ? `${base}/studies?StudyInstanceUID=${study}&includefield=${tag}`
        : `${base}/studies/${study}/series?includefield=${tag}`;
    try {
      const response = await fetch(place, {
        signal,
        redirect: 'error',
        headers: {
          Accept: 'application/dicom+json',
          ...(authorization === undefined ? {} : { Authorization: authorization() }),
        },
      });
      if (response.status === 204) return [];
      if (!response.ok) {
        await response.body?.cancel();
        throw new HubError('partner.refused', { status: response.status });
      }
      return matchesOf(JSON.parse(await boundedText(response)), tag);
    } catch (error) {
      if (error instanceof HubError) throw error;
      if (signal.aborted) throw new HubError('partner.timeout', { detail: 'no answer to a query' }, error);
      if (error instanceof SyntaxError) throw new HubError('partner.refused', { detail: 'no DICOM JSON' }, error);
      throw new HubError('partner.unreachable', {}, error);
    }
  };
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = response.body ?? [];
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new HubError('partner.refused', { detail: 'an answer without end' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** DICOM JSON (PS3.18 Annex F): `[{ "00201208": { "vr": "IS", "Value": [12] } }]`; some write the number as text. */
function matchesOf(answer: unknown, tag: string): readonly (number | undefined)[] {
  if (!Array.isArray(answer)) throw new HubError('partner.refused', { detail: 'no DICOM JSON' });
  return answer.map((match: unknown) => {
    const element = isMapping(match) ? match[tag] : undefined;
    const values = isMapping(element) ? element['Value'] : undefined;
    return countOf(Array.isArray(values) ? values[0] : undefined);
  });
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
