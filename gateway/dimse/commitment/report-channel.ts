/** N-EVENT-REPORT on an open association (PS3.7 Section 10.3.1), the hub in the SCP role of the Push Model. */
import { HubError } from '../../../core/errors.ts';
import { encodeEventReport, encodeValues, type CommandSet } from '../command-set.ts';
import { COMMAND } from '../command-set.ts';
import { STORAGE_COMMITMENT_SOP_CLASS, STORAGE_COMMITMENT_SOP_INSTANCE } from '../presentation-contexts.ts';

export interface EventInformation {
  readonly eventTypeId: number;
  /** In the transfer syntax that was asked for. */
  readonly dataSet: Buffer;
}

/** Somewhere an event report can be sent and is answered. */
export interface ReportChannel {
  /**
   * @param event - the event information in the channel's transfer syntax
   * @returns the status of the N-EVENT-REPORT-RSP
   * @throws {HubError} `partner.timeout`, `partner.unreachable`
   */
  report(event: (transferSyntaxUid: string) => EventInformation, timeoutMs: number): Promise<number>;
}

export interface ReportLink {
  readonly contextId: number;
  readonly transferSyntaxUid: string;
  /** The peer's; 0 is no limit. */
  readonly maxPduLength: number;
  readonly write: (bytes: Buffer) => void;
}

interface Waiting {
  readonly resolve: (status: number) => void;
  readonly reject: (error: HubError) => void;
}

const MAX_MESSAGE_ID = 0xffff;

export class ReportSender implements ReportChannel {
  readonly #link: ReportLink;
  readonly #waiting = new Map<number, Waiting>();
  #lastMessageId = 0;
  #ended: HubError | undefined;

  constructor(link: ReportLink) {
    this.#link = link;
  }

  async report(event: (transferSyntaxUid: string) => EventInformation, timeoutMs: number): Promise<number> {
    if (this.#ended !== undefined) throw this.#ended;
    const { contextId, transferSyntaxUid, maxPduLength, write } = this.#link;
    const { eventTypeId, dataSet } = event(transferSyntaxUid);
    const messageId = (this.#lastMessageId = (this.#lastMessageId % MAX_MESSAGE_ID) + 1);
    const command = encodeEventReport({
      ...{ messageId, eventTypeId },
      sopClassUid: STORAGE_COMMITMENT_SOP_CLASS,
      sopInstanceUid: STORAGE_COMMITMENT_SOP_INSTANCE,
    });
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<number>((resolve, reject) => {
        this.#waiting.set(messageId, { resolve, reject });
        timer = setTimeout(
          () => reject(new HubError('partner.timeout', { detail: 'no response to an N-EVENT-REPORT' })),
          timeoutMs,
        );
        write(
          Buffer.concat([
            ...encodeValues(contextId, 'command', command, maxPduLength),
            ...encodeValues(contextId, 'data', dataSet, maxPduLength),
          ]),
        );
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(messageId);
    }
  }

  /** @returns false when nobody asked for it */
  onResponse(set: CommandSet): boolean {
    if (set.field !== COMMAND.eventReportResponse) return false;
    const waiting = this.#waiting.get(set.messageId);
    waiting?.resolve(set.status ?? -1);
    // One that comes after its time is no offence.
    return waiting !== undefined || (set.messageId > 0 && set.messageId <= this.#lastMessageId);
  }

  /** Nothing more can be sent or answered. Harmless twice. */
  end(why: string): void {
    this.#ended ??= new HubError('partner.unreachable', { detail: why });
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
  }
}
