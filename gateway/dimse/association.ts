/**
 * One connection of a DIMSE peer, from its first byte to its last: negotiation, release, abort and timers, a state
 * machine over what the framing finds (PS3.8 Section 9.2). Every fault of the peer ends in an A-ABORT with a reason.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Provenance } from '../../core/ledger.ts';
import type { Logger } from '../../core/ports.ts';
import type { RefusedCaller } from '../refusals.ts';
import type { AssociationPolicy, Load } from './association-policy.ts';
import { parseAssociationRequest, type AssociationRequest } from './association-request.ts';
import {
  ABORT_REASON,
  Framing,
  PDU,
  ProtocolError,
  encodeAbort,
  type AbortReason,
  type PduHandler,
} from './framing.ts';
import { HubScp } from './hub-scp.ts';
import { Messages, type MessageCarrier, type MessageHandling } from './messages.ts';
import { negotiate } from './presentation-contexts.ts';

export interface DimseTimeouts {
  /** From the connection to the whole A-ASSOCIATE-RQ (ARTIM, PS3.8 Section 9.1.5). */
  readonly associationMs: number;
  /** Between messages. */
  readonly idleMs: number;
  /** In each such window of a message or PDU under way at least `minBytes` must come. */
  readonly progressMs: number;
  readonly minBytes: number;
  /** For the peer to close after the end of the association. */
  readonly closeMs: number;
}

export interface AssociationPorts extends MessageHandling {
  readonly policy: AssociationPolicy;
  readonly load: () => Load;
  readonly maxPduLength: number;
  readonly timeouts: DimseTimeouts;
  readonly log: Logger;
  /** The association was accepted, or a message was answered. */
  readonly onSeen: (source: string) => void;
  /** The association was rejected. */
  readonly onRefused: (caller: RefusedCaller) => void;
}

const MAX_ASSOCIATE_BYTES = 256 * 1024;
/** A peer that does not read its responses is cut off. */
const MAX_UNREAD_BYTES = 1024 * 1024;
const ABORT_GRACE_MS = 1_000;

type Phase = 'requesting' | 'open' | 'releasing' | 'closing' | 'closed';

export class Association implements PduHandler {
  readonly id = randomUUID();
  readonly #socket: Socket;
  readonly #ports: AssociationPorts;
  readonly #log: Logger;
  readonly #framing = new Framing(this);
  readonly #scp: HubScp;
  readonly #address: string;
  readonly #startedMs = performance.now();
  readonly #messages: Messages;
  #phase: Phase = 'requesting';
  #request: AssociationRequest | undefined;
  #source = '';
  #isPaused = false;
  /** Bytes of the last read that were not taken yet; no more than one read of the listener. */
  #rest: Buffer | undefined;
  #isStopping = false;
  #end = 'closed by peer';
  /** When the phase, the idle time or the progress window began. */
  #sinceMs = performance.now();
  #windowBytes = 0;

  constructor(socket: Socket, ports: AssociationPorts) {
    this.#socket = socket;
    this.#ports = ports;
    this.#address = socket.remoteAddress ?? '';
    this.#log = ports.log.child({ associationId: this.id });
    const scp = new HubScp(socket);
    this.#scp = scp;
    const carrier: MessageCarrier = {
      provenance: () => this.#provenance(),
      isStopping: () => this.#isStopping,
      write: (bytes) => this.#write(bytes),
      echo: async (pdu) => scp.echo(pdu),
      holdBack: (ready) => this.#holdBack(ready),
      onAnswered: () => this.#answered(),
      onFailed: (error) => this.#fail(error),
    };
    this.#messages = new Messages(ports, carrier, this.#log);
    this.#scp.on('networkError', () =>
      this.#abort(ABORT_REASON.invalidParameterValue, 'the library refused a message'),
    );
  }

  /** True from the acceptance to the end: what counts against the limit. */
  get isAssociated(): boolean {
    return this.#phase === 'open' || this.#phase === 'releasing';
  }

  /** Bytes from the socket, valid only during the call. */
  received(chunk: Uint8Array): void {
    if (this.#phase === 'closing' || this.#phase === 'closed') return; // Said all there is to say; the rest is not ours.
    this.#windowBytes += chunk.length;
    this.#take(this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]));
  }

  /** True while nothing more is to be taken from the peer. */
  get isHeld(): boolean {
    return this.#isPaused;
  }

  /** Called often; closes what has been silent for too long. The hub's own work never counts as the peer's silence. */
  tick(nowMs: number): void {
    const { timeouts } = this.#ports;
    const waitedMs = nowMs - this.#sinceMs;
    switch (this.#phase) {
      case 'requesting':
        if (waitedMs > timeouts.associationMs) this.#abort(ABORT_REASON.notSpecified, 'no association request in time');
        break;
      case 'open':
        if (this.#isPaused || this.#messages.outstanding > 0) this.#restartTimer(nowMs);
        else if (!this.#messages.isInside && !this.#framing.isInside) {
          if (waitedMs > timeouts.idleMs) this.#abort(ABORT_REASON.notSpecified, 'idle for too long');
        } else if (waitedMs > timeouts.progressMs) {
          if (this.#windowBytes < timeouts.minBytes) this.#abort(ABORT_REASON.notSpecified, 'too slow');
          else this.#restartTimer(nowMs);
        }
        break;
      case 'releasing':
        break; // Ends with the last response.
      case 'closing':
        if (waitedMs > (this.#end === 'released' ? timeouts.closeMs : ABORT_GRACE_MS)) this.#socket.destroy();
        break;
      case 'closed':
        break;
      default:
        throw new Error(this.#phase satisfies never);
    }
  }

  /** Ends the association as soon as no message is under way. */
  stopSoon(): void {
    this.#isStopping = true;
    this.#stopWhenQuiet();
  }

  /** The socket is gone. */
  async closed(): Promise<void> {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    await this.#messages.abandon();
    const { stored, failed, bytes } = this.#messages.counts;
    this.#log.info(this.#request === undefined ? 'connection without association ended' : 'association ended', {
      source: this.#source,
      callingAeTitle: this.#request?.callingAeTitle,
      calledAeTitle: this.#request?.calledAeTitle,
      address: this.#address,
      end: this.#end,
      instances: stored,
      failed,
      sizeBytes: bytes,
      durationSeconds: (performance.now() - this.#startedMs) / 1000,
    });
  }

  begin(type: number, length: number): void {
    const isExpected =
      this.#phase === 'requesting'
        ? type === PDU.associateRequest || type === PDU.abort
        : type === PDU.abort || (this.#phase === 'open' && (type === PDU.data || type === PDU.releaseRequest));
    if (!isExpected) throw new ProtocolError(ABORT_REASON.unexpectedPdu, 'a PDU that may not come now');
    const isTooLong =
      type === PDU.data
        ? length > this.#ports.maxPduLength
        : type === PDU.associateRequest
          ? length > MAX_ASSOCIATE_BYTES
          : length !== 4;
    if (isTooLong) throw new ProtocolError(ABORT_REASON.invalidParameterValue, 'a PDU of forbidden length');
    if (type === PDU.data && length === 0) {
      throw new ProtocolError(ABORT_REASON.invalidParameterValue, 'an empty P-DATA-TF');
    }
  }

  pdu(type: number, body: Buffer): void {
    if (type === PDU.associateRequest) this.#associate(parseAssociationRequest(body));
    else if (type === PDU.releaseRequest) this.#release();
    else {
      this.#end = 'aborted by peer';
      this.#phase = 'closing';
      this.#socket.destroy();
    }
  }

  value(contextId: number, isCommand: boolean, isLast: boolean): void {
    if (!this.#messages.isInside) this.#restartTimer(performance.now());
    this.#messages.value(contextId, isCommand, isLast);
  }

  bytes(slice: Uint8Array): void {
    this.#messages.bytes(slice);
  }

  valueEnd(): void {
    this.#messages.valueEnd();
  }

  #take(chunk: Uint8Array): void {
    this.#rest = undefined;
    try {
      const used = this.#framing.push(chunk);
      if (used < chunk.length) this.#rest = Buffer.from(chunk.subarray(used));
    } catch (error) {
      if (error instanceof ProtocolError) this.#abort(error.reason, error.message);
      else this.#fail(error);
    }
  }

  #associate(request: AssociationRequest): void {
    const decision = this.#ports.policy({ address: this.#address, ...request }, this.#ports.load());
    if (!decision.accepted) {
      const { callingAeTitle, calledAeTitle } = request;
      const refused = { why: decision.why, callingAeTitle, calledAeTitle, address: this.#address };
      this.#log.warn('association rejected', refused);
      this.#ports.onRefused(refused);
      this.#scp.sendAssociationReject(decision.result, decision.by, decision.reason);
      // A rejected association is never also accepted.
      this.#close('rejected');
      return;
    }
    this.#request = request;
    this.#source = decision.source;
    const contexts = request.contexts.map(negotiate);
    this.#messages.open(contexts);
    this.#phase = 'open';
    this.#restartTimer(performance.now());
    this.#scp.accept(request, contexts, this.#ports.maxPduLength);
    this.#ports.onSeen(this.#source);
  }

  #answered(): void {
    this.#restartTimer(performance.now());
    this.#ports.onSeen(this.#source);
    this.#stopWhenQuiet();
  }

  /** PS3.8 Section 9.2: the release is confirmed when everything asked before it has its answer. */
  #release(): void {
    if (this.#messages.isInside) throw new ProtocolError(ABORT_REASON.unexpectedPdu, 'a release inside a message');
    this.#phase = 'releasing';
    void this.#messages.answered.then(() => {
      if (this.#phase !== 'releasing') return;
      this.#scp.sendAssociationReleaseResponse();
      this.#close('released');
    });
  }

  #stopWhenQuiet(): void {
    if (!this.#isStopping || this.#messages.outstanding > 0 || this.#messages.isInside) return;
    if (this.#phase !== 'open' && this.#phase !== 'requesting') return;
    this.#socket.write(encodeAbort(0, ABORT_REASON.notSpecified));
    this.#close('hub stopped');
  }

  #abort(reason: AbortReason, why: string): void {
    if (this.#phase === 'closing' || this.#phase === 'closed') return;
    this.#log.warn('association aborted', { why, reason, address: this.#address, source: this.#source });
    this.#socket.write(encodeAbort(2, reason));
    this.#close(why);
  }

  #fail(error: unknown): void {
    this.#log.error('association failed', { reason: error instanceof Error ? error.stack : String(error) });
    this.#abort(ABORT_REASON.notSpecified, 'internal failure');
  }

  /** Nothing more is read; a peer that does not close in its turn is cut off by `tick`. */
  #close(end: string): void {
    this.#end = end;
    this.#phase = 'closing';
    this.#restartTimer(performance.now());
    this.#socket.end();
    this.#socket.resume(); // A paused socket would never see the peer's end.
  }

  #holdBack(ready: Promise<unknown>): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
    void ready.then(() => {
      this.#isPaused = false;
      this.#restartTimer(performance.now());
      if (this.#phase === 'closing' || this.#phase === 'closed') this.#rest = undefined;
      if (this.#rest !== undefined) this.#take(this.#rest);
      if (this.#rest === undefined) this.#socket.resume(); // Else held back again, by the next message.
    });
  }

  #write(bytes: Buffer): void {
    if (this.#phase === 'closing' || this.#phase === 'closed') return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#socket.destroy();
  }

  #restartTimer(nowMs: number): void {
    this.#sinceMs = nowMs;
    this.#windowBytes = 0;
  }

  #provenance(): Provenance {
    return {
      door: 'dimse',
      source: this.#source,
      callingAeTitle: this.#request?.callingAeTitle ?? '',
      calledAeTitle: this.#request?.calledAeTitle ?? '',
      associationId: this.id,
    };
  }
}
