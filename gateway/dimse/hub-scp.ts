/**
 * The part of dcmjs-dimse that the hub keeps: encoding of the association's answers, and C-ECHO. Framing, limits, timers
 * and C-STORE are ours, so the library never sees a byte of a data set.
 */
import dimse from 'dcmjs-dimse';
import { IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME } from '../../core/dicom/part10.ts';
import type { AssociationRequest } from './association-request.ts';
import type { NegotiatedContext } from './presentation-contexts.ts';

// The library writes whole associations to the console; what the hub has to say goes through its own log.
dimse.log.setLevel('silent');
dimse.Implementation.setImplementationClassUid(IMPLEMENTATION_CLASS_UID);
dimse.Implementation.setImplementationVersion(IMPLEMENTATION_VERSION_NAME);

type Association = InstanceType<typeof dimse.association.Association>;

export class HubScp extends dimse.Scp {
  // The library's own members, which its type declarations leave out.
  declare association: Association | undefined;
  declare readonly _processPdu: (pdu: Buffer) => Promise<void>;

  /** The library would attach its own framing and timers here. */
  _wrapSocket(): void {
    // Ours are in association.ts.
  }

  /**
   * Answers an A-ASSOCIATE-RQ with A-ASSOCIATE-AC.
   *
   * @param maxPduLength - the longest P-DATA-TF the hub takes
   */
  accept(request: AssociationRequest, contexts: readonly NegotiatedContext[], maxPduLength: number): void {
    const association = new dimse.association.Association(request.callingAeTitle, request.calledAeTitle);
    // Pushed, not added: the library's own method renumbers ids that do not ascend, though any odd ids are legal.
    for (const context of contexts) {
      association.getPresentationContexts().push({ id: context.id, context: libraryContext(context) });
    }
    // One outstanding operation: the answer to a proposed window is not to mention it (PS3.7 Section D.3.3.3).
    association.setNegotiateAsyncOps(false);
    association.setMaxPduLength(maxPduLength);
    this.association = association;
    this.sendAssociationAccept();
    // One field serves both directions: from here it is what the peer takes.
    association.setMaxPduLength(request.maxPduLength);
  }

  /** A C-ECHO-RQ as a whole P-DATA-TF; the library answers it. */
  async echo(pdu: Buffer): Promise<void> {
    await this._processPdu(pdu);
  }

  override cEchoRequest(
    request: InstanceType<typeof dimse.requests.CEchoRequest>,
    callback: (response: InstanceType<typeof dimse.responses.CEchoResponse>) => void,
  ): void {
    const response = dimse.responses.CEchoResponse.fromRequest(request);
    response.setStatus(dimse.constants.Status.Success);
    callback(response);
  }
}

function libraryContext(context: NegotiatedContext): InstanceType<typeof dimse.association.PresentationContext> {
  const made = new dimse.association.PresentationContext(context.id, context.abstractSyntaxUid);
  made.setResult(context.result, context.transferSyntaxUid);
  if (context.scuRole !== undefined) {
    // The hub only ever performs: it takes the SCU role it is offered and never the SCP role.
    made.setUserRole(context.scuRole);
    made.setProviderRole(false);
  }
  return made;
}
