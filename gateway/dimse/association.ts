/**
 * One connection of a DIMSE peer, from its first byte to its last. A state machine over what the framing finds; every
 * fault of the peer ends in an A-ABORT with a reason, every C-STORE in exactly one response, and a Success only after
 * `store` has returned.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { fileMeta } from '../../core/dicom/part10.ts';
import { HubError, toHubError } from '../../core/errors.ts';
import { isUid } from '../../core/identifiers.ts';
import type { Provenance } from '../../core/ledger.ts';
import type { Logger } from '../../core/ports.ts';
import type { Offer } from '../ingest.ts';
import type { Reception } from '../spool/reception.ts';
import { LOOPBACK_SOURCE, type AssociationPolicy, type Load } from './association-policy.ts';
import { parseAssociationRequest, type AssociationRequest } from './association-request.ts';
import { COMMAND, STATUS, decodeCommandSet, encodeCommandPdu, encodeResponse, type CommandSet } from './command-set.ts';
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
import { VERIFICATION_SOP_CLASS, negotiate, type NegotiatedContext } from './presentation-contexts.ts';

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

export interface AssociationPorts {
  readonly policy: AssociationPolicy;
  readonly load: () => Load;
  readonly maxPduLength: number;
  readonly timeouts: DimseTimeouts;
  /** An object begins, behind this prefix. */
  readonly receive: (prefix: Uint8Array) => Reception;
  /** Resolves when the object is durable. @throws {HubError} */
  readonly store: (reception: Reception, offer: Offer) => Promise<{ readonly sizeBytes: number }>;
  readonly log: Logger;
  /** The association was accepted or an instance came. */
  readonly onSeen: (source: string) => void;
}

const MAX_ASSOCIATE_BYTES = 256 * 1024;
const MAX_COMMAND_BYTES = 64 * 1024;
/** Data sets of messages the hub does not perform are read and forgotten up to here. */
const MAX_IGNORED_BYTES = 16 * 1024 * 1024;
/** A peer that pipelines is served, and held back above so many. */
const MAX_OUTSTANDING = 8;
/** A peer that does not read its responses is cut off. */
const MAX_UNREAD_BYTES = 1024 * 1024;
const ABORT_GRACE_MS = 1_000;

type Phase = 'requesting' | 'open' | 'releasing' | 'closing' | 'closed';

/** A message under way: its command so far, then what its data set goes to. */
interface Message {
  readonly context: NegotiatedContext;
  readonly command: Buffer[];
  commandBytes: number;
  set?: CommandSet;
  reception?: Reception;
  refusal?: HubError;
  ignoredBytes: number;
}

export class Association implements PduHandler {
  readonly id = randomUUID();
  readonly #socket: Socket;
  readonly #ports: AssociationPorts;
  readonly #log: Logger;
  readonly #framing = new Framing(this);
  readonly #scp: HubScp;
  readonly #address: string;
  readonly #startedMs = performance.now();
  readonly #contexts = new Map<number, NegotiatedContext>();
  #phase: Phase = 'requesting';
  #request: AssociationRequest | undefined;
  #source = '';
  #message: Message | undefined;
  #value: { isCommand: boolean; isLast: boolean } | undefined;
  /** Responses leave in the order of the requests. */
  #answered: Promise<void> = Promise.resolve();
  #outstanding = 0;
  #isPaused = false;
  #isStopping = false;
  #end = 'closed by peer';
  readonly #counts = { stored: 0, failed: 0, bytes: 0 };
  /** When the phase, the idle time or the progress window began. */
  #sinceMs = performance.now();
  #windowBytes = 0;

  constructor(socket: Socket, ports: AssociationPorts) {
    this.#socket = socket;
    this.#ports = ports;
    this.#address = socket.remoteAddress ?? '';
    this.#log = ports.log.child({ associationId: this.id });
    this.#scp = new HubScp(socket);
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
    try {
      this.#framing.push(chunk);
    } catch (error) {
      if (error instanceof ProtocolError) this.#abort(error.reason, error.message);
      else this.#fail(error);
    }
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
        if (this.#isPaused || this.#outstanding > 0) this.#restartTimer(nowMs);
        else if (this.#message === undefined && !this.#framing.isInside) {
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
    const partial = this.#message?.reception;
    this.#message = undefined;
    await partial?.abandon(); // Never acknowledged, never whole: nothing of it stays.
    await this.#answered;
    this.#log.info(this.#request === undefined ? 'connection without association ended' : 'association ended', {
      source: this.#source,
      callingAeTitle: this.#request?.callingAeTitle,
      calledAeTitle: this.#request?.calledAeTitle,
      address: this.#address,
      end: this.#end,
      instances: this.#counts.stored,
      failed: this.#counts.failed,
      sizeBytes: this.#counts.bytes,
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
    const context = this.#contexts.get(contextId);
    if (context === undefined) {
      throw new ProtocolError(ABORT_REASON.invalidParameterValue, 'a value on a context that was not accepted');
    }
    const message = this.#message;
    if (message === undefined) {
      if (!isCommand) throw new ProtocolError(ABORT_REASON.unexpectedParameter, 'data without a command');
      this.#message = { context, command: [], commandBytes: 0, ignoredBytes: 0 };
      this.#restartTimer(performance.now());
    } else {
      if (message.context !== context) {
        throw new ProtocolError(ABORT_REASON.unexpectedParameter, 'a message on two contexts');
      }
      if (isCommand !== (message.set === undefined)) {
        throw new ProtocolError(ABORT_REASON.unexpectedParameter, 'command and data out of order');
      }
    }
    this.#value = { isCommand, isLast };
  }

  bytes(slice: Uint8Array): void {
    const message = this.#current();
    if (message.set === undefined) {
      message.commandBytes += slice.length;
      if (message.commandBytes > MAX_COMMAND_BYTES) {
        throw new ProtocolError(ABORT_REASON.invalidParameterValue, 'a command set too large');
      }
      message.command.push(Buffer.from(slice));
    } else if (message.reception === undefined) {
      message.ignoredBytes += slice.length;
      if (message.ignoredBytes > MAX_IGNORED_BYTES) {
        throw new ProtocolError(ABORT_REASON.invalidParameterValue, 'a data set too large');
      }
    } else if (!message.reception.push(slice)) this.#pauseFor(message.reception.room());
  }

  valueEnd(): void {
    const message = this.#current();
    const value = this.#value;
    if (value?.isLast !== true) return;
    if (value.isCommand) this.#commandEnd(message);
    else this.#messageEnd(message);
  }

  #current(): Message {
    if (this.#message === undefined) throw new Error('no message under way');
    return this.#message;
  }

  #associate(request: AssociationRequest): void {
    const decision = this.#ports.policy({ address: this.#address, ...request }, this.#ports.load());
    if (!decision.accepted) {
      this.#log.warn('association rejected', {
        why: decision.why,
        callingAeTitle: request.callingAeTitle,
        calledAeTitle: request.calledAeTitle,
        address: this.#address,
      });
      this.#scp.sendAssociationReject(decision.result, decision.by, decision.reason);
      // A rejected association is never also accepted.
      this.#close('rejected');
      return;
    }
    this.#request = request;
    this.#source = decision.source;
    const contexts = request.contexts.map(negotiate);
    for (const context of contexts) if (context.result === 0) this.#contexts.set(context.id, context);
    this.#phase = 'open';
    this.#restartTimer(performance.now());
    this.#scp.accept(request, contexts, this.#ports.maxPduLength);
    this.#ports.onSeen(this.#source);
  }

  #commandEnd(message: Message): void {
    const bytes = Buffer.concat(message.command);
    const set = decodeCommandSet(bytes);
    message.set = set;
    if ((set.field & COMMAND.response) !== 0) {
      throw new ProtocolError(ABORT_REASON.unexpectedParameter, 'a response nobody asked for');
    }
    if (set.field === COMMAND.storeRequest && set.hasDataSet) this.#beginStore(message, set);
    else if (!set.hasDataSet) {
      this.#message = undefined;
      this.#answer(async () => this.#performWithoutData(message.context, set, bytes));
    }
  }

  async #performWithoutData(context: NegotiatedContext, set: CommandSet, bytes: Buffer): Promise<void> {
    if (set.field === COMMAND.echoRequest && context.abstractSyntaxUid === VERIFICATION_SOP_CLASS) {
      await this.#scp.echo(encodeCommandPdu(context.id, bytes));
    } else if (set.field === COMMAND.storeRequest) this.#refuse(context, set, new HubError('dataset.empty'));
    else if (set.field !== COMMAND.cancelRequest) {
      this.#write(encodeResponse(context.id, set, STATUS.unrecognizedOperation));
    }
  }

  #beginStore(message: Message, set: CommandSet): void {
    if (this.#isStopping) {
      message.refusal = new HubError('gateway.stopping');
      return;
    }
    const { abstractSyntaxUid, transferSyntaxUid = '' } = message.context;
    const { affectedSopClassUid, affectedSopInstanceUid } = set;
    if (affectedSopClassUid !== abstractSyntaxUid) {
      message.refusal = new HubError('sop-class.unsupported', { attribute: 'AffectedSOPClassUID' });
    } else if (!isUid(affectedSopInstanceUid)) {
      message.refusal = new HubError(affectedSopInstanceUid === '' ? 'dataset.uid-missing' : 'dataset.uid-invalid', {
        attribute: 'AffectedSOPInstanceUID',
      });
    }
    const sourceAeTitle = this.#request?.callingAeTitle ?? '';
    message.reception = this.#ports.receive(
      fileMeta({
        sopClassUid: isUid(affectedSopClassUid) ? affectedSopClassUid : '',
        sopInstanceUid: isUid(affectedSopInstanceUid) ? affectedSopInstanceUid : '',
        transferSyntaxUid,
        ...(sourceAeTitle === '' ? {} : { sourceAeTitle }),
      }),
    );
  }

  #messageEnd(message: Message): void {
    const { context, set, reception, refusal } = message;
    this.#message = undefined;
    if (set === undefined) throw new Error('a data set without command got through');
    if (reception === undefined) {
      this.#answer(async () => {
        if (refusal === undefined) this.#write(encodeResponse(context.id, set, STATUS.unrecognizedOperation));
        else this.#refuse(context, set, refusal);
      });
      return;
    }
    const offer: Offer = {
      provenance: this.#provenance(),
      expected: {
        transferSyntaxUid: context.transferSyntaxUid ?? '',
        sopClassUid: set.affectedSopClassUid,
        sopInstanceUid: set.affectedSopInstanceUid,
      },
      refusal,
    };
    const stored = this.#ports.store(reception, offer);
    stored.catch(() => undefined); // Looked at when its turn to be answered comes.
    this.#answer(async () => this.#answerStore(context, set, stored));
  }

  async #answerStore(
    context: NegotiatedContext,
    set: CommandSet,
    stored: Promise<{ readonly sizeBytes: number }>,
  ): Promise<void> {
    try {
      const { sizeBytes } = await stored;
      this.#write(encodeResponse(context.id, set, STATUS.success));
      this.#counts.stored += 1;
      this.#counts.bytes += sizeBytes;
      this.#log.debug('instance stored', { sopInstanceUid: set.affectedSopInstanceUid, sizeBytes });
    } catch (error) {
      const failure = toHubError(error);
      if (failure.code === 'internal.unexpected')
        this.#log.error('instance not stored', { reason: String(failure.cause) });
      this.#refuse(context, set, failure);
    }
    this.#ports.onSeen(this.#source);
  }

  #refuse(context: NegotiatedContext, set: CommandSet, failure: HubError): void {
    this.#counts.failed += 1;
    this.#log.debug('instance refused', { code: failure.code });
    this.#write(encodeResponse(context.id, set, failure.row.dimse, failure.row.title));
  }

  /** Queues an answer behind those before it. */
  #answer(send: () => Promise<void>): void {
    this.#outstanding += 1;
    const before = this.#answered;
    this.#answered = before.then(send).then(
      () => this.#answerSent(),
      (error: unknown) => {
        this.#answerSent();
        this.#fail(error);
      },
    );
    if (this.#outstanding >= MAX_OUTSTANDING) this.#pauseFor(this.#answered);
  }

  #answerSent(): void {
    this.#outstanding -= 1;
    this.#restartTimer(performance.now());
    this.#stopWhenQuiet();
  }

  /** PS3.8 Section 9.2: the release is confirmed when everything asked before it has its answer. */
  #release(): void {
    if (this.#message !== undefined) throw new ProtocolError(ABORT_REASON.unexpectedPdu, 'a release inside a message');
    this.#phase = 'releasing';
    void this.#answered.then(() => {
      if (this.#phase !== 'releasing') return;
      this.#scp.sendAssociationReleaseResponse();
      this.#close('released');
    });
  }

  #stopWhenQuiet(): void {
    if (!this.#isStopping || this.#outstanding > 0 || this.#message !== undefined) return;
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

  #pauseFor(ready: Promise<unknown>): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
    void ready.then(() => {
      this.#isPaused = false;
      this.#restartTimer(performance.now());
      this.#socket.resume();
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
      source: this.#source === '' ? LOOPBACK_SOURCE : this.#source,
      callingAeTitle: this.#request?.callingAeTitle ?? '',
      calledAeTitle: this.#request?.calledAeTitle ?? '',
      associationId: this.id,
    };
  }
}
