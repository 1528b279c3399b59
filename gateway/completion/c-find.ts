/** Counts by C-FIND (PS3.4 Section C.6.2): only UIDs and counts are asked for, never anything of the patient. */
import { HubError } from '../../core/errors.ts';
import { openFinder } from '../../peers/dimse/c-find.ts';
import type { Identifier } from '../../peers/dimse/identifier.ts';
import { countOf, type Find, type Level } from './counts.ts';

export interface FindPeer {
  readonly host: string;
  readonly port: number;
  readonly calledAeTitle: string;
  readonly callingAeTitle: string;
}

const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 15_000;
/** Series of a study, instances of a series; a peer that goes on for ever is not listened to. */
const MAX_MATCHES = 10_000;

const KEYS = {
  STUDY: { StudyInstanceUID: '', NumberOfStudyRelatedInstances: '' },
  SERIES: { StudyInstanceUID: '', SeriesInstanceUID: '', NumberOfSeriesRelatedInstances: '' },
} as const satisfies Record<Level, Record<string, string>>;
const COUNTS = {
  STUDY: 'NumberOfStudyRelatedInstances',
  SERIES: 'NumberOfSeriesRelatedInstances',
} as const satisfies Record<Level, string>;

/** One association a question: they are rare, and a peer that hangs costs only its own. */
export function findByDicom(peer: FindPeer, signal: AbortSignal): Find {
  const ask = async (identifier: Identifier) => {
    const timeouts = {
      connectMs: CONNECT_TIMEOUT_MS,
      associationMs: CONNECT_TIMEOUT_MS,
      responseMs: ANSWER_TIMEOUT_MS,
    };
    try {
      const finder = await openFinder({ ...peer, timeouts }, signal);
      const { matches, isCut } = await finder.find(identifier, MAX_MATCHES);
      await finder.close();
      if (isCut) throw new HubError('partner.refused', { detail: 'an answer without end' });
      return matches;
    } catch (error) {
      if (!signal.aborted || error instanceof HubError) throw error;
      throw new HubError('partner.timeout', { detail: 'no answer to a C-FIND' }, error);
    }
  };
  return {
    of: async (level, study) => {
      const matches = await ask({ ...KEYS[level], QueryRetrieveLevel: level, StudyInstanceUID: study });
      return matches.map((match) => ({
        instances: countOf(match.string(COUNTS[level])),
        seriesInstanceUid: match.string('SeriesInstanceUID'),
      }));
    },
    instancesOf: async (study, seriesInstanceUid) => {
      const keys = { StudyInstanceUID: study, SeriesInstanceUID: seriesInstanceUid, SOPInstanceUID: '' };
      const matches = await ask({ ...keys, QueryRetrieveLevel: 'IMAGE' });
      // Of a peer that answers twice, each once.
      return new Set(matches.map((match) => match.string('SOPInstanceUID'))).size;
    },
  };
}
