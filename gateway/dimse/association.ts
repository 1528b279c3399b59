/**
 * One connection of a DIMSE peer, from its first byte to its last: negotiation, release, abort and timers, a state
 * machine over what the framing finds (PS3.8 Section 9.2). Every fault of the peer ends in an A-ABORT with a reason.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Provenance } from '../../core/ledger/instances.ts';
import type { Logger } from '../../core/ports.ts';
import type { RefusedCaller } from '../refusals.ts';
import { RELEASE_RESPONSE } from './association-answer.ts';
import { parseAssociationRequest, type AssociationRequest } from './association-request.ts';
import { AssociationServices, type ServicePorts } from './association-services.ts';
import {
  ABORT_REASON,
  PDU,
  ProtocolError,
  TLS_TO_PLAIN_PORT,
  encodeAbort,
  type AbortReason,
  type PduHandler,
} from './framing.ts';
import { Messages, type MessageCarrier } from './messages.ts';
import { answerRequest, type OpeningRules } from './opening.ts';
import type { PeerCertificate } from './proofs.ts';
import { Reader } from './reader.ts';
import { Silence, type DimseTimeouts, type Expected } from './silence.ts';

export interface AssociationPorts extends ServicePorts, OpeningRules {
  readonly timeouts: DimseTimeouts;
  /** The association was accepted, or a message was answered. */
  readonly onSeen: (source: string) => void;
  /** It is over, released by its peer or in any other way; told twice, the first counts. */
  readonly onEnded?: ((associationId: string, isReleased: boolean) => void) | undefined;
  /** The connection was over before its peer had said a word. */
  readonly onSilent: () => void;
  /** The association was rejected, or none could be asked for. */
  readonly onRefused: (caller: RefusedCaller) => void;
  readonly log: Logger;
}

/** A connection as the door hands it over. */
export interface Connected {
  readonly socket: Socket;
  /** Over TLS, when the peer has shown one that is trustworthy. */
  readonly certificate?: PeerCertificate | undefined;
  /** Accepted as an association, or over: it is not pending any more. */
  readonly onSettled: () => void;
}

const MAX_ASSOCIATE_BYTES = 256 * 1024;
/** A peer that does not read its responses is cut off. */
const MAX_UNREAD_BYTES = 1024 * 1024;

type Phase = 'requesting' | 'open' | 'releasing' | 'closing' | 'closed';

/** PS3.8 Table 9-10, as far as a performer of services meets it. */
const EXPECTED: Readonly<Record<Phase, ReadonlySet<number>>> = {
  requesting: new Set([PDU.associateRequest, PDU.abort]),
  open: new Set([PDU.data, PDU.releaseRequest, PDU.abort]),
  releasing: new Set([PDU.abort]),
  closing: new Set([PDU.abort]),
  closed: new Set([PDU.abort]),
};

const CLOSED_BY_PEER = 'closed by peer';

/** Between two messages, of a hub that stops. */
const DRAIN_IDLE_MS = 1_000;

export class Association implements PduHandler {
  readonly id = randomUUID();
  readonly address: string;
  readonly #socket: Socket;
  readonly #connected: Connected;
  readonly #ports: AssociationPorts;
  readonly #log: Logger;
  readonly #reader: Reader;
  readonly #startedMs = performance.now();
  readonly #messages: Messages;
  readonly #services: AssociationServices;
  readonly #silence: Silence;
  #phase: Phase = 'requesting';
  #request: AssociationRequest | undefined;
  #source = '';
  /** Its peer has said something. */
  #isHeard = false;
  #isStopping = false;
  #isDraining = false;
  /** Of reports, on their way to the peer: they have a time to be answered in. */
  #reportBytes = 0;
  #end = CLOSED_BY_PEER;

  constructor(connected: Connected, ports: AssociationPorts) {
    this.#connected = connected;
    this.#socket = connected.socket;
    this.#ports = ports;
    this.address = connected.socket.remoteAddress ?? '';
    this.#log = ports.log.child({ associationId: this.id });
    this.#silence = new Silence(ports.timeouts);
    const carrier: MessageCarrier = {
      provenance: () => this.#provenance(),
      isStopping: () => this.#isStopping,
      write: (bytes) => this.#write(bytes),
      writeReport: (bytes) => this.#writeReport(bytes),
      holdBack: (ready) => this.#reader.holdBack(ready),
      onAnswered: () => this.#answered(),
      onFailed: (error) => this.#fail(error),
    };
    this.#reader = new Reader(connected.socket, {
      handler: this,
      onResumed: () => this.#silence.restart(),
      isOver: () => this.#phase === 'closing' || this.#phase === 'closed',
      onError: (error) => this.#fail(error),
    });
    this.#services = new AssociationServices(this.id, ports, carrier, this.#log);
    this.#messages = new Messages(this.#services, carrier);
  }

  /** True from the acceptance to the end: what counts against the limits. */
  get isAssociated(): boolean {
    return this.#phase === 'open' || this.#phase === 'releasing';
  }

  /** The source it was accepted for; empty before. */
  get source(): string {
    return this.#source;
  }

  /** Bytes from the socket, valid only during the call. */
  received(chunk: Uint8Array): void {
    if (this.#phase === 'closing' || this.#phase === 'closed') return; // Said all there is to say; the rest is not ours.
    this.#isHeard = true;
    this.#silence.heard(chunk.length);
    this.#reader.received(chunk);
  }

  /** Called often; closes what has been silent for too long. */
  tick(nowMs: number): void {
    const expected = this.#expected();
    const why = expected === undefined ? undefined : this.#silence.tooLong(expected, nowMs);
    if (why === undefined) return;
    if (this.#phase === 'closing') this.#socket.destroy();
    else if (this.#isDraining && expected === 'message') this.stopSoon();
    else this.#abort(ABORT_REASON.notSpecified, why);
  }

  #expected(): Expected | undefined {
    switch (this.#phase) {
      case 'requesting':
        return 'association';
      case 'open':
        if (this.#reader.isHeld || this.#messages.outstanding > 0) return 'own-turn';
        return this.#messages.isInside || this.#reader.isInside ? 'rest-of-message' : 'message';
      case 'closing':
        return this.#end === 'released' ? 'end-after-release' : 'end-after-abort';
      case 'releasing': // Ends with the last response.
      case 'closed':
        return undefined;
      default:
        return this.#phase satisfies never;
    }
  }

  /** Lets its peer go on to its release, as long as it sends: a study that is cut in two has to be sent again. */
  drain(): void {
    this.#isDraining = true;
    if (this.#phase === 'open') this.#silence.idleMs = DRAIN_IDLE_MS;
    else if (this.#phase === 'requesting') this.stopSoon();
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
    this.#connected.onSettled();
    this.#services.end(this.#end);
    await this.#messages.abandon();
    // Not before what the disk still works on: it would be brought by an association that never ends.
    this.#ports.onEnded?.(this.id, false);
    // A load balancer looks every few seconds whether the port is open: that is counted, and no line of a log.
    if (!this.#isHeard && this.#end === CLOSED_BY_PEER) {
      this.#ports.onSilent();
      return;
    }
    const { stored, failed, bytes } = this.#services.counts;
    this.#log.info(this.#request === undefined ? 'connection without association ended' : 'association ended', {
      source: this.#source,
      callingAeTitle: this.#request?.callingAeTitle,
      calledAeTitle: this.#request?.calledAeTitle,
      address: this.address,
      end: this.#end,
      instances: stored,
      failed,
      sizeBytes: bytes,
      durationSeconds: (performance.now() - this.#startedMs) / 1000,
    });
  }

  begin(type: number, length: number): void {
    if (!EXPECTED[this.#phase].has(type)) {
      throw new ProtocolError(ABORT_REASON.unexpectedPdu, 'a PDU that may not come now');
    }
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
    if (!this.#messages.isInside) this.#silence.restart();
    this.#messages.value(contextId, isCommand, isLast);
  }

  bytes(slice: Uint8Array): void {
    this.#messages.bytes(slice);
  }

  valueEnd(): void {
    this.#messages.valueEnd();
  }

  #associate(request: AssociationRequest): void {
    const from = { address: this.address, certificate: this.#connected.certificate };
    const opening = answerRequest(request, from, this.#ports);
    this.#socket.write(opening.pdu);
    if (!opening.isAccepted) {
      this.#log.warn('association rejected', { ...opening.refused });
      this.#ports.onRefused(opening.refused);
      // A rejected association is never also accepted.
      this.#close('rejected');
      return;
    }
    this.#request = request;
    this.#source = opening.source;
    this.#messages.open(opening.contexts);
    this.#services.open(request.maxPduLength);
    this.#phase = 'open';
    this.#silence.restart();
    if (opening.idleMs !== undefined) this.#silence.idleMs = opening.idleMs;
    this.#connected.onSettled();
    this.#ports.onSeen(this.#source);
  }

  #answered(): void {
    this.#silence.restart();
    this.#ports.onSeen(this.#source);
    this.#stopWhenQuiet();
  }

  /** PS3.8 Section 9.2: the release is confirmed when everything asked before it has its answer. */
  #release(): void {
    if (this.#messages.isInside) throw new ProtocolError(ABORT_REASON.unexpectedPdu, 'a release inside a message');
    this.#phase = 'releasing';
    this.#services.end('released by its requestor');
    void this.#messages.answered.then(() => {
      if (this.#phase !== 'releasing') return;
      this.#socket.write(RELEASE_RESPONSE);
      this.#ports.onEnded?.(this.id, true);
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
    this.#log.warn('association aborted', { why, reason, address: this.address, source: this.#source });
    this.#socket.write(encodeAbort(2, reason));
    this.#close(why);
  }

  #fail(error: unknown): void {
    if (error instanceof ProtocolError) {
      if (this.#phase === 'requesting' && error.message === TLS_TO_PLAIN_PORT)
        this.#ports.onRefused({ address: this.address, callingAeTitle: '', calledAeTitle: '', why: error.message });
      this.#abort(error.reason, error.message);
      return;
    }
    this.#log.error('association failed', { reason: error instanceof Error ? error.stack : String(error) });
    this.#abort(ABORT_REASON.notSpecified, 'internal failure');
  }

  /** Nothing more is read; a peer that does not close in its turn is cut off by `tick`. */
  #close(end: string): void {
    this.#end = end;
    this.#phase = 'closing';
    this.#services.end(end);
    this.#silence.restart();
    this.#socket.end();
    this.#socket.resume(); // A paused socket would never see the peer's end.
  }

  #write(bytes: Buffer): void {
    if (this.#phase === 'closing' || this.#phase === 'closed') return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength - this.#reportBytes > MAX_UNREAD_BYTES) this.#socket.destroy();
  }

  #writeReport(bytes: Buffer): void {
    if (this.#phase === 'closing' || this.#phase === 'closed') return;
    this.#reportBytes += bytes.length;
    this.#socket.write(bytes, () => (this.#reportBytes -= bytes.length));
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
