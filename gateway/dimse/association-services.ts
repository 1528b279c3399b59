/** What the hub performs on one association: which service a command is for, and what they have done so far. */
import type { Logger } from '../../core/ports.ts';
import { COMMAND, encodeResponse, STATUS, type CommandSet } from './command-set.ts';
import { actionService } from './commitment/action-service.ts';
import type { Desk } from './commitment/desk.ts';
import { ReportSender } from './commitment/report-channel.ts';
import { type ReportPorts, reportService } from './commitment/report-service.ts';
import { readOver, type MessageCarrier, type MessageRouting, type Service } from './messages.ts';
import { VERIFICATION_SOP_CLASS, type NegotiatedContext } from './presentation-contexts.ts';
import { storeService, type StoreCounts, type StoreHandling } from './store-service.ts';

export interface ServicePorts extends StoreHandling, ReportPorts {
  readonly desk: Desk;
}

export class AssociationServices implements MessageRouting {
  readonly #id: string;
  readonly #desk: Desk;
  readonly #carrier: MessageCarrier;
  readonly #counts: StoreCounts = { stored: 0, failed: 0, bytes: 0 };
  readonly #store: Service;
  readonly #action: Service;
  readonly #report: Service;
  #maxPduLength = 0;
  #reports: ReportSender | undefined;

  constructor(id: string, ports: ServicePorts, carrier: MessageCarrier, log: Logger) {
    this.#id = id;
    this.#desk = ports.desk;
    this.#carrier = carrier;
    this.#store = storeService(ports, carrier, this.#counts, log);
    this.#action = actionService(ports.desk, carrier, log);
    this.#report = reportService(ports, carrier, log);
  }

  get counts(): Readonly<StoreCounts> {
    return this.#counts;
  }

  /** @param maxPduLength - the peer's; 0 is no limit */
  open(maxPduLength: number): void {
    this.#maxPduLength = maxPduLength;
  }

  /** Nothing more can be told the peer on this association. Harmless twice. */
  end(why: string): void {
    this.#desk.closed(this.#id);
    this.#reports?.end(why);
  }

  serviceFor(context: NegotiatedContext, set: CommandSet): Service {
    const { abstractSyntaxUid, commitment } = context;
    switch (set.field) {
      case COMMAND.storeRequest:
        return this.#store;
      case COMMAND.echoRequest:
        return abstractSyntaxUid === VERIFICATION_SOP_CLASS ? this.#echo : this.#unrecognized;
      case COMMAND.actionRequest:
        if (commitment?.takesRequests !== true) return this.#unrecognized;
        this.#openReports(context);
        return this.#action;
      case COMMAND.eventReportRequest:
        return (commitment?.reportsOf ?? []).length > 0 ? this.#report : this.#unrecognized;
      case COMMAND.cancelRequest:
        return () => readOver();
      default:
        return this.#unrecognized;
    }
  }

  onResponse(set: CommandSet): boolean {
    return this.#reports?.onResponse(set) ?? false;
  }

  readonly #echo: Service = (context, set) => this.#answering(context, set, STATUS.success);
  readonly #unrecognized: Service = (context, set) => this.#answering(context, set, STATUS.unrecognizedOperation);

  #answering(context: NegotiatedContext, set: CommandSet, status: number) {
    return readOver(() => this.#carrier.write(encodeResponse(context.id, set, status)));
  }

  /** From the first request for a commitment on, its result may go back this way. */
  #openReports({ id, transferSyntaxUid = '' }: NegotiatedContext): void {
    if (this.#reports !== undefined) return;
    this.#reports = new ReportSender({
      ...{ contextId: id, transferSyntaxUid, maxPduLength: this.#maxPduLength },
      write: (bytes) => this.#carrier.writeReport(bytes),
    });
    this.#desk.opened(this.#id, this.#reports);
  }
}
