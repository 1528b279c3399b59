/** C-FIND SCU, Study Root (PS3.4 Section C.6.2): only UIDs and counts are asked for, never anything of the patient. */
import dimse from 'dcmjs-dimse';
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from '../../core/dicom/part10.ts';
import { HubError } from '../../core/errors.ts';
import { countOf, type Find, type Level } from './counts.ts';

// The library writes whole associations to the console; what the hub has to say goes through its own log.
dimse.log.setLevel('silent');
dimse.Implementation.setImplementationClassUid(IMPLEMENTATION_CLASS_UID);
dimse.Implementation.setImplementationVersion(IMPLEMENTATION_VERSION_NAME);

export interface FindPeer {
  readonly host: string;
  readonly port: number;
  readonly calledAeTitle: string;
  readonly callingAeTitle: string;
}

const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 15_000;
/** Series of a study; a peer that goes on for ever is not listened to. */
const MAX_MATCHES = 10_000;
/** PS3.4 Table C.4-1: pending, and pending with optional keys that it does not support. */
const PENDING: ReadonlySet<number> = new Set([0xff00, 0xff01]);

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
  return async (level, study) => {
    signal.throwIfAborted();
    const matches: (number | undefined)[] = [];
    const request = new dimse.requests.CFindRequest();
    request.setDataset(new dimse.Dataset({ ...KEYS[level], QueryRetrieveLevel: level, StudyInstanceUID: study }));
    await new Promise<void>((resolve, reject) => {
      const client = new dimse.Client();
      let isAssociated = false;
      const fail = (error: HubError) => {
        signal.removeEventListener('abort', onAbort);
        reject(error);
      };
      const onAbort = () => {
        fail(new HubError('partner.timeout', { detail: 'no answer to a C-FIND' }));
        // Before that the library's own timers close the connection.
        if (isAssociated) client.abort();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      request.on('response', (response: InstanceType<typeof dimse.responses.CFindResponse>) => {
        const status = response.getStatus();
        if (PENDING.has(status)) {
          if (matches.length >= MAX_MATCHES) fail(new HubError('partner.refused', { detail: 'an answer without end' }));
          else matches.push(countOf(response.getDataset()?.getElement(COUNTS[level])));
        } else if (status === 0) {
          signal.removeEventListener('abort', onAbort);
          resolve();
        } else fail(new HubError('partner.refused', { status }));
      });
      client.on('associationAccepted', () => {
        isAssociated = true;
      });
      client.on('associationRejected', ({ reason }: { readonly reason: number }) =>
        fail(new HubError('partner.refused', { reason: String(reason) })),
      );
      client.on('networkError', (error: Error) => fail(new HubError('partner.unreachable', {}, error)));
      client.on('closed', () => fail(new HubError('partner.unreachable', { detail: 'it hung up' })));
      client.addRequest(request);
      client.send(peer.host, peer.port, peer.callingAeTitle, peer.calledAeTitle, {
        connectTimeout: CONNECT_TIMEOUT_MS,
        associationTimeout: CONNECT_TIMEOUT_MS,
        pduTimeout: ANSWER_TIMEOUT_MS,
      });
    });
    return matches;
  };
}
