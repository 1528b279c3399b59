/** What a rejected or aborted association means and what to do about it (PS3.8 Tables 9-21 and 9-26), for administrators. */
import { type Diagnosis, wrong } from '../../core/diagnosis.ts';
import type { Reached } from './reach.ts';
import type { Peer } from '../../peers/dimse/connection.ts';

/** What is spoken of: who is called, where it stands in the configuration, and what happens by itself. */
export interface Words {
  readonly who: 'destination' | 'source';
  /** `this destination`, `from.dicom of this pull`. */
  readonly entry: string;
  readonly patience: string;
}

/** @param rejection - source and reason of the A-ASSOCIATE-RJ, `1.7` */
export function rejectionOf(
  rejection: string,
  what: string,
  peer: Peer,
  { localAddress }: Reached,
  words: Words,
): Diagnosis {
  const { calledAeTitle, callingAeTitle } = peer;
  const [why, remedy] = sentences(rejection, { calledAeTitle, callingAeTitle, localAddress }, words);
  const [source, reason] = rejection.split('.');
  return wrong(
    'association',
    what,
    `${why} (PS3.8 Table 9-21: source ${source ?? ''}, reason ${reason ?? ''})`,
    remedy,
  );
}

type Sentences = readonly [why: string, remedy: string];

function sentences(
  rejection: string,
  us: { readonly calledAeTitle: string; readonly callingAeTitle: string; readonly localAddress: string },
  { who, entry, patience }: Words,
): Sentences {
  const { calledAeTitle, callingAeTitle, localAddress } = us;
  switch (rejection) {
    case '1.7':
      return [
        `It is not called ${calledAeTitle}: called AE title not recognised.`,
        `Look up its own AE title at the ${who} (case matters) and write it as aeTitle of ${entry}.`,
      ];
    case '1.3':
      return [
        `It does not know us as ${callingAeTitle} from ${localAddress}: calling AE title not recognised.`,
        `At the ${who}, add a node: AE title ${callingAeTitle}, host ${localAddress}. If it knows us by another title, write that as callingAeTitle.`,
      ];
    case '1.2':
      return [
        'It does not support the DICOM application context.',
        'What answers is no ordinary DICOM service: check the port.',
      ];
    case '2.2':
      return [
        'It does not support version 1 of the protocol.',
        'What answers is broken or no DICOM service: check the port.',
      ];
    case '3.1':
      return ['It is congested for the moment.', `Try again later. ${patience}`];
    case '3.2':
      return [
        `A local limit of the ${who} is exceeded: too many associations at once, or it is out of resources.`,
        `${patience} If it lasts: free disk space there, raise its limit of associations, or lower concurrency of ${entry.replace('from.dicom of ', '')}.`,
      ];
    default:
      return [
        'It rejects us without giving a reason: often the AE titles or our address do not fit.',
        `Compare at the ${who}: its own AE title ${calledAeTitle}, ours ${callingAeTitle}, our address ${localAddress}.`,
      ];
  }
}

/** @param abort - source and reason of the A-ABORT, `2.1` */
export function abortSentence(abort: string, { who }: Words): Sentences {
  const [source, reason] = abort.split('.');
  const cited = `(PS3.8 Table 9-26: source ${source ?? ''}, reason ${reason ?? ''})`;
  if (source === '0') {
    return [
      `The application there broke the association off ${cited}.`,
      `It may only talk to hosts and AE titles it knows, or it is ill: look at the log of the ${who}.`,
    ];
  }
  return [
    `The DICOM service there did not understand the request ${cited}: ${ABORT_REASONS[reason ?? ''] ?? 'no reason given'}.`,
    `Look at the log of the ${who}; check that the port is for DICOM without TLS, if tls is not configured.`,
  ];
}

const ABORT_REASONS: Readonly<Record<string, string>> = {
  '1': 'unrecognised PDU',
  '2': 'unexpected PDU',
  '4': 'unrecognised PDU parameter',
  '5': 'unexpected PDU parameter',
  '6': 'invalid PDU parameter value',
};
