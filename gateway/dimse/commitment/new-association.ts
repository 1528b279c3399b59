/** An association of the hub's own to tell a result (PS3.4 Section J.3.3): the hub asks for it and is SCP on it. */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../../core/errors.ts';
import { associatePdu, item, ITEM, items, roleItem, text, uidItem, userInformation } from '../association-items.ts';
import { decodeCommandSet } from '../command-set.ts';
import { ABORT_REASON, encodeAbort, Framing, PDU, ProtocolError, type PduHandler } from '../framing.ts';
import { STORAGE_COMMITMENT_SOP_CLASS } from '../presentation-contexts.ts';
import { ReportSender, type EventInformation } from './report-channel.ts';

export interface ReportAddress {
  readonly host: string;
  readonly port: number;
  /** Undefined: what the source called itself. */
  readonly aeTitle?: string | undefined;
  /** Read for each association, so that a renewed certificate is used. Absent: not over TLS. */
  readonly secureContext?: (() => SecureContext) | undefined;
}

interface Titles {
  readonly callingAeTitle: string;
  readonly calledAeTitle: string;
}

const CONTEXT_ID = 1;
/** Responses are short. */
const MAX_PDU_LENGTH = 16 * 1024;
const MAX_ASSOCIATE_BYTES = 64 * 1024;
const RELEASE_REQUEST = Buffer.from([PDU.releaseRequest, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
const RELEASE_TIMEOUT_MS = 5_000;

/**
 * @returns the status of the N-EVENT-REPORT-RSP
 * @throws {HubError} `partner.unreachable`, `partner.timeout`, `partner.busy`, `partner.refused`
 */
export async function reportOnNewAssociation(
  address: ReportAddress,
  titles: Titles,
  event: (transferSyntaxUid: string) => EventInformation,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<number> {
  const association = new OutgoingAssociation(address, signal);
  try {
    await association.connected(timeoutMs);
    const sender = await association.associate(titles, timeoutMs);
    const status = await sender.report(event, timeoutMs);
    await association.release();
    return status;
  } finally {
    association.destroy();
  }
}

class OutgoingAssociation implements PduHandler {
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  readonly #framing = new Framing(this);
  readonly #connecting: Promise<void>;
  readonly #onAbort = () => this.#end(new HubError('partner.unreachable', { detail: 'the hub is stopping' }));
  #answer: ((pdu: { readonly type: number; readonly body: Buffer }) => void) | undefined;
  #sender: ReportSender | undefined;
  #failure: HubError | undefined;
  #fail: (error: HubError) => void = () => undefined;
  #command: Buffer[] | undefined;
  #isLast = false;

  constructor({ host, port, secureContext }: ReportAddress, signal: AbortSignal) {
    this.#signal = signal;
    const target = { host, port, noDelay: true, keepAlive: true };
    this.#socket =
      secureContext === undefined
        ? connectTcp(target)
        : connectTls({
            ...target,
            // RFC 6066 Section 3: addresses are no server names; the certificate is compared with the host either way.
            ...(isIP(host) === 0 ? { servername: host } : {}),
            secureContext: secureContext(),
          });
    this.#connecting = new Promise((resolve, reject) => {
      this.#socket.once(secureContext === undefined ? 'connect' : 'secureConnect', resolve);
      this.#fail = reject;
    });
    this.#connecting.catch(() => undefined); // Heard by whoever waits for it.
    this.#socket.on('data', (chunk) => this.#take(chunk));
    this.#socket.on('error', (error) =>
      this.#end(new HubError('partner.unreachable', { reason: codeOf(error), detail: 'no connection' }, error)),
    );
    this.#socket.on('close', () =>
      this.#end(new HubError('partner.unreachable', { detail: 'the connection was closed' })),
    );
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
  }

  async connected(timeoutMs: number): Promise<void> {
    await this.#inTime(
      this.#connecting,
      timeoutMs,
      new HubError('partner.unreachable', { detail: 'no connection in time' }),
    );
  }

  /** PS3.7 Section D.3.3.4: the requestor proposes to be SCP, and not SCU. */
  async associate(titles: Titles, timeoutMs: number): Promise<ReportSender> {
    const context = item(
      ITEM.presentationContext,
      Buffer.from([CONTEXT_ID, 0, 0, 0]),
      uidItem(ITEM.abstractSyntax, STORAGE_COMMITMENT_SOP_CLASS),
      uidItem(ITEM.transferSyntax, EXPLICIT_VR_LITTLE_ENDIAN),
      uidItem(ITEM.transferSyntax, IMPLICIT_VR_LITTLE_ENDIAN),
    );
    const role = roleItem(STORAGE_COMMITMENT_SOP_CLASS, { scu: false, scp: true });
    const { type, body } = await this.#ask(
      associatePdu(PDU.associateRequest, titles, [context, userInformation(MAX_PDU_LENGTH, [role])]),
      timeoutMs,
      'no answer to the association request',
    );
    if (type === PDU.associateReject) throw rejection(body);
    const { transferSyntaxUid, maxPduLength } = parseAccept(body);
    this.#sender = new ReportSender({
      ...{ contextId: CONTEXT_ID, transferSyntaxUid, maxPduLength },
      write: (bytes) => void this.#socket.write(bytes),
    });
    return this.#sender;
  }

  /** In good order, if the peer plays along: it has answered, the rest is manners. */
  async release(): Promise<void> {
    try {
      await this.#ask(RELEASE_REQUEST, RELEASE_TIMEOUT_MS, 'no answer to the release');
    } catch {
      // The result has arrived; a peer that just hangs up does no harm.
    }
  }

  destroy(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#socket.destroySoon();
    setTimeout(() => this.#socket.destroy(), 1_000).unref();
  }

  begin(type: number, length: number): void {
    const isExpected = type === PDU.data ? this.#sender !== undefined : type !== PDU.associateRequest;
    const limit = type === PDU.data ? MAX_PDU_LENGTH : MAX_ASSOCIATE_BYTES;
    if (!isExpected || length > limit)
      throw new ProtocolError(ABORT_REASON.unexpectedPdu, 'a PDU that may not come now');
  }

  pdu(type: number, body: Buffer): void {
    if (type === PDU.abort) this.#end(new HubError('partner.unreachable', { detail: 'it aborted the association' }));
    else if (type === PDU.releaseRequest) {
      this.#end(new HubError('partner.unreachable', { detail: 'it released the association' }));
    } else this.#answer?.({ type, body });
  }

  value(_contextId: number, isCommand: boolean, isLast: boolean): void {
    this.#command = isCommand ? (this.#command ?? []) : undefined;
    this.#isLast = isLast;
  }

  bytes(slice: Uint8Array): void {
    this.#command?.push(Buffer.from(slice));
  }

  valueEnd(): void {
    if (this.#command === undefined || !this.#isLast) return;
    const set = decodeCommandSet(Buffer.concat(this.#command));
    this.#command = undefined;
    if (this.#sender?.onResponse(set) !== true) {
      throw new ProtocolError(ABORT_REASON.unexpectedParameter, 'neither a response nor asked for');
    }
  }

  async #ask(pdu: Buffer, timeoutMs: number, late: string): Promise<{ readonly type: number; readonly body: Buffer }> {
    const answer = new Promise<{ readonly type: number; readonly body: Buffer }>((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure);
      this.#answer = resolve;
      this.#fail = reject;
      this.#socket.write(pdu);
    });
    return this.#inTime(answer, timeoutMs, new HubError('partner.timeout', { detail: late }));
  }

  async #inTime<T>(awaited: Promise<T>, timeoutMs: number, late: HubError): Promise<T> {
    const timer = setTimeout(() => this.#fail(late), timeoutMs);
    try {
      return await awaited;
    } finally {
      clearTimeout(timer);
    }
  }

  #take(chunk: Buffer): void {
    try {
      this.#framing.push(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#socket.write(encodeAbort(2, error.reason));
      this.#end(new HubError('partner.refused', { detail: error.message }));
      this.#socket.end();
    }
  }

  #end(failure: HubError): void {
    this.#failure ??= failure;
    this.#fail(this.#failure);
    this.#sender?.end(String(this.#failure.fields['detail'] ?? 'the association has ended'));
    if (this.#signal.aborted) this.#socket.destroy();
  }
}

/** @throws {HubError} `partner.refused` when the one context was not accepted */
function parseAccept(body: Buffer): { readonly transferSyntaxUid: string; readonly maxPduLength: number } {
  let transferSyntaxUid: string | undefined;
  let maxPduLength = 0;
  for (const { type, value } of items(body.subarray(68))) {
    if (type === ITEM.presentationContextAnswer && value[0] === CONTEXT_ID && value[2] === 0) {
      for (const part of items(value.subarray(4))) {
        if (part.type === ITEM.transferSyntax) transferSyntaxUid = text(part.value);
      }
    } else if (type === ITEM.userInformation) {
      for (const part of items(value)) {
        if (part.type === ITEM.maximumLength && part.value.length === 4) maxPduLength = part.value.readUInt32BE(0);
      }
    }
  }
  if (transferSyntaxUid !== undefined) return { transferSyntaxUid, maxPduLength };
  throw new HubError('partner.refused', { detail: 'it does not take storage commitment results' });
}

/** PS3.8 Table 9-21: result 1 is permanent, 2 transient. */
function rejection(body: Buffer): HubError {
  const [, result = 0, source = 0, reason = 0] = body;
  return new HubError(result === 2 ? 'partner.busy' : 'partner.refused', {
    detail: `association rejected: source ${source}, reason ${reason}`,
  });
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
