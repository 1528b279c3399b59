/** Writes the A-ASSOCIATE-RQ and reads the answer with dcmjs-dimse; everything after that is our own. */
import type { Socket } from 'node:net';
import dimse from 'dcmjs-dimse';
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from '../../core/dicom/part10.ts';
import { HubError } from '../../core/errors.ts';
import { PDU, type Pdu } from './pdu.ts';

/** PS3.8 Section 9.3.2.2: ids are odd and one byte long. */
export const MAX_CONTEXTS = 128;
/** What we announce: responses are short. */
const OUR_MAX_PDU_BYTES = 131_072;

export interface ProposedContext {
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
  /** We offer to perform it (PS3.7 Section D.3.3.4), as who is sent instances by C-GET does. */
  readonly asProvider?: true;
}

export interface Negotiated {
  /** Undefined when the peer did not accept the pair. */
  contextIdOf(context: ProposedContext): number | undefined;
  /** PS3.8 Table 9-18: 0 acceptance, 1 user rejection, 2 no reason, 3 abstract syntax, 4 transfer syntaxes not supported. */
  resultOf(context: ProposedContext): number | undefined;
  /** What was accepted under an id; undefined: nothing. */
  contextOf(id: number): ProposedContext | undefined;
  /** Longest P-DATA-TF the peer takes, without the PDU's own header; 0: any length. */
  readonly maxPduBytes: number;
}

interface Titles {
  readonly callingAeTitle: string;
  readonly calledAeTitle: string;
}

/** The library logs each message to the console, study and patient included. */
dimse.log.setLevel('silent');

/** The library's state machine without its socket handling: we hand it PDUs and it writes PDUs. */
class Requester extends dimse.Scp {
  declare readonly _processPdu: (bytes: Buffer) => Promise<void>;
  // Called by the library's constructor; our own framing reads the socket.
  _wrapSocket(): void {
    // nothing to wrap
  }
}

/** Sends the request and gives back the reader of its answer. */
export function requestAssociation(
  socket: Socket,
  titles: Titles,
  contexts: readonly ProposedContext[],
): { readonly accept: (answer: Pdu) => Promise<Negotiated> } {
  const association = new dimse.association.Association(titles.callingAeTitle, titles.calledAeTitle);
  association.setImplementationClassUid(IMPLEMENTATION_CLASS_UID);
  association.setImplementationVersion(IMPLEMENTATION_VERSION_NAME);
  association.setMaxPduLength(OUR_MAX_PDU_BYTES);
  // One transfer syntax a context: with several the peer would choose one for us, and another syntax would have no context.
  const withRole = new Set<string>();
  const proposed = contexts.map((context) => {
    const id = association.addPresentationContext(context.sopClassUid);
    association.addTransferSyntaxToPresentationContext(id, context.transferSyntaxUid);
    // PS3.7 Section D.3.3.4.1: a role is that of a SOP class, said once.
    if (context.asProvider === true && !withRole.has(context.sopClassUid)) {
      withRole.add(context.sopClassUid);
      association.getPresentationContext(id).setUserRole(false);
      association.getPresentationContext(id).setProviderRole(true);
    }
    return { id, context };
  });
  const requester = new Requester(socket);
  requester.sendAssociationRequest(association);

  return {
    accept: async (answer) => {
      if (answer.type === PDU.associateReject) throw rejection(answer.bytes);
      if (answer.type !== PDU.associateAccept)
        throw new HubError('partner.refused', { detail: 'no answer to an association request' });
      const read: unknown[] = [];
      requester.on('associationAccepted', (given: unknown) => void read.push(given));
      await requester._processPdu(answer.bytes);
      if (read.length === 0) throw new HubError('partner.refused', { detail: 'its answer cannot be read' });
      const accepted = new Map<string, number>();
      const results = new Map<string, number>();
      const byId = new Map<number, ProposedContext>();
      for (const { id, context } of proposed) {
        const result = association.getPresentationContext(id).getResult();
        results.set(keyOf(context), result);
        if (result !== 0) continue;
        accepted.set(keyOf(context), id);
        byId.set(id, context);
      }
      return {
        contextIdOf: (context) => accepted.get(keyOf(context)),
        resultOf: (context) => results.get(keyOf(context)),
        contextOf: (id) => byId.get(id),
        // Reading the answer has put the peer's limit in place of ours.
        maxPduBytes: association.getMaxPduLength(),
      };
    },
  };
}

const keyOf = ({ sopClassUid, transferSyntaxUid }: ProposedContext): string => `${sopClassUid} ${transferSyntaxUid}`;

/** PS3.8 Table 9-21: result 1 is permanent, 2 transient. */
function rejection(bytes: Buffer): HubError {
  const [result = 0, source = 0, reason = 0] = bytes.subarray(7, 10);
  const detail = REASONS[`${source}.${reason}`] ?? `source ${source}, reason ${reason}`;
  return new HubError(result === 2 ? 'partner.busy' : 'partner.refused', {
    detail: `association rejected: ${detail}`,
    rejection: `${source}.${reason}`,
  });
}

const REASONS: Readonly<Record<string, string>> = {
  '1.1': 'no reason given',
  '1.2': 'application context not supported',
  '1.3': 'calling AE title not recognised',
  '1.7': 'called AE title not recognised',
  '2.1': 'no reason given',
  '2.2': 'protocol version not supported',
  '3.1': 'temporary congestion',
  '3.2': 'local limit exceeded',
};
