/** The hub's answers to an A-ASSOCIATE-RQ (PS3.8 Sections 9.3.3 and 9.3.4), as whole PDUs. */
import { IMPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import { associatePdu, item, ITEM, roleItem, uidItem, uint16, userInformation } from './association-items.ts';
import type { AssociationRequest } from './association-request.ts';
import { PDU } from './framing.ts';
import type { NegotiatedContext } from './presentation-contexts.ts';

/** PS3.7 Section D.3.3.3: one operation invoked and one performed at a time. */
const ONE_OPERATION = Buffer.concat([uint16(1), uint16(1)]);

/**
 * A-ASSOCIATE-AC. What the requestor did not negotiate the answer does not mention.
 *
 * @param maxPduLength - the longest P-DATA-TF the hub takes
 * @param isIdentityProven - the hub has checked the user identity and takes it
 */
export function encodeAccept(
  request: AssociationRequest,
  contexts: readonly NegotiatedContext[],
  maxPduLength: number,
  isIdentityProven: boolean,
): Buffer {
  const accepted = contexts.filter(({ result }) => result === 0);
  // Negotiated once a SOP class, however many contexts it has.
  const classes = new Map(accepted.map((context) => [context.abstractSyntaxUid, context]));
  const more = [
    ...(request.proposesWindow ? [item(ITEM.operationsWindow, ONE_OPERATION)] : []),
    ...[...classes].flatMap(([uid, { roles }]) => (roles === undefined ? [] : [roleItem(uid, roles)])),
    ...[...classes].flatMap(([uid, { extended }]) => (extended === undefined ? [] : [extendedItem(uid, extended)])),
    // PS3.7 Table D.3-15: for username and passcode the server response is empty.
    ...(isIdentityProven && request.userIdentity?.wantsResponse === true
      ? [item(ITEM.userIdentityAnswer, uint16(0))]
      : []),
  ];
  return associatePdu(PDU.associateAccept, request, [
    ...contexts.map(contextItem),
    userInformation(maxPduLength, more),
  ]);
}

/** PS3.8 Table 9-21 */
export function encodeReject(result: number, source: number, reason: number): Buffer {
  return Buffer.from([PDU.associateReject, 0, 0, 0, 0, 4, 0, result, source, reason]);
}

export const RELEASE_RESPONSE: Buffer = Buffer.from([PDU.releaseResponse, 0, 0, 0, 0, 4, 0, 0, 0, 0]);

function contextItem({ id, result, transferSyntaxUid }: NegotiatedContext): Buffer {
  return item(
    ITEM.presentationContextAnswer,
    Buffer.from([id, 0, result, 0]),
    // PS3.8 Table 9-18: present in any case, and only significant for an acceptance.
    uidItem(ITEM.transferSyntax, transferSyntaxUid ?? IMPLICIT_VR_LITTLE_ENDIAN),
  );
}

function extendedItem(abstractSyntaxUid: string, information: Uint8Array): Buffer {
  const uid = Buffer.from(abstractSyntaxUid, 'latin1');
  return item(ITEM.extendedNegotiation, uint16(uid.length), uid, information);
}
