/** The hub's answer to an association request: policy, negotiation, encoding, in one place. Pure. */
import type { RefusedCaller } from '../refusals.ts';
import { encodeAccept, encodeReject } from './association-answer.ts';
import type { AssociationPolicy, Load } from './association-policy.ts';
import type { AssociationRequest } from './association-request.ts';
import { negotiate, type NegotiatedContext } from './presentation-contexts.ts';
import type { PeerCertificate } from './proofs.ts';

export type Opening =
  | {
      readonly isAccepted: true;
      /** A-ASSOCIATE-AC. */
      readonly pdu: Buffer;
      readonly source: string;
      readonly contexts: readonly NegotiatedContext[];
      /** Of this source, instead of what holds for all. */
      readonly idleMs?: number | undefined;
    }
  | {
      readonly isAccepted: false;
      /** A-ASSOCIATE-RJ. */
      readonly pdu: Buffer;
      readonly refused: RefusedCaller;
    };

export interface OpeningRules {
  readonly policy: AssociationPolicy;
  readonly load: () => Load;
  readonly maxPduLength: number;
}

export function answerRequest(
  request: AssociationRequest,
  from: { readonly address: string; readonly certificate?: PeerCertificate | undefined },
  { policy, load, maxPduLength }: OpeningRules,
): Opening {
  const { address, certificate } = from;
  const caller = { ...request, address, ...(certificate === undefined ? {} : { certificate }) };
  const decision = policy(caller, load());
  if (!decision.accepted) {
    const { callingAeTitle, calledAeTitle } = request;
    return {
      isAccepted: false,
      pdu: encodeReject(decision.result, decision.by, decision.reason),
      refused: { why: decision.why, callingAeTitle, calledAeTitle, address },
    };
  }
  const { source, idleMs, title, isIdentityProven } = decision;
  const contexts = request.contexts.map((proposed) => negotiate(proposed, title));
  return {
    isAccepted: true,
    pdu: encodeAccept(request, contexts, maxPduLength, isIdentityProven),
    source,
    contexts,
    idleMs,
  };
}
