/** How every association that the hub asks for begins: connected, requested, negotiated. What is said on it comes after. */
import { Connection, type Peer } from './connection.ts';
import { type Negotiated, type ProposedContext, requestAssociation } from './negotiation.ts';

export interface NegotiatedConnection {
  readonly connection: Connection;
  readonly negotiated: Negotiated;
  /** Of a command or data set, in one P-DATA-TF at most: as much as the peer takes with the header before it; even. */
  readonly fragmentBytes: number;
}

/** Sent at once, at most: DCMTK's own limit. A peer's "any length" is not taken at its word. */
const MAX_DATA_BYTES = 131_072;
/** PS3.8 Section 9.3.5.1: length, context and control header stand before each value, and count. */
const VALUE_HEADER_BYTES = 6;

/** @throws {HubError} `partner.unreachable`, `partner.timeout`, `partner.busy` or `partner.refused` */
export async function openNegotiated(
  peer: Peer,
  contexts: readonly ProposedContext[],
  signal: AbortSignal,
): Promise<NegotiatedConnection> {
  signal.throwIfAborted();
  const connection = new Connection(peer, signal);
  try {
    await connection.connected(peer.timeouts.connectMs);
    const negotiation = requestAssociation(connection.socket, peer, contexts);
    const answer = await connection.next(peer.timeouts.associationMs, 'no answer to the association request');
    const negotiated = await negotiation.accept(answer);
    const limit = negotiated.maxPduBytes === 0 ? MAX_DATA_BYTES : Math.min(negotiated.maxPduBytes, MAX_DATA_BYTES);
    return { connection, negotiated, fragmentBytes: Math.max(2, (limit - VALUE_HEADER_BYTES) & ~1) };
  } catch (error) {
    connection.destroy();
    throw error;
  }
}
