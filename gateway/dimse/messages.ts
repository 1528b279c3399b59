/**
 * The messages of one association (PS3.7): values put together to commands and data sets, C-STORE handed to the spool as
 * its bytes come, and one response to each request, in the order of the requests. A Success leaves only after `store`
 * has returned.
 */
import { fileMeta } from '../../core/dicom/part10.ts';
import { HubError, toHubError } from '../../core/errors.ts';
import { isUid } from '../../core/identifiers.ts';
import type { Provenance } from '../../core/ledger.ts';
import type { Logger } from '../../core/ports.ts';
import type { Offer } from '../offer.ts';
import type { Reception } from '../spool/reception.ts';
import { COMMAND, STATUS, decodeCommandSet, encodeCommandPdu, encodeResponse, type CommandSet } from './command-set.ts';
import { ABORT_REASON, ProtocolError } from './framing.ts';
import { VERIFICATION_SOP_CLASS, type NegotiatedContext } from './presentation-contexts.ts';

/** What messages are handed on to. */
export interface MessageHandling {
  /** An object begins, behind this prefix. */
  readonly receive: (prefix: Uint8Array) => Reception;
  /** Resolves when the object is durable. @throws {HubError} */
  readonly store: (reception: Reception, offer: Offer) => Promise<{ readonly sizeBytes: number }>;
}

/** The association the messages are part of. */
export interface MessageCarrier {
  readonly provenance: () => Provenance;
  readonly isStopping: () => boolean;
  readonly write: (bytes: Buffer) => void;
  readonly echo: (pdu: Buffer) => Promise<void>;
  /** Nothing more is to be read until the promise is fulfilled. */
  readonly holdBack: (ready: Promise<unknown>) => void;
  readonly onAnswered: () => void;
  readonly onFailed: (error: unknown) => void;
}

const MAX_COMMAND_BYTES = 64 * 1024;
/** Data sets of messages the hub does not perform are read and forgotten up to here. */
const MAX_IGNORED_BYTES = 16 * 1024 * 1024;
/** A peer that pipelines is served, and held back above so many. */
const MAX_OUTSTANDING = 8;

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

export class Messages {
  readonly #handling: MessageHandling;
  readonly #carrier: MessageCarrier;
  readonly #log: Logger;
  readonly #contexts = new Map<number, NegotiatedContext>();
  readonly #counts = { stored: 0, failed: 0, bytes: 0 };
  #message: Message | undefined;
  #value: { readonly isCommand: boolean; readonly isLast: boolean } | undefined;
  #answered: Promise<void> = Promise.resolve();
  #outstanding = 0;

  constructor(handling: MessageHandling, carrier: MessageCarrier, log: Logger) {
    this.#handling = handling;
    this.#carrier = carrier;
    this.#log = log;
  }

  /** Messages may come on these contexts and on no other. */
  open(contexts: readonly NegotiatedContext[]): void {
    for (const context of contexts) if (context.result === 0) this.#contexts.set(context.id, context);
  }

  /** A message has begun and is not whole. */
  get isInside(): boolean {
    return this.#message !== undefined;
  }

  /** Whole messages that have no answer yet. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Resolves when everything asked so far has its answer. */
  get answered(): Promise<void> {
    return this.#answered;
  }

  get counts(): { readonly stored: number; readonly failed: number; readonly bytes: number } {
    return this.#counts;
  }

  /** The connection is gone: of what is not whole nothing stays. */
  async abandon(): Promise<void> {
    const partial = this.#message?.reception;
    this.#message = undefined;
    await partial?.abandon();
    await this.#answered;
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
    } else if (!message.reception.push(slice)) this.#carrier.holdBack(message.reception.room());
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
      await this.#carrier.echo(encodeCommandPdu(context.id, bytes));
    } else if (set.field === COMMAND.storeRequest) this.#refuse(context, set, new HubError('dataset.empty'));
    else if (set.field !== COMMAND.cancelRequest) {
      this.#carrier.write(encodeResponse(context.id, set, STATUS.unrecognizedOperation));
    }
  }

  #beginStore(message: Message, set: CommandSet): void {
    if (this.#carrier.isStopping()) {
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
    const { callingAeTitle: sourceAeTitle = '' } = this.#carrier.provenance();
    message.reception = this.#handling.receive(
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
        if (refusal === undefined) this.#carrier.write(encodeResponse(context.id, set, STATUS.unrecognizedOperation));
        else this.#refuse(context, set, refusal);
      });
      return;
    }
    const offer: Offer = {
      provenance: this.#carrier.provenance(),
      expected: {
        transferSyntaxUid: context.transferSyntaxUid ?? '',
        sopClassUid: set.affectedSopClassUid,
        sopInstanceUid: set.affectedSopInstanceUid,
      },
      refusal,
    };
    const stored = this.#handling.store(reception, offer);
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
      this.#carrier.write(encodeResponse(context.id, set, STATUS.success));
      this.#counts.stored += 1;
      this.#counts.bytes += sizeBytes;
      this.#log.debug('instance stored', { sopInstanceUid: set.affectedSopInstanceUid, sizeBytes });
    } catch (error) {
      const failure = toHubError(error);
      if (failure.code === 'internal.unexpected')
        this.#log.error('instance not stored', { reason: String(failure.cause) });
      this.#refuse(context, set, failure);
    }
  }

  #refuse(context: NegotiatedContext, set: CommandSet, failure: HubError): void {
    this.#counts.failed += 1;
    this.#log.debug('instance refused', { code: failure.code });
    this.#carrier.write(encodeResponse(context.id, set, failure.row.dimse, failure.row.title));
  }

  /** Queues an answer behind those before it. */
  #answer(send: () => Promise<void>): void {
    this.#outstanding += 1;
    const before = this.#answered;
    this.#answered = before.then(send).then(
      () => this.#answerSent(),
      (error: unknown) => {
        this.#answerSent();
        this.#carrier.onFailed(error);
      },
    );
    if (this.#outstanding >= MAX_OUTSTANDING) this.#carrier.holdBack(this.#answered);
  }

  #answerSent(): void {
    this.#outstanding -= 1;
    this.#carrier.onAnswered();
  }
}
