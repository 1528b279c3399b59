/**
 * The messages of one association (PS3.7): values put together to commands and data sets, each handed to the service it
 * is for as its bytes come, and one response to each request, in the order of the requests.
 */
import type { Provenance } from '../../core/ledger/instances.ts';
import { COMMAND, decodeCommandSet, type CommandSet } from './command-set.ts';
import { ABORT_REASON, ProtocolError } from './framing.ts';
import type { NegotiatedContext } from './presentation-contexts.ts';

/** What performs the requests of one kind. */
export type Service = (context: NegotiatedContext, set: CommandSet) => Incoming;

/** A request under way: where its data set goes, and how it is answered. */
export interface Incoming {
  /** Bytes of the data set, valid only during the call. @returns when there is room for more, unless there is room now */
  take(slice: Uint8Array): Promise<unknown> | undefined;
  /** It is whole. @returns sends the response; called when its turn comes */
  end(): () => Promise<void>;
  /** It never will be: nothing of it stays. */
  abandon(): Promise<void>;
}

/** The association the messages are part of. */
export interface MessageCarrier {
  readonly provenance: () => Provenance;
  readonly isStopping: () => boolean;
  readonly write: (bytes: Buffer) => void;
  /** A message of the hub's own, of some megabytes perhaps: who asked for it may take its time to read it. */
  readonly writeReport: (bytes: Buffer) => void;
  /** Nothing more is to be read until the promise is fulfilled. */
  readonly holdBack: (ready: Promise<unknown>) => void;
  readonly onAnswered: () => void;
  readonly onFailed: (error: unknown) => void;
}

/** Who is asked what to do with a command. */
export interface MessageRouting {
  readonly serviceFor: (context: NegotiatedContext, set: CommandSet) => Service;
  /** A response of the peer. False: nobody asked for it. */
  readonly onResponse: (set: CommandSet) => boolean;
}

const MAX_COMMAND_BYTES = 64 * 1024;
/** A peer that pipelines is served, and held back above so many. */
const MAX_OUTSTANDING = 8;

/** A message under way: its command so far, then what its data set goes to. */
interface Message {
  readonly context: NegotiatedContext;
  readonly command: Buffer[];
  commandBytes: number;
  incoming?: Incoming;
}

export class Messages {
  readonly #routing: MessageRouting;
  readonly #carrier: MessageCarrier;
  readonly #contexts = new Map<number, NegotiatedContext>();
  #message: Message | undefined;
  #value: { readonly isCommand: boolean; readonly isLast: boolean } | undefined;
  #answered: Promise<void> = Promise.resolve();
  #outstanding = 0;

  constructor(routing: MessageRouting, carrier: MessageCarrier) {
    this.#routing = routing;
    this.#carrier = carrier;
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

  /** The connection is gone: of what is not whole nothing stays. */
  async abandon(): Promise<void> {
    const partial = this.#message?.incoming;
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
      this.#message = { context, command: [], commandBytes: 0 };
    } else {
      if (message.context !== context) {
        throw new ProtocolError(ABORT_REASON.unexpectedParameter, 'a message on two contexts');
      }
      if (isCommand !== (message.incoming === undefined)) {
        throw new ProtocolError(ABORT_REASON.unexpectedParameter, 'command and data out of order');
      }
    }
    this.#value = { isCommand, isLast };
  }

  bytes(slice: Uint8Array): void {
    const message = this.#current();
    if (message.incoming === undefined) {
      message.commandBytes += slice.length;
      if (message.commandBytes > MAX_COMMAND_BYTES) {
        throw new ProtocolError(ABORT_REASON.invalidParameterValue, 'a command set too large');
      }
      message.command.push(Buffer.from(slice));
      return;
    }
    const room = message.incoming.take(slice);
    if (room !== undefined) this.#carrier.holdBack(room);
  }

  valueEnd(): void {
    const message = this.#current();
    const value = this.#value;
    if (value?.isLast !== true) return;
    if (value.isCommand) this.#commandEnd(message);
    else if (message.incoming !== undefined) this.#messageEnd(message.incoming);
  }

  #current(): Message {
    if (this.#message === undefined) throw new Error('no message under way');
    return this.#message;
  }

  #commandEnd(message: Message): void {
    const set = decodeCommandSet(Buffer.concat(message.command));
    const incoming =
      (set.field & COMMAND.response) === 0
        ? this.#routing.serviceFor(message.context, set)(message.context, set)
        : this.#response(set);
    if (set.hasDataSet) message.incoming = incoming;
    else this.#messageEnd(incoming);
  }

  #messageEnd(incoming: Incoming): void {
    this.#message = undefined;
    this.#answer(incoming.end());
  }

  /** All there is to know stands in the command; there is nothing to answer. */
  #response(set: CommandSet): Incoming {
    if (this.#routing.onResponse(set)) return readOver();
    throw new ProtocolError(ABORT_REASON.unexpectedParameter, 'a response nobody asked for');
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

/** Data sets that nobody wants are read and forgotten up to here. */
const MAX_IGNORED_BYTES = 16 * 1024 * 1024;

/** A message whose data set, if it has one, does not matter. */
export function readOver(answer: () => void = () => undefined): Incoming {
  let bytes = 0;
  return {
    take: (slice) => {
      bytes += slice.length;
      if (bytes <= MAX_IGNORED_BYTES) return undefined;
      throw new ProtocolError(ABORT_REASON.invalidParameterValue, 'a data set too large');
    },
    end: () => () => {
      answer();
      return Promise.resolve();
    },
    abandon: () => Promise.resolve(),
  };
}
